#include "common/rng.h"

#include <sys/random.h>
#include <unistd.h>

#include "common/clock.h"

void bh_rng_seed(struct bh_rng *rng, uint64_t seed)
{
	rng->state = seed;
}

void bh_rng_init(struct bh_rng *rng)
{
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != (ssize_t)sizeof(seed))
		seed = (uint64_t)bh_mono_ns(&bh_clock_system) ^ ((uint64_t)getpid() << 32);
	rng->state = seed;
}

uint64_t bh_rng_u64(struct bh_rng *rng)
{
	uint64_t z = (rng->state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

double bh_rng_range(struct bh_rng *rng, double lo, double hi)
{
	double unit = (double)(bh_rng_u64(rng) >> 11) * 0x1.0p-53;

	return lo + (hi - lo) * unit;
}
