/*
 * Lines kept until it is known what becomes of them (spec/logs.md §8): their contents one behind
 * the other in one text, and beside it a few bytes a line to take them apart again.
 *
 * The memory comes from, and goes back to, spare buffers that all tailers of a thread share: one
 * that holds nothing owns nothing, and lines that come and go cost no allocation.
 */
#ifndef BH_LOGS_HELD_H
#define BH_LOGS_HELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "logs-agent/message.h"

#define BH_SPARES     8
#define BH_SPARE_SIZE ((size_t)64 << 10) /* larger buffers are freed, not kept */

/* Empty buffers with memory. A zeroed struct has none. */
struct bh_spares {
	struct bh_buf v[BH_SPARES];
	unsigned n;
};

void bh_spares_release(struct bh_spares *s);
/* Leaves an empty buffer without memory behind. */
void bh_spares_give(struct bh_spares *s, struct bh_buf *b);
/* Any memory for a buffer that has none; none is fine too. */
void bh_spares_take(struct bh_spares *s, struct bh_buf *b);

/* A line, with the tags it has so far (enum bh_message_tag). */
struct bh_held_line {
	struct bh_line line;
	unsigned tags; /* of them only BH_TAG_AUTO_DETECTED and later can be held */
};

/* Invariant: lines == 0 exactly when nothing is held, and then there is no memory. */
struct bh_held {
	struct bh_buf text; /* contents, with a joint before each but the first */
	struct bh_buf meta; /* of each line: length, raw length, status and flags */
	size_t lines;
	uint64_t raw; /* sum of raw lengths */
};

/* Copies a line behind those held, with joint (may be empty, the same for all) in front of its
 * content unless it is the first. -ENOMEM, BH_E_LIMIT: nothing was added. */
int bh_held_add(struct bh_held *h, struct bh_spares *spares, struct bh_str joint,
    const struct bh_held_line *l) BH_MUST_CHECK;
/* Forgets the lines and gives the memory back. */
void bh_held_clear(struct bh_held *h, struct bh_spares *spares);

/* Walks the lines in order; what it returns borrows from h until h changes. */
struct bh_held_walk {
	const struct bh_held *held;
	size_t joint; /* bytes of the joint */
	size_t text, meta;
};

static inline struct bh_held_walk bh_held_walk(const struct bh_held *h, size_t joint)
{
	return (struct bh_held_walk){h, joint, 0, 0};
}

/* False when there is no further line. */
bool bh_held_next(struct bh_held_walk *w, struct bh_held_line *out);

#endif
