/* Randomness as a parameter: jitter, epochs and generation ids. Not for secrets. */
#ifndef BH_COMMON_RNG_H
#define BH_COMMON_RNG_H

#include <stdint.h>

struct bh_rng {
	uint64_t state;
};

/* Seeds from the kernel; falls back to clock and pid when getrandom is refused. */
void bh_rng_init(struct bh_rng *rng);
/* A fixed seed makes tests repeatable. */
void bh_rng_seed(struct bh_rng *rng, uint64_t seed);
/* Uniform over all 64-bit values (splitmix64). */
uint64_t bh_rng_u64(struct bh_rng *rng);
/* Uniform in [lo, hi]; hi >= lo. */
double bh_rng_range(struct bh_rng *rng, double lo, double hi);

#endif
