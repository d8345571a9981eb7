#include "dogstatsd/ownfigures.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

struct bh_own_figure {
	struct bh_figure f;
	bool fresh;
};

void bh_own_figures_release(struct bh_own_figures *own)
{
	free(own->v);
	*own = (struct bh_own_figures){0};
}

static struct bh_own_figure *room(struct bh_own_figures *own)
{
	if (own->n == own->cap) {
		size_t cap = own->cap ? 2 * own->cap : 64;
		void *p = own->n < BH_OWN_FIGURES ? realloc(own->v, cap * sizeof(*own->v)) : NULL;

		if (!p)
			return NULL;
		own->v = p;
		own->cap = cap;
	}
	return &own->v[own->n++];
}

static void take(struct bh_own_figures *own, const struct bh_figure *f)
{
	struct bh_own_figure *to;

	for (size_t i = 0; i < own->n; i++) {
		to = &own->v[i];
		if (to->f.is_count != f->is_count || strcmp(to->f.name, f->name) != 0 ||
		    strcmp(to->f.tags, f->tags) != 0)
			continue;
		to->f.value =
		    f->is_count && to->fresh ? BH_MIN(to->f.value + f->value, DBL_MAX) : f->value;
		to->fresh = true;
		return;
	}
	to = room(own);
	if (to)
		*to = (struct bh_own_figure){*f, true};
}

void bh_own_figures_take(struct bh_own_figures *own, struct bh_str figures)
{
	struct bh_cur in = bh_cur_init(figures.p, figures.n);
	struct bh_figure f;

	while (in.left && bh_figure_decode(&in, &f) == 0)
		take(own, &f);
}

/* What stays silent makes room for others. */
void bh_own_figures_flush(struct bh_own_figures *own, struct bh_buf *out)
{
	size_t kept = 0;

	for (size_t i = 0; i < own->n; i++) {
		if (!own->v[i].fresh)
			continue;
		(void)bh_figure_encode(&own->v[i].f, out);
		own->v[i].fresh = false;
		own->v[kept++] = own->v[i];
	}
	own->n = kept;
}
