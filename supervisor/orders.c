#include "supervisor/orders.h"

#include <stdio.h>

#include "common/jsonw.h"
#include "supervisor/supervisor.h"

#define COMPONENT "orders"

static bool is_order(enum bh_verb verb)
{
	return verb == BH_VERB_START || verb == BH_VERB_STOP || verb == BH_VERB_RESTART;
}

static bool at_rest(const struct bh_kid *k)
{
	enum bh_life_state s = k->life.state;

	return !k->life.alive &&
	       (s == BH_LIFE_STOPPED || s == BH_LIFE_EXITED || s == BH_LIFE_FATAL);
}

static bool waits_to_start(const struct bh_kid *k)
{
	return k->life.state == BH_LIFE_BACKOFF && !k->life.alive;
}

/* --- carrying out ------------------------------------------------------------------------------
 */

static void on_deadline(struct bh_timer *t)
{
	struct bh_order *o = BH_CONTAINER(t, struct bh_order, deadline);
	struct bh_kid *k = &o->supervisor->kids[o->role];

	bh_warn(&o->supervisor->log, COMPONENT, "%s did not stop in time and is killed",
	    bh_role_name(k->role));
	bh_kid_event(k, BH_LIFE_EV_KILL, 0, BH_DRAIN_FULL);
}

static void end_order(struct bh_order *o)
{
	o->what = BH_ORDER_NONE;
	bh_timer_cancel(&o->deadline);
}

static void start(struct bh_kid *k)
{
	bh_kid_event(k, BH_LIFE_EV_START, 0, BH_DRAIN_FULL);
}

/* What follows for a child whose process is gone. */
static void advance(struct bh_supervisor *s, struct bh_kid *k)
{
	struct bh_order *o = &s->orders[k->role];
	enum bh_order_what what = o->what;

	if (what == BH_ORDER_NONE || k->life.alive)
		return;
	end_order(o);
	/* It died on the way out, or a moment before: it is not to come back by itself. */
	if (what == BH_ORDER_STOP && waits_to_start(k))
		bh_kid_event(k, BH_LIFE_EV_STOP, 0, BH_DRAIN_FULL);
	else if (what == BH_ORDER_RESTART)
		start(k);
}

static void stop(struct bh_supervisor *s, struct bh_kid *k, enum bh_order_what what)
{
	struct bh_order *o = &s->orders[k->role];
	int64_t deadline =
	    bh_mono_ns(s->loop.clock) + bh_config_stop_budget_ms(&s->cfg) * BH_NS_PER_MS;

	o->what = what;
	bh_timer_at(&s->loop, &o->deadline, deadline, on_deadline);
	/* A dogstatsd that comes back keeps its open buckets: each goes out once and whole. */
	if (k->life.state != BH_LIFE_DRAINING && k->life.state != BH_LIFE_STOPPING)
		bh_kid_event(k, BH_LIFE_EV_STOP, deadline,
		    what == BH_ORDER_RESTART && k->role == BH_ROLE_DOGSTATSD ? BH_DRAIN_HANDOVER
									     : BH_DRAIN_FULL);
	advance(s, k); /* one that waited to be started had no process to end */
}

static void carry_out(struct bh_supervisor *s, struct bh_kid *k, enum bh_verb verb)
{
	if (verb == BH_VERB_START || at_rest(k)) {
		if (verb != BH_VERB_STOP)
			start(k);
		return;
	}
	stop(s, k, verb == BH_VERB_STOP ? BH_ORDER_STOP : BH_ORDER_RESTART);
}

void bh_orders_restart(struct bh_supervisor *s, enum bh_role role)
{
	carry_out(s, &s->kids[role], BH_VERB_RESTART);
}

void bh_orders_init(struct bh_supervisor *s)
{
	for (int i = 0; i < BH_ROLE__N; i++)
		s->orders[i] = (struct bh_order){.supervisor = s, .role = (enum bh_role)i};
}

/* --- answers -----------------------------------------------------------------------------------
 */

/* NULL while it is not settled. *ok tells whether the wish came true. */
static const char *result_of(
    const struct bh_supervisor *s, const struct bh_ctl_conn *c, const struct bh_kid *k, bool *ok)
{
	bool before = c->was_so & 1u << k->role;

	*ok = k->enabled;
	if (!k->enabled)
		return "is not configured";
	if (c->verb == BH_VERB_STOP) {
		*ok = !k->has_drained || k->drained.complete;
		if (!at_rest(k))
			return NULL;
		if (before)
			return "is not running";
		return *ok ? "stopped" : "stopped without proof for everything";
	}
	if (c->verb == BH_VERB_START && before)
		return "is running already";
	if (c->verb == BH_VERB_RESTART && (s->orders[k->role].what != BH_ORDER_NONE ||
					      k->life.generation == c->generation[k->role]))
		return NULL;
	*ok = k->life.state == BH_LIFE_RUNNING;
	if (*ok)
		return c->verb == BH_VERB_START ? "started" : "restarted";
	if (k->life.state == BH_LIFE_FATAL)
		return "does not start; its log says why";
	return waits_to_start(k) ? "does not start; trying again" : NULL;
}

/* false while something is not settled. */
static bool put_results(
    const struct bh_supervisor *s, const struct bh_ctl_conn *c, struct bh_jsonw *w)
{
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		const struct bh_kid *k = &s->kids[i];
		const char *result;
		bool ok;

		if (!(c->roles & 1u << i))
			continue;
		result = result_of(s, c, k, &ok);
		if (!result)
			return false;
		bh_jsonw_object(w, NULL);
		bh_jsonw_str(w, "name", bh_role_name((enum bh_role)i));
		bh_jsonw_bool(w, "ok", ok);
		bh_jsonw_str(w, "result", result);
		bh_jsonw_object_end(w);
	}
	return true;
}

static void answer_if_settled(struct bh_supervisor *s, struct bh_ctl_conn *c)
{
	struct bh_buf json = BH_BUF_INIT;
	struct bh_jsonw w;

	bh_jsonw_document(&w, &json);
	bh_jsonw_array(&w, "results");
	if (put_results(s, c, &w)) {
		bh_jsonw_array_end(&w);
		bh_jsonw_object_end(&w);
		bh_ctl_answer(c, bh_buf_view(&json));
	}
	bh_buf_release(&json);
}

static bool waits(const struct bh_ctl_conn *c)
{
	return bh_conn_waits(&c->io) && is_order(c->verb);
}

void bh_orders_take(struct bh_supervisor *s, struct bh_ctl_conn *c)
{
	if (bh_stopping(s)) {
		bh_ctl_answer_error(c, "everything is being stopped");
		return;
	}
	c->was_so = 0;
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		struct bh_kid *k = &s->kids[i];
		bool running = k->life.state == BH_LIFE_RUNNING;

		if (!(c->roles & 1u << i) || !k->enabled)
			continue;
		c->generation[i] = k->life.generation;
		if (c->verb == BH_VERB_START ? running : at_rest(k))
			c->was_so |= 1u << i;
		carry_out(s, k, c->verb);
	}
	answer_if_settled(s, c);
}

void bh_orders_changed(struct bh_supervisor *s)
{
	for (size_t i = 0; i < BH_CTL_CONNS && !bh_stopping(s); i++) {
		if (waits(&s->ctl.conn[i]))
			answer_if_settled(s, &s->ctl.conn[i]);
	}
}

void bh_orders_gone(struct bh_supervisor *s, struct bh_kid *k)
{
	if (bh_stopping(s))
		return;
	advance(s, k);
	bh_orders_changed(s);
}

void bh_orders_give_up(struct bh_supervisor *s)
{
	for (int i = 0; i < BH_ROLE__N; i++)
		end_order(&s->orders[i]);
	for (size_t i = 0; i < BH_CTL_CONNS; i++) {
		if (waits(&s->ctl.conn[i]))
			bh_ctl_answer_error(&s->ctl.conn[i], "everything is being stopped");
	}
}
