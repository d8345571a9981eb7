#include "forwarder/rate.h"

#include "common/attrs.h"
#include "common/clock.h"

#define LEAST_NS (15 * BH_NS_PER_S)

void bh_rate_init(struct bh_rate *r, int64_t span_s)
{
	*r = (struct bh_rate){.slot_ns = span_s * BH_NS_PER_S / (BH_RATE_SLOTS - 1)};
}

/* Empties the slots that time has gone into since the last look. */
static void move(struct bh_rate *r, int64_t now_ns)
{
	int64_t at = now_ns / r->slot_ns;

	if (at - r->at >= BH_RATE_SLOTS)
		r->at = at - BH_RATE_SLOTS;
	while (r->at < at)
		r->bytes[++r->at % BH_RATE_SLOTS] = 0;
}

void bh_rate_add(struct bh_rate *r, int64_t now_ns, uint64_t bytes)
{
	move(r, now_ns);
	if (!r->begun_ns)
		r->begun_ns = now_ns;
	r->bytes[r->at % BH_RATE_SLOTS] += bytes;
}

uint64_t bh_rate_milli(struct bh_rate *r, int64_t now_ns)
{
	int64_t from_ns;
	uint64_t sum = 0;

	move(r, now_ns);
	for (int i = 0; i < BH_RATE_SLOTS; i++)
		sum += r->bytes[i];
	from_ns = BH_MAX(r->begun_ns, (r->at - (BH_RATE_SLOTS - 1)) * r->slot_ns);
	return (uint64_t)((double)sum * 1e12 / (double)BH_MAX(now_ns - from_ns, LEAST_NS));
}
