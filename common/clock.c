#include "common/clock.h"

#include <time.h>

static int64_t read_clock(clockid_t id)
{
	struct timespec ts = {0, 0};

	(void)clock_gettime(id, &ts); /* cannot fail for these two ids */
	return (int64_t)ts.tv_sec * BH_NS_PER_S + ts.tv_nsec;
}

static int64_t system_mono(void *ctx)
{
	(void)ctx;
	return read_clock(CLOCK_MONOTONIC);
}

static int64_t system_wall(void *ctx)
{
	(void)ctx;
	return read_clock(CLOCK_REALTIME);
}

static int64_t fake_mono(void *ctx)
{
	return ((const struct bh_fake_clock *)ctx)->mono_ns;
}

static int64_t fake_wall(void *ctx)
{
	return ((const struct bh_fake_clock *)ctx)->wall_ns;
}

const struct bh_clock bh_clock_system = {system_mono, system_wall, 0};

struct bh_clock bh_clock_fake(struct bh_fake_clock *fake)
{
	return (struct bh_clock){fake_mono, fake_wall, fake};
}
