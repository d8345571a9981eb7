#include "forwarder/backoff.h"

#include <math.h>

#include "common/clock.h"

void bh_backoff_init(struct bh_backoff *b, const struct bh_backoff_config *cfg,
    double default_base_s, double default_max_s)
{
	*b = (struct bh_backoff){.cfg = *cfg, .state = BH_BREAKER_OPEN};
	if (!(b->cfg.factor >= 2))
		b->cfg.factor = 2;
	if (!(b->cfg.base_s > 0))
		b->cfg.base_s = default_base_s;
	if (!(b->cfg.max_s > 0))
		b->cfg.max_s = default_max_s;
	if (b->cfg.max_s < b->cfg.base_s)
		b->cfg.max_s = b->cfg.base_s;
	if (b->cfg.recovery <= 0)
		b->cfg.recovery = 2;
}

static int max_errors(const struct bh_backoff *b)
{
	return (int)floor(log2(b->cfg.max_s / b->cfg.base_s)) + 1;
}

double bh_backoff_pause(const struct bh_backoff *b, int errors, struct bh_rng *rng)
{
	double top;

	if (errors <= 0)
		return 0;
	top = b->cfg.base_s * exp2(errors);
	if (top > b->cfg.max_s)
		return b->cfg.max_s;
	return bh_rng_range(rng, top / b->cfg.factor, top);
}

bool bh_backoff_may_send(struct bh_backoff *b, int64_t now_ns)
{
	switch (b->state) {
	case BH_BREAKER_OPEN:
		return true;
	case BH_BREAKER_BLOCKED:
		if (now_ns < b->until_ns)
			return false;
		b->state = BH_BREAKER_PROBING;
		return true;
	case BH_BREAKER_PROBING:
		return false;
	}
	return false;
}

static void block(struct bh_backoff *b, int64_t now_ns, int64_t at_least_ns, struct bh_rng *rng)
{
	int64_t pause = (int64_t)(bh_backoff_pause(b, b->errors, rng) * (double)BH_NS_PER_S);

	b->state = BH_BREAKER_BLOCKED;
	b->until_ns = now_ns + (pause > at_least_ns ? pause : at_least_ns);
}

bool bh_backoff_is_old(const struct bh_backoff *b, int64_t sent_ns)
{
	return sent_ns < b->raised_ns;
}

void bh_backoff_error(struct bh_backoff *b, int64_t now_ns, int64_t at_least_ns, struct bh_rng *rng)
{
	int64_t longest = (int64_t)(b->cfg.max_s * (double)BH_NS_PER_S);

	/* Requests that were already under way when the breaker closed say nothing new. */
	if (b->state == BH_BREAKER_BLOCKED)
		return;
	if (b->errors < max_errors(b))
		b->errors++;
	b->raised_ns = now_ns;
	block(b, now_ns, at_least_ns < longest ? at_least_ns : longest, rng);
}

void bh_backoff_success(struct bh_backoff *b, int64_t now_ns, struct bh_rng *rng)
{
	if (b->state == BH_BREAKER_BLOCKED)
		return;
	b->errors = b->cfg.recovery_reset ? 0 : b->errors - b->cfg.recovery;
	if (b->errors <= 0) {
		b->errors = 0;
		b->state = BH_BREAKER_OPEN;
	} else {
		block(b, now_ns, 0, rng);
	}
}

void bh_backoff_cancel(struct bh_backoff *b)
{
	if (b->state == BH_BREAKER_PROBING)
		b->state = BH_BREAKER_BLOCKED;
}

void bh_backoff_hurry(struct bh_backoff *b, int64_t now_ns)
{
	if (b->state == BH_BREAKER_BLOCKED && b->until_ns > now_ns)
		b->until_ns = now_ns;
}
