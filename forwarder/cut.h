/*
 * A payload that the intake found too large, sent in parts (spec/intake.md §11.3): halves by items,
 * cut again while they are refused, down to one item, at most BH_CUT_LEVELS times. One part at a
 * time, in order. The payload stays whole for everybody else: its row, its origins and its
 * acknowledgement wait until nothing is left here; a crash in between sends it from the beginning.
 *
 * Pure: bodies in, bodies out.
 */
#ifndef BH_FORWARDER_CUT_H
#define BH_FORWARDER_CUT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/ledger.h"
#include "forwarder/split.h"

#define BH_CUT_LEVELS 10

struct bh_cut_range {
	uint32_t first, n;
	unsigned level; /* cuts that made it */
};

struct bh_cut {
	struct bh_split split;
	/* what is left, the next part on top; ranges lie behind each other downwards */
	struct bh_cut_range left[BH_CUT_LEVELS + 1];
	unsigned left_n;
	struct bh_buf part;         /* body of the top */
	bool made;                  /* part holds it */
	uint8_t *refused_items;     /* for each item, 1 = given up */
	uint64_t taken;             /* weight delivered (bh_split_weight) */
	uint64_t lost[BH_DROP__N];  /* weight given up, by reason */
	uint64_t lost_items;        /* weight given up because of answers */
	unsigned requests, refused; /* parts sent to an end; how many answers were 413 */
};

/* A payload just answered 413, already cut once. Borrows nothing: body is unpacked into memory of
 * its own. BH_E_LIMIT: it cannot be cut, being one item or too large; BH_E_FORMAT; -ENOMEM. */
int bh_cut_new(struct bh_cut **out, enum bh_kind kind, enum bh_encoding encoding,
    struct bh_str body) BH_MUST_CHECK;
void bh_cut_free(struct bh_cut *c);
uint64_t bh_cut_bytes(const struct bh_cut *c); /* memory it holds, roughly */

bool bh_cut_done(const struct bh_cut *c);
/* The body to send next, valid until the next call that changes the cut. Not when done. */
int bh_cut_body(struct bh_cut *c, struct bh_str *body) BH_MUST_CHECK;
uint64_t bh_cut_weight(const struct bh_cut *c); /* of that part */

/* What became of that part. */
void bh_cut_taken(struct bh_cut *c);
void bh_cut_lost(struct bh_cut *c, enum bh_drop reason);
/* 413: true = it became two, false = it cannot be cut: say bh_cut_lost(). */
bool bh_cut_again(struct bh_cut *c);

/* What is left is given up too: done afterwards. Not for the quarantine. */
void bh_cut_give_up(struct bh_cut *c, enum bh_drop reason);
/* Weight given up because of answers, and a body of those items; not when it is 0. */
uint64_t bh_cut_lost_weight(const struct bh_cut *c);
int bh_cut_lost_body(const struct bh_cut *c, struct bh_buf *out) BH_MUST_CHECK;

/* Everything not yet sent as one body, packed. The errors of bh_pack(); not when done. */
int bh_cut_rest(const struct bh_cut *c, struct bh_buf *out) BH_MUST_CHECK;
uint64_t bh_cut_rest_weight(const struct bh_cut *c);

#endif
