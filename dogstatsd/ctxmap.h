/*
 * An open-addressing table from 128-bit keys to contexts. It owns neither: several keys may lead to
 * one context. Look-up touches one cache line when the table is not crowded (load <= 2/3).
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
	size_t n;    /* in use */
	size_t mask; /* slots - 1; slots are a power of two */
};

int bh_ctxmap_init(struct bh_ctxmap *m) BH_MUST_CHECK; /* -ENOMEM */
void bh_ctxmap_release(struct bh_ctxmap *m);
void bh_ctxmap_clear(struct bh_ctxmap *m); /* forgets all entries, keeps memory */

/* Adds a key that is not there. 0 or -ENOMEM (nothing changed). */
int bh_ctxmap_add(struct bh_ctxmap *m, struct bh_key key, struct bh_context *ctx) BH_MUST_CHECK;

/* The context of a key that is there becomes another one. */
void bh_ctxmap_replace(struct bh_ctxmap *m, struct bh_key key, struct bh_context *ctx);

/* A sweep in steps. Entries may be added and replaced between them, not removed by anybody else. */
struct bh_ctxmap_sweep {
	size_t at;
	size_t mask; /* when the table grew in between, the sweep begins anew */
};

/* Looks at about *budget slots (less one for each), removing every entry that `gone` says true for;
 * it must answer the same when asked again. True when all have been looked at; memory is given back
 * then when most of it is unused. */
bool bh_ctxmap_sweep_step(struct bh_ctxmap *m, struct bh_ctxmap_sweep *s, size_t *budget,
    bool (*gone)(struct bh_context *ctx, void *arg), void *arg);

static inline struct bh_context *bh_ctxmap_find(const struct bh_ctxmap *m, struct bh_key key)
{
	size_t i = key.lo & m->mask;

	while (m->slots[i].ctx) {
		if (bh_key_eq(m->slots[i].key, key))
			return m->slots[i].ctx;
		i = (i + 1) & m->mask;
	}
	return NULL;
}

#endif
