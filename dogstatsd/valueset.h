/* Counts distinct byte strings (DogStatsD type s) by their 128-bit keys: 16 bytes a member,
 * whatever its length. */
#ifndef BH_DOGSTATSD_VALUESET_H
#define BH_DOGSTATSD_VALUESET_H

#include <stddef.h>

#include "common/attrs.h"
#include "dogstatsd/key.h"

struct bh_valueset {
	struct bh_key *slots; /* owned; {0, 0} = empty; power of two */
	size_t n, cap;
};

#define BH_VALUESET_INIT \
	{ \
		0 \
	}

void bh_valueset_release(struct bh_valueset *s);
/* Makes room for n values: up to there, adding does not move what is there. 0 or -ENOMEM, then
 * unchanged. */
int bh_valueset_reserve(struct bh_valueset *s, size_t n) BH_MUST_CHECK;
/* 0 or -ENOMEM, then unchanged. */
int bh_valueset_add(struct bh_valueset *s, struct bh_str value, uint64_t seed) BH_MUST_CHECK;
/* The same for the key of a value that was added to another set with the same seed. */
int bh_valueset_add_key(struct bh_valueset *s, struct bh_key key) BH_MUST_CHECK;

#endif
