/*
 * Time as a parameter. Every module that decides something with time takes a struct bh_clock (or
 * plain "now" arguments), so tests move time by hand. Timers and deadlines use mono; what leaves
 * the host (timestamps, file ages) uses wall, which may jump either way.
 */
#ifndef BH_COMMON_CLOCK_H
#define BH_COMMON_CLOCK_H

#include <stdint.h>

#define BH_NS_PER_MS 1000000LL
#define BH_NS_PER_S  1000000000LL

struct bh_clock {
	int64_t (*mono_ns)(void *ctx); /* CLOCK_MONOTONIC, ns */
	int64_t (*wall_ns)(void *ctx); /* CLOCK_REALTIME, ns since the Unix epoch */
	void *ctx;
};

/* The kernel's clocks. */
extern const struct bh_clock bh_clock_system;

/* A clock that stands still until a test moves it: clock.ctx points at the fake. */
struct bh_fake_clock {
	int64_t mono_ns;
	int64_t wall_ns;
};

struct bh_clock bh_clock_fake(struct bh_fake_clock *fake);

static inline int64_t bh_mono_ns(const struct bh_clock *c)
{
	return c->mono_ns(c->ctx);
}

static inline int64_t bh_wall_ns(const struct bh_clock *c)
{
	return c->wall_ns(c->ctx);
}

static inline int64_t bh_mono_ms(const struct bh_clock *c)
{
	return c->mono_ns(c->ctx) / BH_NS_PER_MS;
}

static inline int64_t bh_wall_ms(const struct bh_clock *c)
{
	return c->wall_ns(c->ctx) / BH_NS_PER_MS;
}

#endif
