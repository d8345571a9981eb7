/*
 * How many messages come in a second (dogstatsd_stats_enable, spec/dogstatsd.md §14): differences
 * of a counter, taken once a second and kept for the latest dogstatsd_stats_buffer seconds.
 */
#ifndef BH_DOGSTATSD_RATE_H
#define BH_DOGSTATSD_RATE_H

#include <stddef.h>
#include <stdint.h>

#include "common/attrs.h"

struct bh_rate {
	uint64_t *v; /* owned ring: messages in one second each; NULL = not counted */
	size_t cap;
	size_t n;       /* seconds counted since the start */
	uint64_t count; /* of the counter, at the time of the latest tick */
	int64_t at_ns;
};

/* seconds >= 1; now and count: what the first tick compares with. 0 or -ENOMEM. */
int bh_rate_init(struct bh_rate *r, size_t seconds, uint64_t count, int64_t now_ns) BH_MUST_CHECK;
void bh_rate_release(struct bh_rate *r); /* harmless on a zeroed struct */

/* To be called about once a second; what came in a longer time is spread over it. Nothing happens
 * when no time has passed. now_ns: monotonic. */
void bh_rate_tick(struct bh_rate *r, uint64_t count, int64_t now_ns);

/* Of the latest second, and of the busiest one that is remembered; 0 before the first tick. */
uint64_t bh_rate_last(const struct bh_rate *r);
uint64_t bh_rate_busiest(const struct bh_rate *r);

#endif
