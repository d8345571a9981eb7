#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "common/child.h"
#include "supervisor/file_write.h"
#include "supervisor/report.h"
#include "supervisor/supervisor.h"

#define COMPONENT       "stop"
#define REPEAT_NS       BH_NS_PER_S       /* a terminal and a manager both signal */
#define FAST_NS         (3 * BH_NS_PER_S) /* what a second request leaves */
#define PID1_BUDGET_MS  8000
#define LEAST_BUDGET_MS 1000
#define EXTEND_USEC     10000000
#define LAST_REAP_NS    (2 * BH_NS_PER_S) /* after SIGKILL to all */

static int64_t now(const struct bh_supervisor *s)
{
	return bh_mono_ns(s->loop.clock);
}

/* --- the report ------------------------------------------------------------------------------- */

static struct bh_report_role report_role(const struct bh_supervisor *s, enum bh_role role)
{
	const struct bh_drain_role *d = &s->drain.role[role];
	const struct bh_kid *k = &s->kids[role];

	return (struct bh_report_role){.enabled = k->enabled,
	    .result = d->result,
	    .ms = d->began_ns && d->ended_ns ? (d->ended_ns - d->began_ns) / BH_NS_PER_MS : 0,
	    .has_drained = k->has_drained,
	    .drained = k->drained,
	    .stats = &k->stats};
}

static void make_report(struct bh_supervisor *s)
{
	struct bh_report r = {.cause = s->stop_cause,
	    .fast = s->drain.hastened,
	    .began_wall_ns = s->stop_wall_ns,
	    .ended_wall_ns = bh_wall_ns(s->loop.clock),
	    .ms = (s->drain.ended_ns - s->drain.began_ns) / BH_NS_PER_MS,
	    .unread = bh_sockets_unread(&s->sockets),
	    .forwarder_restarts = s->drain.restarts};
	struct bh_buf text = BH_BUF_INIT;
	int rc;

	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++)
		r.role[i] = report_role(s, (enum bh_role)i);
	s->accounted = bh_report_accounted(&r);
	bh_buf_clear(&s->report);
	bh_report_json(&r, &s->report);
	bh_report_text(&r, &text);
	(void)bh_buf_u8(&s->report, '\n');
	rc = bh_file_replace(s->cfg.run_path, "last-stop.json", bh_buf_view(&s->report), 0644);
	if (rc)
		bh_warn(
		    &s->log, COMPONENT, "%s/last-stop.json: %s", s->cfg.run_path, bh_err_name(rc));
	/* Beside a command's own output only what went wrong is told. */
	if (text.len && !(bh_wraps(s) && s->accounted))
		(void)fwrite(text.data, 1, text.len, stderr);
	bh_buf_release(&text);
}

static void answer_waiting(struct bh_supervisor *s)
{
	struct bh_str json = bh_buf_view(&s->report);

	if (json.n)
		json.n--; /* the answer brings its own newline */
	for (size_t i = 0; i < BH_CTL_CONNS; i++) {
		struct bh_ctl_conn *c = &s->ctl.conn[i];

		if (bh_ctl_waits(c, BH_VERB_DRAIN) || bh_ctl_waits(c, BH_VERB_SHUTDOWN))
			bh_ctl_answer(c, json);
	}
}

static void finish(struct bh_supervisor *s)
{
	bh_timer_cancel(&s->drain_timer);
	bh_timer_cancel(&s->notify_timer);
	if (!s->report.len) {
		make_report(s);
		bh_event_drain_end(&s->events, s->stop_cause, s->accounted);
	}
	answer_waiting(s);
	bh_supervisor_write_status(s);
	if (!s->exit_wanted)
		return;
	/* Told to stop by itself, the agent is gone before the command, whose end is awaited. */
	if (bh_wraps(s) && !s->job.told)
		return;
	bh_wrap_report(s);
	s->exit_code = s->refusal ? s->refusal : s->accounted ? BH_EXIT_OK : BH_EXIT_UNPROVEN;
	bh_loop_stop(&s->loop);
}

/* --- orders ----------------------------------------------------------------------------------- */

static void carry_out(struct bh_supervisor *s, const struct bh_drain_order *o)
{
	struct bh_kid *k = &s->kids[o->role];

	switch (o->what) {
	case BH_DRAIN_DO_DRAIN:
	case BH_DRAIN_DO_EXIT:
		bh_kid_event(k, BH_LIFE_EV_STOP, o->deadline_ns, o->mode);
		break;
	case BH_DRAIN_DO_KILL:
		bh_kid_event(k, BH_LIFE_EV_KILL, 0, o->mode);
		break;
	case BH_DRAIN_DO_START_SPOOL_ONLY:
		bh_warn(&s->log, COMPONENT, "forwarder is started again, spool only");
		k->spool_only = true;
		bh_kid_event(k, BH_LIFE_EV_START, 0, o->mode);
		break;
	}
}

static void on_due(struct bh_timer *t)
{
	bh_stop_pump(BH_CONTAINER(t, struct bh_supervisor, drain_timer));
}

static void pump_killing(struct bh_supervisor *s)
{
	if (!bh_supervisor_alive(s) && (!bh_wraps(s) || s->job.told))
		bh_loop_stop(&s->loop);
}

void bh_stop_pump(struct bh_supervisor *s)
{
	struct bh_drain_order order;
	int64_t due;

	if (s->killing) {
		pump_killing(s);
		return;
	}
	/* Orders lead to events that come back here; the outer call takes what follows. */
	if (s->pumping || s->drain.phase == BH_DRAIN_IDLE)
		return;
	s->pumping = true;
	while (bh_drain_next(&s->drain, now(s), &order))
		carry_out(s, &order);
	s->pumping = false;
	if (s->drain.phase == BH_DRAIN_DONE) {
		finish(s);
		return;
	}
	due = bh_drain_due(&s->drain);
	bh_timer_at(&s->loop, &s->drain_timer, due, on_due);
}

/* --- beginning -------------------------------------------------------------------------------- */

static enum bh_drain_child child_now(const struct bh_kid *k)
{
	if (!k->life.alive)
		return BH_DRAIN_ABSENT;
	return k->life.state == BH_LIFE_RUNNING ? BH_DRAIN_RUNNING : BH_DRAIN_STARTING;
}

/* A container's manager kills everything 10 s after its TERM: the drain fits into what is left of
 * that (spec/supervision.md §17). */
static int64_t budget_ms(const struct bh_supervisor *s)
{
	int64_t budget = bh_config_stop_budget_ms(&s->cfg);
	int64_t used = s->stop_asked_ns ? (now(s) - s->stop_asked_ns) / BH_NS_PER_MS : 0;

	if (getpid() != 1)
		return budget;
	return BH_MIN(budget, BH_MAX(PID1_BUDGET_MS - used, LEAST_BUDGET_MS));
}

/* Each second, so that a drain within its budget is not taken for one that hangs. */
static void tell_progress(struct bh_timer *t)
{
	struct bh_supervisor *s = BH_CONTAINER(t, struct bh_supervisor, notify_timer);
	uint64_t items = 0, bytes = 0;

	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		if (!s->kids[i].life.alive)
			continue;
		items += s->kids[i].beat.pending_items;
		bytes += s->kids[i].beat.pending_bytes;
	}
	bh_notify_send(&s->notify,
	    "STATUS=draining: %" PRIu64 " items, %" PRIu64 " bytes left\nEXTEND_TIMEOUT_USEC=%d",
	    items, bytes, EXTEND_USEC);
	bh_timer_in(&s->loop, t, BH_NS_PER_S, tell_progress);
}

void bh_stop_begin(struct bh_supervisor *s, const char *cause)
{
	enum bh_drain_child child[BH_ROLE__N] = {BH_DRAIN_ABSENT};
	const struct bh_kid *forwarder = &s->kids[BH_ROLE_FORWARDER];

	if (s->killing)
		return;
	if (s->drain.phase != BH_DRAIN_IDLE) {
		bh_stop_pump(s); /* done already: the answer is there */
		return;
	}
	bh_info(&s->log, COMPONENT, "ordered drain begins cause=%s budget_ms=%lld", cause,
	    (long long)budget_ms(s));
	bh_timer_cancel(&s->notify_timer);
	if (s->exit_wanted) {
		bh_notify_send(&s->notify, "STOPPING=1");
		tell_progress(&s->notify_timer);
	}
	/* The sockets are the supervisor's: a producer that reads until they are empty would never
	 * come to an end, or leave what came after its last look. */
	bh_sockets_close_intake(&s->sockets);
	bh_orders_give_up(s);
	bh_reload_give_up(s);
	bh_event_drain_begin(&s->events, cause);
	s->stop_cause = cause;
	s->stop_wall_ns = bh_wall_ns(s->loop.clock);
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++)
		child[i] = child_now(&s->kids[i]);
	bh_drain_begin(&s->drain, child,
	    forwarder->enabled && forwarder->life.state != BH_LIFE_FATAL,
	    budget_ms(s) * BH_NS_PER_MS, now(s));
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		if (s->kids[i].life.state == BH_LIFE_BACKOFF)
			bh_kid_event(&s->kids[i], BH_LIFE_EV_STOP, 0, BH_DRAIN_FULL);
	}
	bh_stop_pump(s);
}

static void on_last_reap(struct bh_timer *t)
{
	struct bh_supervisor *s = BH_CONTAINER(t, struct bh_supervisor, drain_timer);

	bh_error(&s->log, COMPONENT, "a child does not end after SIGKILL; leaving it");
	bh_loop_stop(&s->loop);
}

void bh_stop_now(struct bh_supervisor *s)
{
	if (s->killing)
		return;
	bh_warn(&s->log, COMPONENT, "immediate stop: the children are killed, nothing is drained");
	s->killing = true;
	s->exit_code = 128 + SIGQUIT;
	bh_timer_in(&s->loop, &s->drain_timer, LAST_REAP_NS, on_last_reap);
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		if (s->kids[i].life.alive)
			bh_kid_event(&s->kids[i], BH_LIFE_EV_KILL, 0, BH_DRAIN_FULL);
		else if (s->kids[i].life.state == BH_LIFE_BACKOFF) /* its time must not come now */
			bh_kid_event(&s->kids[i], BH_LIFE_EV_STOP, 0, BH_DRAIN_FULL);
	}
	pump_killing(s);
}

void bh_stop_signal(struct bh_supervisor *s, const char *cause)
{
	if (s->stop_signals && now(s) - s->stop_signal_ns < REPEAT_NS)
		return;
	s->stop_signals++;
	s->stop_signal_ns = now(s);
	s->exit_wanted = true;
	if (s->stop_signals == 1) {
		bh_stop_begin(s, cause);
	} else if (s->stop_signals == 2) {
		bh_warn(&s->log, COMPONENT, "second %s: at most 3 s more, without network", cause);
		bh_drain_hasten(&s->drain, FAST_NS, now(s));
		bh_stop_pump(s);
	} else {
		bh_stop_now(s);
	}
}
