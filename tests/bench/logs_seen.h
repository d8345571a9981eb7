/*
 * Which marks of logs_load.h arrived: each line once, or again, and how old it was.
 */
#ifndef BH_BENCH_LOGS_SEEN_H
#define BH_BENCH_LOGS_SEEN_H

#include <stddef.h>
#include <stdint.h>

#include "common/attrs.h"

#define BH_SEEN_STREAMS 65536
#define BH_SEEN_NUMBERS ((uint64_t)1 << 32)
#define BH_SEEN_AGES    60000 /* ms; older counts as this */

struct bh_seen_stream {
	uint8_t *bits; /* one a number; owned */
	size_t bytes;
	uint64_t end; /* highest number + 1 */
};

struct bh_seen {
	struct bh_seen_stream *streams; /* owned */
	size_t streams_n;
	uint64_t *ages; /* marks that were so many ms old; owned */
	uint64_t unique, duplicates;
	int64_t last_new_ms; /* wall time a line arrived that was not there before */
};

int bh_seen_init(struct bh_seen *s) BH_MUST_CHECK; /* -ENOMEM */
void bh_seen_release(struct bh_seen *s);
/* Takes all marks of a body that arrived at this wall time. -ENOMEM. */
int bh_seen_take(struct bh_seen *s, const char *p, size_t n, int64_t wall_ms) BH_MUST_CHECK;
/* Numbers below the highest of their stream that did not arrive. */
uint64_t bh_seen_gaps(const struct bh_seen *s);
/* The age in ms that this share (0 … 1) of the marks does not exceed. */
unsigned bh_seen_age(const struct bh_seen *s, double share);

#endif
