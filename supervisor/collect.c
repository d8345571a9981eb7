#include "supervisor/collect.h"

#define ROUND_NS  (900 * BH_NS_PER_MS)
#define SILENT_NS (200 * BH_NS_PER_MS)

static void finish(struct bh_collect *c)
{
	bh_timer_cancel(&c->timer);
	c->active = false;
	c->done(c->ctx);
}

static bool owes(const struct bh_kid *k, uint32_t round)
{
	return k->enabled && k->asked_id == round && !k->answered && k->life.alive &&
	       k->control.fd >= 0;
}

/* Of those that answered the last time (or of all), does one owe an answer? */
static bool is_one_owing(const struct bh_collect *c, bool all)
{
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		if (owes(&c->kids[i], c->round) && (all || !c->kids[i].silent))
			return true;
	}
	return false;
}

static void on_deadline(struct bh_timer *t)
{
	struct bh_collect *c = BH_CONTAINER(t, struct bh_collect, timer);

	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++)
		c->kids[i].silent |= owes(&c->kids[i], c->round);
	finish(c);
}

/* Who kept silent the last time does not hold up everybody again. */
static void on_silence(struct bh_timer *t)
{
	struct bh_collect *c = BH_CONTAINER(t, struct bh_collect, timer);

	if (is_one_owing(c, false))
		bh_timer_in(c->loop, &c->timer, ROUND_NS - SILENT_NS, on_deadline);
	else
		finish(c);
}

void bh_collect_check(struct bh_collect *c)
{
	if (c->active && !is_one_owing(c, true))
		finish(c);
}

void bh_collect_start(struct bh_collect *c)
{
	if (c->active)
		return;
	c->round++;
	c->active = true;
	bh_timer_in(c->loop, &c->timer, SILENT_NS, on_silence);
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		if (c->kids[i].enabled)
			(void)bh_kid_ask(&c->kids[i], c->round);
	}
	bh_collect_check(c);
}
