#include "dogstatsd/rate.h"

#include <errno.h>
#include <stdlib.h>

#include "common/clock.h"

int bh_rate_init(struct bh_rate *r, size_t seconds, uint64_t count, int64_t now_ns)
{
	*r = (struct bh_rate){.cap = seconds, .count = count, .at_ns = now_ns};
	r->v = calloc(seconds, sizeof(*r->v));
	return r->v ? 0 : -ENOMEM;
}

void bh_rate_release(struct bh_rate *r)
{
	free(r->v);
	*r = (struct bh_rate){.v = NULL};
}

void bh_rate_tick(struct bh_rate *r, uint64_t count, int64_t now_ns)
{
	double seconds = (double)(now_ns - r->at_ns) / (double)BH_NS_PER_S;

	if (seconds <= 0)
		return;
	r->v[r->n++ % r->cap] = (uint64_t)((double)(count - r->count) / seconds + 0.5);
	r->count = count;
	r->at_ns = now_ns;
}

uint64_t bh_rate_last(const struct bh_rate *r)
{
	return r->n ? r->v[(r->n - 1) % r->cap] : 0;
}

uint64_t bh_rate_busiest(const struct bh_rate *r)
{
	uint64_t most = 0;

	for (size_t i = 0; i < BH_MIN(r->n, r->cap); i++)
		most = BH_MAX(most, r->v[i]);
	return most;
}
