/*
 * Which positions of a damaged registry are proven by the rows that came back (spec/durability.md
 * §10.3, logs.md §15.2 I1). Pure and in memory.
 *
 * A position that three columns agree on (safe = delivered = complete) needs no row. Otherwise the
 * parts of the rows must lead from `delivered` to `safe` without a hole; what was delivered out of
 * turn leaves a hole without a loss, so when every row came back it is enough that the part that
 * ended at `safe` is there. What is not proven goes back to `delivered`, without a marker and under
 * a new generation number: the rows that came back are still delivered, but move no position.
 */
#ifndef BH_FORWARDER_SALVAGE_POSITIONS_H
#define BH_FORWARDER_SALVAGE_POSITIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/rng.h"
#include "proto/origin.h"

#define BH_PROOF_ROWS_MAX 200000 /* more are not read: their files start as new ones */

struct bh_proof;

struct bh_proven {
	struct bh_origin row; /* offset_last = safe, offset_first = delivered; borrowed */
	uint64_t safe_ord, delivered_ord;
	bool moved_back;
	uint64_t bytes_back; /* when both are numbers */
};

/* NULL when memory is short. */
struct bh_proof *bh_proof_new(void);
void bh_proof_free(struct bh_proof *p);
size_t bh_proof_refused(const struct bh_proof *p); /* rows that say no position */

/* A registry row as it was read (copied); twice is once. 0 or -ENOMEM. */
int bh_proof_position(struct bh_proof *p, const struct bh_origin *row, uint64_t safe_ord,
    uint64_t delivered_ord, struct bh_str complete) BH_MUST_CHECK;
/* The origins of a row that came back, ascending by ord. 0 or -ENOMEM. */
int bh_proof_row(struct bh_proof *p, uint64_t ord, struct bh_str origins) BH_MUST_CHECK;

/* all_rows: no row was lost and none can have been missed. Stops at fn's first error. */
int bh_proof_each(struct bh_proof *p, bool all_rows, struct bh_rng *rng,
    int (*fn)(void *ctx, const struct bh_proven *v), void *ctx) BH_MUST_CHECK;

#endif
