/*
 * The DogStatsD loads of spec/experiments.md §1, drawn from a seed: the same seed gives the same
 * datagrams, so the agent and the floor are measured on the same bytes.
 *
 *   "statsd": no tags, names of 24–56 bytes, one value, datagrams filled to 1432 bytes
 *   "seed":   names of 1–200 bytes, 2–50 tags of 3–150 bytes, packed values with probability 0.08,
 *             datagrams of uniform size up to 8192 bytes
 */
#ifndef BH_BENCH_LOAD_H
#define BH_BENCH_LOAD_H

#include <stddef.h>
#include <stdint.h>

#include "common/attrs.h"

struct bh_load {
	char *bytes;          /* all datagrams behind one another; owned */
	uint32_t *offsets;    /* n + 1 offsets into bytes; owned */
	size_t n;             /* datagrams */
	uint64_t lines;       /* messages in all of them */
	uint64_t counter_sum; /* sum of the values of counters without a rate */
};

/* name: "statsd" or "seed". Draws contexts and about `megabytes` MiB of datagrams. 0, -EINVAL for
 * an unknown name, -ENOMEM. */
int bh_load_make(struct bh_load *load, const char *name, unsigned contexts, unsigned megabytes,
    uint64_t seed) BH_MUST_CHECK;
void bh_load_release(struct bh_load *load);

#endif
