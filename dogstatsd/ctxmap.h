/*
 * An open-addressing table from 128-bit keys to contexts. It owns neither: several keys may lead to
 * one context. Look-up touches one cache line when the table is not crowded (load <= 2/3).
 *
 * No call waits for all entries to move. When the table grows or shrinks, the array before stays
 * beside the new one, and each add and each step of a sweep moves some of its slots; until it is
 * empty, a key that is not in the new array is looked for in the old one. Memory that is no longer
 * needed is given back in pieces for the same reason.
 */
#ifndef BH_DOGSTATSD_CTXMAP_H
#define BH_DOGSTATSD_CTXMAP_H

#include <stdbool.h>
#include <stddef.h>

#include "common/attrs.h"
#include "dogstatsd/key.h"

struct bh_context;

struct bh_ctxmap_slot {
	struct bh_key key;
	struct bh_context *ctx; /* NULL = empty */
};

struct bh_ctxmap {
	struct bh_ctxmap_slot *slots;
	size_t n;    /* in use, in both arrays */
	size_t mask; /* slots - 1; slots are a power of two */
	/* A move under way; old is NULL without one. */
	struct bh_ctxmap_slot *old;
	size_t old_mask;
	size_t old_at;   /* next slot to be moved: what is left stands in whole runs behind it */
	size_t old_left; /* slots from there on, around the end */
	size_t pace;     /* slots an add moves: the old array is empty before this one is full */
	/* Arrays that are being given back. */
	struct bh_ctxmap_scrap {
		char *p;
		size_t bytes;
	} scrap[2];
};

int bh_ctxmap_init(struct bh_ctxmap *m) BH_MUST_CHECK; /* -ENOMEM */
void bh_ctxmap_release(struct bh_ctxmap *m);
void bh_ctxmap_clear(struct bh_ctxmap *m); /* forgets all entries, keeps room for as many */

/* Adds a key that is not there. 0 or -ENOMEM (nothing changed). */
int bh_ctxmap_add(struct bh_ctxmap *m, struct bh_key key, struct bh_context *ctx) BH_MUST_CHECK;

/* The context of a key that is there becomes another one. */
void bh_ctxmap_replace(struct bh_ctxmap *m, struct bh_key key, struct bh_context *ctx);

/* For who walks over slots[]: moves about *budget slots (less one for each), all of them when it is
 * SIZE_MAX. True when no move is under way: slots[0..mask] hold every entry, until the next add.
 * Who walks in steps asks before each, and begins anew when mask is another one than before; that
 * ends, because only adds beyond the largest count so far make it grow. */
bool bh_ctxmap_settle(struct bh_ctxmap *m, size_t *budget);

/* A sweep in steps; zero to begin. Entries may be added and replaced between them, not removed by
 * anybody else. */
struct bh_ctxmap_sweep {
	size_t at;
	size_t mask; /* when the table grew in between, the sweep begins anew */
	bool swept;  /* only memory is still to be given back */
};

/* Looks at about *budget slots (less one for each), removing every entry that `gone` says true for;
 * it must answer the same when asked again. True when all have been looked at, and, where most of
 * the table was unused, the entries left have moved to a smaller one. */
bool bh_ctxmap_sweep_step(struct bh_ctxmap *m, struct bh_ctxmap_sweep *s, size_t *budget,
    bool (*gone)(struct bh_context *ctx, void *arg), void *arg);

/* Slot of the key, or the empty one that ends the search. */
static inline struct bh_ctxmap_slot *bh_ctxmap_slot_of(
    struct bh_ctxmap_slot *slots, size_t mask, struct bh_key key)
{
	size_t i = key.lo & mask;

	while (slots[i].ctx && !bh_key_eq(slots[i].key, key))
		i = (i + 1) & mask;
	return &slots[i];
}

static inline struct bh_context *bh_ctxmap_find(const struct bh_ctxmap *m, struct bh_key key)
{
	struct bh_context *ctx = bh_ctxmap_slot_of(m->slots, m->mask, key)->ctx;

	if (!ctx && __builtin_expect(m->old != NULL, 0))
		ctx = bh_ctxmap_slot_of(m->old, m->old_mask, key)->ctx;
	return ctx;
}

#endif
