#include "supervisor/collect.h"

#define ROUND_NS (2 * BH_NS_PER_S)

static void finish(struct bh_collect *c)
{
	bh_timer_cancel(&c->timer);
	c->active = false;
	c->done(c->ctx);
}

static void on_deadline(struct bh_timer *t)
{
	finish(BH_CONTAINER(t, struct bh_collect, timer));
}

static bool owes(const struct bh_kid *k, uint32_t round)
{
	return k->enabled && k->asked_id == round && !k->answered && k->life.alive &&
	       k->control.fd >= 0;
}

void bh_collect_check(struct bh_collect *c)
{
	if (!c->active)
		return;
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		if (owes(&c->kids[i], c->round))
			return;
	}
	finish(c);
}

void bh_collect_start(struct bh_collect *c)
{
	if (c->active)
		return;
	c->round++;
	c->active = true;
	bh_timer_in(c->loop, &c->timer, ROUND_NS, on_deadline);
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		if (c->kids[i].enabled)
			(void)bh_kid_ask(&c->kids[i], c->round);
	}
	bh_collect_check(c);
}
