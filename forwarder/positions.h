/*
 * Where every file generation stands: `safe`, `delivered`, `complete` (spec/logs.md §15,
 * durability.md §1, §4). Pure and in memory; forwarder/store.h keeps what it says.
 *
 * A generation is a chain of parts in the order they were handed over. How far a part has come is
 * one of four levels, each including those before it:
 *
 *   open       some reliable destination would lose it with this process
 *   durable    each reliable destination has taken it, or has dropped it for a counted reason, or
 *              is owed it by a committed row of the spool that carries its origin
 *   delivered  durable, and at least one of them has taken it
 *   complete   none of them is owed it any more
 *
 *   safe      = end of the unbroken run of parts that are durable at least
 *   delivered = start of the first part that is not delivered; `safe` when there is none
 *   complete  = start of the first part that is not complete; `safe` when there is none
 *
 * So what was settled behind an open part needs no memory of its own: after a restart the chain is
 * rebuilt from the spool's rows alone, and from delivered_ord. What one destination took out of
 * order behind an open part, while another is still owed it, counts as not delivered after a
 * restart: `delivered` then waits for that part and is too low rather than too high.
 *
 * Changes come in two steps, because memory may only follow COMMIT: stage marks, then either
 * bh_positions_apply() or bh_positions_undo(). bh_positions_staged() lists what to write in
 * between.
 *
 * A generation whose last durable part says BH_ORIGIN_FORGOTTEN leaves, here and in the store, with
 * the commit that completes its last part.
 *
 * Invariants: positions move over unbroken runs only, and never backwards.
 */
#ifndef BH_FORWARDER_POSITIONS_H
#define BH_FORWARDER_POSITIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attrs.h"
#include "forwarder/position.h"
#include "proto/origin.h"

enum bh_part_level { BH_PART_OPEN, BH_PART_DURABLE, BH_PART_DELIVERED, BH_PART_COMPLETE };

struct bh_part;

struct bh_generation {
	struct bh_generation *next; /* in its hash chain */
	struct bh_generation *next_staged;
	struct bh_origin row; /* owned strings; offset_last = safe, offset_first = delivered */
	char *complete;       /* owned */
	uint64_t safe_ord, delivered_ord, complete_ord;
	char *tip; /* end of the last part handed over; owned */
	struct bh_part *head, *tail;
	bool staged;
};

struct bh_positions {
	struct bh_generation **slots;
	size_t slots_n, n;
	size_t sources; /* of n, those that are no generations but sources (proto/LINK.md) */
	struct bh_generation *staged;
	uint64_t gaps; /* parts that did not connect: a bug of a producer */
};

int bh_positions_init(struct bh_positions *ps) BH_MUST_CHECK;
void bh_positions_release(struct bh_positions *ps);

/* A row of the registry (copied). */
int bh_positions_load(struct bh_positions *ps, const struct bh_position *p) BH_MUST_CHECK;
/* An origin of a spool row found at start, in order of ord: durable, not complete. One whose
 * generation is not there was forgotten while the row waited: the payload is still delivered. */
int bh_positions_load_part(
    struct bh_positions *ps, const struct bh_origin *o, uint64_t ord) BH_MUST_CHECK;

/* A part handed over now (copied). 0; -ENOMEM; BH_E_STATE when it does not connect (counted: its
 * payload is delivered, its position does not move). */
int bh_positions_add(
    struct bh_positions *ps, const struct bh_origin *o, uint64_t ord) BH_MUST_CHECK;

/* Raises every part of `origins` that was added under ord to a level. Positions do not move yet. */
void bh_positions_stage(
    struct bh_positions *ps, struct bh_str origins, uint64_t ord, enum bh_part_level level);
/* Calls fn for each generation that a commit must write, with its new values. Stops at an error. */
int bh_positions_staged(struct bh_positions *ps, int (*fn)(void *ctx, const struct bh_position *p),
    void *ctx) BH_MUST_CHECK;
void bh_positions_apply(struct bh_positions *ps);
void bh_positions_undo(struct bh_positions *ps);

/* A producer's process is gone and what it handed over is durable: parts start at safe again. */
void bh_positions_rewind_tips(struct bh_positions *ps);

int bh_positions_each(const struct bh_positions *ps,
    int (*fn)(void *ctx, const struct bh_generation *g), void *ctx) BH_MUST_CHECK;
/* Takes one out with what is outstanding of it, whose payloads then move no position. Not while
 * something is staged. */
void bh_positions_forget(struct bh_positions *ps, struct bh_str identifier, uint64_t gen);

/* Parts of it that are not complete. */
uint64_t bh_generation_outstanding(const struct bh_generation *g);

/* A row that an import made and no part has moved since. */
static inline bool bh_generation_imported(const struct bh_generation *g)
{
	return g->safe_ord == 0 && g->delivered_ord == 0 && !g->head;
}

#endif
