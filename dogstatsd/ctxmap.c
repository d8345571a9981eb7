#include "dogstatsd/ctxmap.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_SLOTS 1024

int bh_ctxmap_init(struct bh_ctxmap *m)
{
	*m = (struct bh_ctxmap){0};
	m->slots = calloc(FIRST_SLOTS, sizeof(*m->slots));
	if (!m->slots)
		return -ENOMEM;
	m->mask = FIRST_SLOTS - 1;
	return 0;
}

void bh_ctxmap_release(struct bh_ctxmap *m)
{
	free(m->slots);
	*m = (struct bh_ctxmap){0};
}

void bh_ctxmap_clear(struct bh_ctxmap *m)
{
	memset(m->slots, 0, (m->mask + 1) * sizeof(*m->slots));
	m->n = 0;
}

static void put(struct bh_ctxmap *m, struct bh_ctxmap_slot slot)
{
	size_t i = slot.key.lo & m->mask;

	while (m->slots[i].ctx)
		i = (i + 1) & m->mask;
	m->slots[i] = slot;
}

static int resize(struct bh_ctxmap *m, size_t slots)
{
	struct bh_ctxmap old = *m;
	struct bh_ctxmap_slot *fresh = calloc(slots, sizeof(*fresh));

	if (!fresh)
		return -ENOMEM;
	m->slots = fresh;
	m->mask = slots - 1;
	for (size_t i = 0; i <= old.mask; i++) {
		if (old.slots[i].ctx)
			put(m, old.slots[i]);
	}
	free(old.slots);
	return 0;
}

int bh_ctxmap_add(struct bh_ctxmap *m, struct bh_key key, struct bh_context *ctx)
{
	if ((m->n + 1) * 3 > (m->mask + 1) * 2) {
		int rc = resize(m, (m->mask + 1) * 2);

		if (rc < 0)
			return rc;
	}
	put(m, (struct bh_ctxmap_slot){key, ctx});
	m->n++;
	return 0;
}

/* Empties slot i and closes the hole: later entries of the same run move back when i lies between
 * their home and their place. */
static void remove_at(struct bh_ctxmap *m, size_t i)
{
	size_t hole = i, j = i;

	for (;;) {
		size_t home;

		j = (j + 1) & m->mask;
		if (!m->slots[j].ctx)
			break;
		home = m->slots[j].key.lo & m->mask;
		if (((j - home) & m->mask) >= ((j - hole) & m->mask)) {
			m->slots[hole] = m->slots[j];
			hole = j;
		}
	}
	m->slots[hole].ctx = NULL;
	m->n--;
}

static void shrink(struct bh_ctxmap *m)
{
	size_t slots = m->mask + 1;

	while (slots > FIRST_SLOTS && m->n * 8 < slots)
		slots /= 2;
	if (slots <= m->mask)
		(void)resize(m, slots); /* on failure the larger table stays, which is correct */
}

void bh_ctxmap_replace(struct bh_ctxmap *m, struct bh_key key, struct bh_context *ctx)
{
	size_t i = key.lo & m->mask;

	while (m->slots[i].ctx && !bh_key_eq(m->slots[i].key, key))
		i = (i + 1) & m->mask;
	if (m->slots[i].ctx)
		m->slots[i].ctx = ctx;
}

bool bh_ctxmap_sweep_step(struct bh_ctxmap *m, struct bh_ctxmap_sweep *s, size_t *budget,
    bool (*gone)(struct bh_context *ctx, void *arg), void *arg)
{
	if (s->mask != m->mask)
		*s = (struct bh_ctxmap_sweep){0, m->mask};
	/* Closing a hole moves entries only from slots that are still to be looked at, or, around
	 * the end, into them. */
	for (; s->at <= m->mask && *budget; s->at++, --*budget) {
		while (m->slots[s->at].ctx && gone(m->slots[s->at].ctx, arg))
			remove_at(m, s->at);
	}
	if (s->at <= m->mask)
		return false;
	shrink(m);
	return true;
}
