#include "logs-agent/template.h"

#include <errno.h>
#include <stdlib.h>

#define STEPS 1000000 /* of the syntax, which is linear */

int bh_template_reader_init(struct bh_template_reader *r)
{
	/* A name is the longest run of what Unicode calls letters and digits. */
	static const char syntax[] = "\\$(?:\\$|([\\pL\\p{Nd}_]+)|\\{([\\pL\\p{Nd}_]+)\\})";
	int rc;

	*r = (struct bh_template_reader){NULL, NULL};
	rc = bh_pattern_scratch_new(&r->scratch);
	if (!rc)
		rc = bh_pattern_new(&r->syntax, bh_str_from(syntax), STEPS, NULL);
	return rc;
}

void bh_template_reader_release(struct bh_template_reader *r)
{
	bh_pattern_free(r->syntax);
	bh_pattern_scratch_free(r->scratch);
	*r = (struct bh_template_reader){NULL, NULL};
}

static int add_part(struct bh_template *t, const struct bh_template_part *part)
{
	struct bh_template_part *more;

	more = reallocarray(t->parts, t->parts_n + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	t->parts = more;
	t->parts[t->parts_n++] = *part;
	return 0;
}

static int add_text(struct bh_template *t, const char *p, size_t n)
{
	struct bh_template_part part = {.text = t->text.len, .text_n = n};
	int rc;

	if (n == 0)
		return 0;
	rc = bh_buf_append(&t->text, p, n);
	return rc ? rc : add_part(t, &part);
}

static int add_group(struct bh_template *t, uint32_t number)
{
	uint32_t *more = reallocarray(t->groups, t->groups_n + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	t->groups = more;
	t->groups[t->groups_n++] = number;
	return 0;
}

/* A name of digits only, without a leading zero, is a number: *number, else -1. */
static void as_number(struct bh_str name, int64_t *number)
{
	*number = 0;
	for (size_t i = 0; i < name.n && *number >= 0; i++) {
		if (name.p[i] < '0' || name.p[i] > '9' || *number >= 100000000)
			*number = -1;
		else
			*number = *number * 10 + (name.p[i] - '0');
	}
	if (name.n > 1 && name.p[0] == '0')
		*number = -1;
}

/* Groups of which nothing is known insert nothing, so they are left out. */
static int add_name(struct bh_template *t, struct bh_str name, const struct bh_pattern *of)
{
	struct bh_template_part part = {.group = t->groups_n};
	uint32_t group = 0;
	int64_t number;
	int rc = 0;

	as_number(name, &number);
	if (number >= 0) {
		if (number <= (int64_t)bh_pattern_groups(of))
			rc = add_group(t, (uint32_t)number);
	} else {
		while (!rc && (group = bh_pattern_named(of, name, group)) > 0)
			rc = add_group(t, group);
	}
	part.group_n = t->groups_n - part.group;
	return rc || !part.group_n ? rc : add_part(t, &part);
}

int bh_template_init(struct bh_template *t, struct bh_str text, const struct bh_pattern *of,
    const struct bh_template_reader *r)
{
	struct bh_pattern_walk w;
	size_t done = 0;
	int rc = 0;

	*t = (struct bh_template){.parts = NULL};
	bh_pattern_walk_init(&w, r->syntax, r->scratch, text, STEPS + 8 * (uint64_t)text.n);
	while (!rc && bh_pattern_walk_next(&w) == BH_MATCH_YES) {
		const size_t *g = w.groups[2] != BH_NO_GROUP ? w.groups + 2 : w.groups + 4;

		rc = add_text(t, text.p + done, w.groups[0] - done);
		if (!rc && g[0] == BH_NO_GROUP)
			rc = add_text(t, "$", 1);
		else if (!rc)
			rc = add_name(t, (struct bh_str){text.p + g[0], g[1] - g[0]}, of);
		done = w.groups[1];
	}
	if (!rc)
		rc = add_text(t, text.p + done, text.n - done);
	return rc;
}

void bh_template_release(struct bh_template *t)
{
	bh_buf_release(&t->text);
	free(t->parts);
	free(t->groups);
	*t = (struct bh_template){.parts = NULL};
}

/* The first of the part's groups that took part. */
static struct bh_str taken(const struct bh_template *t, const struct bh_template_part *part,
    const struct bh_pattern_walk *w)
{
	for (size_t k = 0; k < part->group_n; k++) {
		const size_t *g = w->groups + 2 * (size_t)t->groups[part->group + k];

		if (g[0] != BH_NO_GROUP)
			return (struct bh_str){w->subject.p + g[0], g[1] - g[0]};
	}
	return BH_STR_LIT("");
}

int bh_template_expand(
    const struct bh_template *t, const struct bh_pattern_walk *w, size_t max, struct bh_buf *out)
{
	int rc = 0;

	for (size_t i = 0; i < t->parts_n && !rc; i++) {
		const struct bh_template_part *part = &t->parts[i];
		struct bh_str text;

		if (part->group_n)
			text = taken(t, part, w);
		else
			text = (struct bh_str){t->text.data + part->text, part->text_n};
		rc = bh_buf_append(out, text.p, text.n);
		if (!rc && out->len > max)
			rc = BH_E_LIMIT;
	}
	return rc;
}
