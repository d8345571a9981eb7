/* This host's clock against that of the intakes (spec/intake.md §3.2, §10.4): they throw away what
 * is too old or in the future, and say nothing of it. */
#include <stdlib.h>

#include "forwarder/custody_internal.h"

#define COMPONENT "clock"
#define OFF_MAX_S 300
#define SAY_NS    (3600 * BH_NS_PER_S)

static long long off_by(const struct bh_custody *c)
{
	return llabs((long long)c->clock_off_s);
}

static const char *side(const struct bh_custody *c)
{
	return c->clock_off_s < 0 ? "behind" : "ahead of";
}

void bh_custody_look_at_clock(struct bh_custody *c, int64_t date_s)
{
	int64_t now_ns = bh_mono_ns(c->cfg.loop->clock);

	if (date_s <= 0)
		return;
	c->clock_known = true;
	c->clock_off_s = bh_wall_ms(c->cfg.loop->clock) / 1000 - date_s;
	if (off_by(c) <= OFF_MAX_S || (c->clock_said_ns && now_ns - c->clock_said_ns < SAY_NS))
		return;
	c->clock_said_ns = now_ns;
	bh_warn(c->cfg.log, COMPONENT,
	    "this host's clock is %lld s %s the intake's: it throws away what is too old or in the "
	    "future; synchronise the clock",
	    off_by(c), side(c));
}

void bh_custody_clock_stats(const struct bh_custody *c, struct bh_child *child)
{
	if (!c->clock_known)
		return;
	/* The Agent's name; numbers have no sign here, the sentence has. */
	bh_child_stat_number(child, "corechecks_net_ntp_intake_time_offset", (uint64_t)off_by(c));
	if (off_by(c) > OFF_MAX_S)
		bh_child_stat_note(
		    child, "clock", "%lld s %s the intake's: synchronise it", off_by(c), side(c));
}
