/*
 * 128-bit keys of contexts, tag lists and set members. A key stands for its bytes: two different
 * inputs sharing one is accepted as impossible (the Agent relies on 64 bits for the same). Seeds
 * are random per process; nothing of this is stored or sent.
 */
#ifndef BH_DOGSTATSD_KEY_H
#define BH_DOGSTATSD_KEY_H

#include <stdbool.h>
#include <stdint.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "common/str.h"

struct bh_key {
	uint64_t lo, hi;
};

static inline bool bh_key_eq(struct bh_key a, struct bh_key b)
{
	return a.lo == b.lo && a.hi == b.hi;
}

static inline uint64_t bh_hash(struct bh_str s, uint64_t seed)
{
	return XXH3_64bits_withSeed(s.p, s.n, seed);
}

static inline struct bh_key bh_key_of(struct bh_str s, uint64_t seed)
{
	XXH128_hash_t h = XXH3_128bits_withSeed(s.p, s.n, seed);

	return (struct bh_key){h.low64, h.high64};
}

#endif
