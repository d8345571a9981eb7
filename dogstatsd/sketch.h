/*
 * The sketch of a distribution: a DDSketch variant with integer keys (spec/dogstatsd.md §11).
 * Relative step 1/64, at most 4096 bins; beyond that the lowest are folded upwards, which gives the
 * same bins whatever the order of the values was.
 */
#ifndef BH_DOGSTATSD_SKETCH_H
#define BH_DOGSTATSD_SKETCH_H

#include <stddef.h>
#include <stdint.h>

#include "common/attrs.h"

#define BH_SKETCH_BINS_MAX 4096
#define BH_SKETCH_KEY_INF  32767

/* One word a bin, because sketches are many: the key in the upper 16 bits, the count in the
 * lower 48. */
struct bh_bin {
	uint64_t word;
};

#define BH_BIN_N_MAX (((int64_t)1 << 48) - 1)

static inline int bh_bin_key(struct bh_bin b)
{
	return (int16_t)(b.word >> 48);
}

static inline int64_t bh_bin_n(struct bh_bin b)
{
	return (int64_t)(b.word & (uint64_t)BH_BIN_N_MAX);
}

struct bh_sketch {
	struct bh_bin *bins; /* ascending keys, each once; owned */
	uint32_t len, cap;
	uint32_t last; /* bin of the latest value */
	int64_t cnt;   /* sum of n */
	double min, max, sum, avg;
};

#define BH_SKETCH_INIT \
	{ \
		0 \
	}

void bh_sketch_release(struct bh_sketch *s);

/* Key of a finite value. */
int bh_sketch_key(double v);

/* Adds a finite value sent at this rate (NaN, <= 0 and > 1 count as 1). 0 or -ENOMEM, then
 * unchanged. */
int bh_sketch_add(struct bh_sketch *s, double v, double rate) BH_MUST_CHECK;

/* Adds what another sketch holds. 0 or -ENOMEM, then unchanged. */
int bh_sketch_merge(struct bh_sketch *s, const struct bh_sketch *other) BH_MUST_CHECK;

#endif
