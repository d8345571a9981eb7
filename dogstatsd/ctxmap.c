#include "dogstatsd/ctxmap.h"

#include <errno.h>
#include <sys/mman.h>

#define FIRST_SLOTS 1024

/* Slots an add moves at least. They come in order, and go to two places that come in order too: a
 * fraction of a microsecond. */
#define PACE 32

/* What is given back at once, of whole pages of any size; it costs like looking at so many slots.
 */
#define PIECE      ((size_t)64 << 10)
#define PIECE_COST ((size_t)256)

/* What a removal costs in slots looked at, beside the look. */
#define REMOVAL_COST ((size_t)4)

/* --- memory: pages, because these can be given back in pieces -----------------------------------
 */

static struct bh_ctxmap_slot *new_slots(size_t n)
{
	void *p = mmap(NULL, n * sizeof(struct bh_ctxmap_slot), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void free_slots(void *p, size_t bytes)
{
	if (p)
		(void)munmap(p, bytes);
}

/* An array without use is given back later, bit by bit. */
static void scrap(struct bh_ctxmap *m, struct bh_ctxmap_slot *slots, size_t n)
{
	size_t which = m->scrap[0].p ? 1 : 0;

	free_slots(
	    m->scrap[which].p, m->scrap[which].bytes); /* both places taken: not in practice */
	m->scrap[which] = (struct bh_ctxmap_scrap){(char *)slots, n * sizeof(*slots)};
}

/* Gives as much back as *budget pays for. True when nothing is left to be. */
static bool give_back(struct bh_ctxmap *m, size_t *budget)
{
	for (size_t i = 0; i < BH_ARRAY_LEN(m->scrap); i++) {
		struct bh_ctxmap_scrap *s = &m->scrap[i];

		while (s->p && *budget) {
			size_t keep = (s->bytes - 1) / PIECE * PIECE;

			free_slots(s->p + keep, s->bytes - keep);
			s->bytes = keep;
			if (!keep)
				s->p = NULL;
			*budget -= BH_MIN(*budget, PIECE_COST);
		}
		if (s->p)
			return false;
	}
	return true;
}

int bh_ctxmap_init(struct bh_ctxmap *m)
{
	*m = (struct bh_ctxmap){.mask = FIRST_SLOTS - 1};
	m->slots = new_slots(FIRST_SLOTS);
	return m->slots ? 0 : -ENOMEM;
}

void bh_ctxmap_release(struct bh_ctxmap *m)
{
	for (size_t i = 0; i < BH_ARRAY_LEN(m->scrap); i++)
		free_slots(m->scrap[i].p, m->scrap[i].bytes);
	free_slots(m->old, (m->old_mask + 1) * sizeof(*m->old));
	free_slots(m->slots, (m->mask + 1) * sizeof(*m->slots));
	*m = (struct bh_ctxmap){0};
}

void bh_ctxmap_clear(struct bh_ctxmap *m)
{
	struct bh_ctxmap_slot *fresh = new_slots(m->mask + 1);

	if (m->old)
		scrap(m, m->old, m->old_mask + 1);
	m->old = NULL;
	m->n = 0;
	if (fresh) {
		scrap(m, m->slots, m->mask + 1);
		m->slots = fresh;
	} else {
		memset(m->slots, 0, (m->mask + 1) * sizeof(*m->slots));
	}
}

/* --- moving -------------------------------------------------------------------------------------
 */

static void put(struct bh_ctxmap *m, struct bh_ctxmap_slot slot)
{
	*bh_ctxmap_slot_of(m->slots, m->mask, slot.key) = slot;
}

bool bh_ctxmap_settle(struct bh_ctxmap *m, size_t *budget)
{
	if (!m->old)
		return true;
	/* Stops before an empty slot only: a run that was half moved would hide its other half. */
	for (; m->old_left && (*budget || m->old[m->old_at].ctx); m->old_left--) {
		struct bh_ctxmap_slot *slot = &m->old[m->old_at];

		if (slot->ctx) {
			put(m, *slot);
			slot->ctx = NULL;
		}
		m->old_at = (m->old_at + 1) & m->old_mask;
		*budget -= *budget > 0;
	}
	if (m->old_left)
		return false;
	scrap(m, m->old, m->old_mask + 1);
	m->old = NULL;
	return true;
}

/* Makes room for `slots`, in which at least one more than n fits. 0 or -ENOMEM (nothing changed).
 */
static int resize(struct bh_ctxmap *m, size_t slots)
{
	struct bh_ctxmap_slot *fresh = new_slots(slots);
	size_t all = SIZE_MAX, room = slots / 3 * 2 - m->n;

	if (!fresh)
		return -ENOMEM;
	(void)bh_ctxmap_settle(m, &all); /* the pace has seen to it that there is nothing to do */
	m->old = m->slots;
	m->old_mask = m->mask;
	m->old_left = m->mask + 1;
	m->pace = BH_MAX((m->old_left + room - 1) / room, (size_t)PACE);
	/* Behind an empty slot begins a run. */
	for (m->old_at = 0; m->old[m->old_at].ctx;)
		m->old_at++;
	m->old_at = (m->old_at + 1) & m->old_mask;
	m->slots = fresh;
	m->mask = slots - 1;
	return 0;
}

int bh_ctxmap_add(struct bh_ctxmap *m, struct bh_key key, struct bh_context *ctx)
{
	size_t slots = m->pace, piece = 1;

	if (m->old)
		(void)bh_ctxmap_settle(m, &slots);
	else if (m->scrap[0].p || m->scrap[1].p)
		(void)give_back(m, &piece);
	if ((m->n + 1) * 3 > (m->mask + 1) * 2) {
		int rc = resize(m, (m->mask + 1) * 2);

		if (rc < 0)
			return rc;
	}
	put(m, (struct bh_ctxmap_slot){key, ctx});
	m->n++;
	return 0;
}

void bh_ctxmap_replace(struct bh_ctxmap *m, struct bh_key key, struct bh_context *ctx)
{
	struct bh_ctxmap_slot *slot = bh_ctxmap_slot_of(m->slots, m->mask, key);

	if (!slot->ctx && m->old)
		slot = bh_ctxmap_slot_of(m->old, m->old_mask, key);
	if (slot->ctx)
		slot->ctx = ctx;
}

/* --- sweeping -----------------------------------------------------------------------------------
 */

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

/* True at the end. */
static bool sweep(struct bh_ctxmap *m, struct bh_ctxmap_sweep *s, size_t *budget,
    bool (*gone)(struct bh_context *ctx, void *arg), void *arg)
{
	if (s->mask != m->mask)
		*s = (struct bh_ctxmap_sweep){.mask = m->mask};
	/* Closing a hole moves entries only from slots that are still to be looked at, or, around
	 * the end, into them. */
	for (; s->at <= m->mask && *budget; s->at++, --*budget) {
		while (m->slots[s->at].ctx && gone(m->slots[s->at].ctx, arg)) {
			remove_at(m, s->at);
			*budget -= BH_MIN(*budget - 1, REMOVAL_COST);
		}
	}
	return s->at > m->mask;
}

bool bh_ctxmap_sweep_step(struct bh_ctxmap *m, struct bh_ctxmap_sweep *s, size_t *budget,
    bool (*gone)(struct bh_context *ctx, void *arg), void *arg)
{
	if (!s->swept && bh_ctxmap_settle(m, budget) && sweep(m, s, budget, gone, arg)) {
		s->swept = true;
		shrink(m);
	}
	return s->swept && bh_ctxmap_settle(m, budget) && give_back(m, budget);
}
