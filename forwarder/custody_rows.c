/*
 * Who gets a row besides those that asked for one (spec/durability.md §1.1, §4 T1, §13, §15 I9).
 *
 * Rows are a prefix of what was accepted, for all destinations of a class together: where one is
 * owed a payload by a row, all others are too, or have taken it, and the same is true of every
 * payload before it. So a payload with a row is always proven: after a crash its producer does not
 * send it again, and no second row of it can come. It costs nothing while no destination wants a
 * row, nor where a class has one destination.
 *
 * What one destination has taken and a slower one has only in memory would come to both again after
 * a crash. The slower one may be behind by as many payloads as it has under way at the least; what
 * lies before these gets its row in the group that records the end at the faster one.
 */
#include "forwarder/custody_internal.h"

#define PRIMARIES 2 /* of logs and of metrics: with these alone nobody is behind another */

static bool may_have_row(const struct bh_dest *d, const struct bh_payload *p)
{
	return d->reliable && d->spool_on && !p->row && !p->settled;
}

/* While one has no room its class waits, as no ack could go out. At the end of a drain there is
 * nobody to send it again. */
bool bh_custody_may_have_rows(const struct bh_custody *c, const struct bh_dest *d)
{
	bool may = !d->full;

	for (size_t i = 0; may && !c->offline && i < c->dests_n; i++)
		may = !c->dests[i].full || !bh_custody_is_for(&c->dests[i], d->logs);
	return may;
}

static void note_ends(struct bh_custody *c)
{
	for (struct bh_content *x = c->contents.head; x; x = x->next)
		x->ends = x->ended > 0;
	for (size_t i = 0; i < c->dests_n; i++) {
		for (struct bh_payload *p = c->dests[i].head; p; p = p->next)
			p->content->ends |= c->dests[i].reliable && p->settled;
	}
}

/* The newest ones that another destination is done with may stay in memory; the rest may not. */
static void limit_lag(struct bh_dest *d)
{
	unsigned behind = 0;

	for (struct bh_payload *p = d->tail; p; p = p->prev) {
		if (may_have_row(d, p) && p->content->ends && ++behind > d->pace.least)
			p->want_row = true;
	}
}

static void complete_prefix(struct bh_custody *c, bool logs)
{
	uint64_t top = 0;

	for (size_t i = 0; i < c->dests_n; i++) {
		const struct bh_dest *d = &c->dests[i];

		for (const struct bh_payload *p = d->logs == logs ? d->head : NULL; p;
		     p = p->next) {
			if (p->want_row && may_have_row(d, p))
				top = BH_MAX(top, p->ord);
		}
	}
	for (size_t i = 0; i < c->dests_n; i++) {
		struct bh_dest *d = &c->dests[i];

		for (struct bh_payload *p = d->logs == logs ? d->head : NULL; p && p->ord <= top;
		     p = p->next)
			p->want_row |= may_have_row(d, p);
	}
}

void bh_custody_spread_rows(struct bh_custody *c)
{
	if (c->dests_n > PRIMARIES) {
		note_ends(c);
		for (size_t i = 0; i < c->dests_n; i++)
			limit_lag(&c->dests[i]);
	}
	complete_prefix(c, true);
	complete_prefix(c, false);
}
