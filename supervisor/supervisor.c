#include "supervisor/inquiry.h"
#include "supervisor/supervisor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/child.h"
#include "common/jsonw.h"
#include "common/version.h"
#include "supervisor/capture.h"
#include "supervisor/ctl_answers.h"
#include "supervisor/config_answer.h"
#include "supervisor/file_write.h"
#include "supervisor/health.h"
#include "supervisor/kernel_log.h"
#include "supervisor/status_view.h"
#include "supervisor/stream.h"

#define COMPONENT "supervisor"
#define STATUS_NS (10 * BH_NS_PER_S)

static bool works(const struct bh_kid *k)
{
	return k->life.state == BH_LIFE_RUNNING || k->life.state == BH_LIFE_DRAINING;
}

static bool all_running(const struct bh_supervisor *s)
{
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		if (s->kids[i].enabled && s->kids[i].life.state != BH_LIFE_RUNNING)
			return false;
	}
	return true;
}

bool bh_supervisor_alive(const struct bh_supervisor *s)
{
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		if (s->kids[i].life.alive)
			return true;
	}
	return false;
}

/* --- status ----------------------------------------------------------------------------------- */

static const char *state_name(const struct bh_supervisor *s)
{
	if (s->drain.phase == BH_DRAIN_DONE)
		return "STOPPED";
	if (bh_stopping(s))
		return "DRAINING";
	return s->was_ready ? "RUNNING" : "STARTING";
}

static struct bh_status_view view(const struct bh_supervisor *s)
{
	return (struct bh_status_view){.state = state_name(s),
	    .ready = !bh_stopping(s) && all_running(s),
	    .mono_ns = bh_mono_ns(s->loop.clock),
	    .wall_ns = bh_wall_ns(s->loop.clock),
	    .started_mono_ns = s->started_ns,
	    .kids = s->kids,
	    .books = &s->rounds.books,
	    .deaths = s->deaths,
	    .notes = &s->notes,
	    .limits = &s->limits};
}

static void on_status_timer(struct bh_timer *t)
{
	struct bh_supervisor *s = BH_CONTAINER(t, struct bh_supervisor, status_timer);

	bh_log_repair(s);
	bh_supervisor_write_status(s);
}

/* For when the supervisor hangs: what it last knew. */
void bh_supervisor_write_status(struct bh_supervisor *s)
{
	struct bh_status_view v = view(s);
	struct bh_buf json = BH_BUF_INIT;
	int rc;

	v.deaths = NULL; /* a long list, and the file is written often */
	bh_status_json(&v, &json);
	(void)bh_buf_u8(&json, '\n');
	rc = bh_file_replace(s->cfg.run_dir, "status.json", bh_buf_view(&json), 0644);
	if (rc)
		bh_debug(&s->log, COMPONENT, "status.json: %s", bh_err_name(rc));
	bh_buf_release(&json);
	bh_timer_in(&s->loop, &s->status_timer, STATUS_NS, on_status_timer);
}

/* --- rights ----------------------------------------------------------------------------------- */

static uint32_t gaps_of(const struct bh_supervisor *s, int role)
{
	const struct bh_kid *k = &s->kids[role];

	return !k->enabled ? 0 : k->has_rights ? k->rights.gaps : s->rights.of[role].orders.gaps;
}

void bh_supervisor_limits(struct bh_supervisor *s)
{
	uint32_t gaps[BH_ROLE__N] = {0};

	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++)
		gaps[i] = gaps_of(s, i);
	bh_strlist_release(&s->limits);
	if (bh_rights_list(gaps, &s->limits))
		bh_warn(&s->log, COMPONENT, "out of memory for the list of gaps");
}

static void on_ready(void *ctx, struct bh_kid *k)
{
	struct bh_supervisor *s = ctx;

	bh_rights_tell(&s->rights, k->role, k->rights.gaps, &s->log);
	bh_supervisor_limits(s);
}

/* Strict: a child that cannot have its rights reduced ends everything. */
static void check_refusal(struct bh_supervisor *s, const struct bh_kid *k)
{
	if (s->rights.hardening != BH_HARDENING_STRICT || bh_stopping(s) ||
	    k->life.last_cause != BH_CAUSE_NOPERM)
		return;
	bh_error(&s->log, COMPONENT, "%s: bulkhead.hardening is strict, nothing runs with a gap",
	    bh_role_name(k->role));
	s->refusal = BH_EXIT_NOPERM;
	s->exit_wanted = true;
	bh_stop_begin(s, "strict");
}

/* A filter that is too tight, or an intrusion that failed: somebody has to know which call it was.
 */
static void name_violation(struct bh_supervisor *s, struct bh_kid *k)
{
	int nr = bh_kernel_log_violation(k->last_pid);

	if (nr >= 0)
		(void)snprintf(k->failure, sizeof(k->failure),
		    "pid %d was ended for a system call its role may not make: number %d "
		    "(scmp_sys_resolver %d names it)",
		    (int)k->last_pid, nr, nr);
	else
		(void)snprintf(k->failure, sizeof(k->failure),
		    "pid %d was ended for a system call its role may not make; the kernel's log "
		    "or the audit log has its number (type=1326, pid=%d)",
		    (int)k->last_pid, (int)k->last_pid);
	bh_error(&s->log, COMPONENT, "%s: %s", bh_role_name(k->role), k->failure);
}

/* It is settled there whether something else is going on. */
static void on_again(void *ctx, struct bh_kid *k)
{
	struct bh_supervisor *s = ctx;

	if (bh_stopping(s) || s->reload.active || s->orders[k->role].what != BH_ORDER_NONE)
		return;
	bh_info(&s->log, COMPONENT, "%s is restarted: %s", bh_role_name(k->role),
	    k->role == BH_ROLE_FORWARDER ? "its store can be written again"
	    : k->role == BH_ROLE_LOGS ? "a directory it reads is another one now, or its link was "
					"renewed too often"
				      : "its link was renewed too often");
	bh_orders_restart(s, k->role);
}

/* --- children --------------------------------------------------------------------------------- */

static void start(struct bh_supervisor *s, enum bh_role role)
{
	if (s->kids[role].enabled)
		bh_kid_event(&s->kids[role], BH_LIFE_EV_START, 0, BH_DRAIN_FULL);
}

void bh_supervisor_start_children(struct bh_supervisor *s)
{
	start(s, BH_ROLE_FORWARDER);
}

/* The producers follow the forwarder's first answer; one that fails does not hold them up. */
static void start_producers(struct bh_supervisor *s)
{
	if (s->producers_started || bh_stopping(s))
		return;
	s->producers_started = true;
	start(s, BH_ROLE_DOGSTATSD);
	start(s, BH_ROLE_LOGS);
}

static bool are_peers(enum bh_role a, enum bh_role b)
{
	return a != b && (a == BH_ROLE_FORWARDER || b == BH_ROLE_FORWARDER);
}

static void tell_peers(struct bh_supervisor *s, const struct bh_kid *k)
{
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		if (s->kids[i].enabled && are_peers(k->role, (enum bh_role)i))
			bh_kid_peer_state(&s->kids[i], k->role, works(k));
	}
}

/* How many were put: 0 or 1. */
static size_t put_ring(const struct bh_supervisor *s, enum bh_role role, struct bh_spawn_fd *to)
{
	if (s->rings.fd[role] < 0)
		return 0;
	*to = (struct bh_spawn_fd){BH_LOG_RING_NAME, s->rings.fd[role]};
	return 1;
}

/* dogstatsd inherits its sockets, and what its open buckets go through. */
static void prepare_dogstatsd(struct bh_supervisor *s, struct bh_kid *k)
{
	struct bh_spawn_fd *fds = s->socket_fds;
	size_t n = s->sockets.n;

	bh_handover_fds_prepare(&s->handover);
	for (size_t i = 0; i < n; i++)
		fds[i] = (struct bh_spawn_fd){s->sockets.v[i].name, s->sockets.v[i].fd};
	if (s->handover.in >= 0)
		fds[n++] = (struct bh_spawn_fd){"handover-in", s->handover.in};
	if (s->handover.out >= 0)
		fds[n++] = (struct bh_spawn_fd){"handover-out", s->handover.out};
	k->fds = fds;
	k->fds_n = n + put_ring(s, BH_ROLE_DOGSTATSD, &fds[n]);
}

/* Ports, and the output of a command. */
static void prepare_logs(struct bh_supervisor *s, struct bh_kid *k)
{
	static const char *const names[BH_JOB_STREAMS] = {"logs-run:stdout", "logs-run:stderr"};
	size_t n = s->log_sockets.n;

	memcpy(s->logs_fds, s->log_sockets.fds, n * sizeof(s->logs_fds[0]));
	for (int i = 0; i < BH_JOB_STREAMS && s->job.collects; i++)
		s->logs_fds[n++] =
		    (struct bh_spawn_fd){names[i], bh_job_output_link(&s->job.output, i)};
	k->fds = s->logs_fds;
	k->fds_n = n + put_ring(s, BH_ROLE_LOGS, &s->logs_fds[n]);
}

static void on_prepare(void *ctx, struct bh_kid *k)
{
	struct bh_supervisor *s = ctx;

	if (k->role == BH_ROLE_DOGSTATSD)
		prepare_dogstatsd(s, k);
	if (k->role == BH_ROLE_FORWARDER) {
		k->fds = &s->ring_fd;
		k->fds_n = put_ring(s, BH_ROLE_FORWARDER, &s->ring_fd);
	}
	if (k->role == BH_ROLE_LOGS) {
		/* Its predecessor is gone: a port that it still held then is free. */
		bh_reload_ports(s);
		prepare_logs(s, k);
	}
}

static void on_started(void *ctx, struct bh_kid *k)
{
	struct bh_supervisor *s = ctx;

	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		if (s->kids[i].enabled && are_peers(k->role, (enum bh_role)i))
			bh_kid_peer_state(k, (enum bh_role)i, works(&s->kids[i]));
	}
}

static void note_ready(struct bh_supervisor *s)
{
	if (s->was_ready || bh_stopping(s) || !all_running(s))
		return;
	s->was_ready = true;
	bh_info(&s->log, COMPONENT, "ready: every process runs");
	bh_timer_cancel(&s->notify_timer);
	bh_notify_send(&s->notify, "READY=1\nSTATUS=ready: every process runs");
}

/* One that does not come up does not keep the others from being used (§4). */
static void on_ready_late(struct bh_timer *t)
{
	struct bh_supervisor *s = BH_CONTAINER(t, struct bh_supervisor, notify_timer);
	char missing[64] = "";
	size_t len = 0;

	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		if (s->kids[i].enabled && s->kids[i].life.state != BH_LIFE_RUNNING)
			len += (size_t)snprintf(missing + len, sizeof(missing) - len, " %s",
			    bh_role_name((enum bh_role)i));
	}
	bh_notify_send(&s->notify, "READY=1\nSTATUS=does not run:%s", missing);
}

void bh_supervisor_tell_manager(struct bh_supervisor *s)
{
	bh_notify_start(&s->notify, &s->loop);
	bh_timer_in(&s->loop, &s->notify_timer, BH_NOTIFY_READY_NS, on_ready_late);
}

static void on_changed(void *ctx, struct bh_kid *k, enum bh_life_state from)
{
	struct bh_supervisor *s = ctx;
	enum bh_life_state to = k->life.state;
	bool up = k->role == BH_ROLE_FORWARDER && to == BH_LIFE_RUNNING;
	bool worked = from == BH_LIFE_RUNNING || from == BH_LIFE_DRAINING;

	if (k->pid == 0)
		bh_books_close(&s->rounds.books, k);
	bh_info(&s->log, COMPONENT, "%s pid=%d state=%s from=%s", bh_role_name(k->role),
	    (int)k->pid, bh_life_state_name(to), bh_life_state_name(from));
	bh_event_state(&s->events, k, from);
	if (worked != works(k))
		tell_peers(s, k);
	if (to != BH_LIFE_RUNNING)
		bh_query_give_up(s, k->role);
	if (to == BH_LIFE_RUNNING && k->role == BH_ROLE_DOGSTATSD)
		bh_handover_fds_taken(&s->handover);
	if (to == BH_LIFE_RUNNING && bh_stopping(s)) {
		bh_drain_ready(&s->drain, k->role);
		bh_stop_pump(s);
	}
	if (k->role == BH_ROLE_FORWARDER && from == BH_LIFE_STARTING)
		start_producers(s);
	if (up)
		bh_collect_start(&s->collect); /* what earlier runs left in the ledger */
	note_ready(s);
	bh_supervisor_write_status(s);
	bh_orders_changed(s);
	bh_reload_pump(s);
	bh_wrap_pump(s);
}

static void note_death(struct bh_supervisor *s, const struct bh_kid *k)
{
	const struct bh_life *l = &k->life;
	struct bh_death death = {.wall_ns = bh_wall_ns(s->loop.clock),
	    .pid = k->last_pid,
	    .cause = l->last_cause,
	    .code = l->last_exit.code,
	    .signal = l->last_exit.signal};

	bh_deaths_add(&s->deaths[k->role], &death);
	bh_event_exit(&s->events, k, k->last_pid);
}

static void on_gone(void *ctx, struct bh_kid *k)
{
	struct bh_supervisor *s = ctx;
	const struct bh_life *l = &k->life;
	bool expected = l->last_cause == BH_CAUSE_REQUESTED && l->last_exit.code == 0;

	bh_books_close(&s->rounds.books, k);
	bh_rounds_keep(s);
	if (k->role == BH_ROLE_DOGSTATSD && !k->has_drained && k->figures_ns)
		bh_warn(&s->log, COMPONENT,
		    "dogstatsd ended without a drain: the ledger does not know what it received in "
		    "its last %.1f s",
		    (double)(bh_mono_ns(s->loop.clock) - k->figures_ns) / (double)BH_NS_PER_S);
	note_death(s, k);
	if (k->role == BH_ROLE_DOGSTATSD)
		bh_handover_fds_ended(&s->handover, expected && k->has_drained);

	bh_log_write(&s->log, expected ? BH_LOG_INFO : BH_LOG_ERROR, COMPONENT,
	    "%s ended cause=%s code=%d signal=%d state=%s", bh_role_name(k->role),
	    bh_life_cause_name(l->last_cause), l->last_exit.code, l->last_exit.signal,
	    bh_life_state_name(l->state));
	if (l->state == BH_LIFE_FATAL)
		bh_error(&s->log, COMPONENT, "%s is not started again: %s", bh_role_name(k->role),
		    k->failure[0] ? k->failure : "its own messages above say why");
	if (l->last_cause == BH_CAUSE_SANDBOX)
		name_violation(s, k);
	check_refusal(s, k);
	bh_collect_check(&s->collect);
	if (bh_stopping(s)) {
		/* Nothing restarts by itself during an end. */
		if (l->state == BH_LIFE_BACKOFF)
			bh_kid_event(k, BH_LIFE_EV_STOP, 0, BH_DRAIN_FULL);
		bh_drain_gone(&s->drain, k->role, bh_mono_ns(s->loop.clock));
		bh_stop_pump(s);
	}
	bh_orders_gone(s, k);
	bh_reload_pump(s);
}

static void on_drained(void *ctx, struct bh_kid *k)
{
	struct bh_supervisor *s = ctx;

	bh_drain_acked(&s->drain, k->role, bh_mono_ns(s->loop.clock));
	bh_stop_pump(s);
}

static void on_stats(void *ctx, struct bh_kid *k)
{
	struct bh_supervisor *s = ctx;

	bh_event_figures(&s->events, k);
	bh_collect_check(&s->collect);
}

static void on_row(void *ctx, struct bh_kid *k, uint32_t id, const struct bh_query_row *row)
{
	bh_query_row(ctx, k->role, id, row);
}

static void on_part(void *ctx, struct bh_kid *k, uint32_t id, struct bh_str part)
{
	bh_query_part(ctx, k->role, id, part);
}

static void on_reloaded(void *ctx, struct bh_kid *k, uint32_t id, const struct bh_ctl_reloaded *r)
{
	bh_reload_answered(ctx, k->role, id, r);
}

static void on_key_refused(void *ctx, struct bh_kid *k)
{
	(void)k;
	bh_key_watch_refused(ctx);
}

const struct bh_kid_ops bh_supervisor_kid_ops = {
    .changed = on_changed,
    .prepare = on_prepare,
    .started = on_started,
    .drained = on_drained,
    .gone = on_gone,
    .stats = on_stats,
    .part = on_part,
    .row = on_row,
    .ready = on_ready,
    .again = on_again,
    .reloaded = on_reloaded,
    .key_refused = on_key_refused,
};

/* --- questions -------------------------------------------------------------------------------- */

static bool is_question(enum bh_verb verb)
{
	return verb == BH_VERB_STATUS || verb == BH_VERB_LEDGER || verb == BH_VERB_HEALTH;
}

static bool is_anybody_waiting(const struct bh_supervisor *s)
{
	for (size_t i = 0; i < BH_CTL_CONNS; i++) {
		const struct bh_ctl_conn *c = &s->ctl.conn[i];

		if (bh_conn_waits(&c->io) && is_question(c->verb))
			return true;
	}
	return false;
}

void bh_supervisor_collected(void *ctx)
{
	struct bh_supervisor *s = ctx;
	struct bh_status_view v = view(s);
	struct bh_buf status = BH_BUF_INIT, ledger = BH_BUF_INIT, health = BH_BUF_INIT;
	bool more = bh_rounds_collected(s);

	if (is_anybody_waiting(s)) {
		bh_status_json(&v, &status);
		bh_ledger_json(&v, &ledger);
		bh_health_json(&v, &health);
	}
	for (size_t i = 0; i < BH_CTL_CONNS; i++) {
		struct bh_ctl_conn *c = &s->ctl.conn[i];

		if (!bh_conn_waits(&c->io) || !is_question(c->verb))
			continue;
		if (c->round > s->collect.round)
			more = true;
		else
			bh_ctl_answer(c, bh_buf_view(c->verb == BH_VERB_STATUS   ? &status
						     : c->verb == BH_VERB_HEALTH ? &health
										 : &ledger));
	}
	bh_buf_release(&status);
	bh_buf_release(&ledger);
	bh_buf_release(&health);
	if (more)
		bh_collect_start(&s->collect);
}

static void answer_version(struct bh_ctl_conn *c)
{
	struct bh_buf json = BH_BUF_INIT;
	struct bh_jsonw w;

	bh_jsonw_document(&w, &json);
	bh_jsonw_str(&w, "version", BH_VERSION);
	bh_jsonw_str(&w, "agent_version", BH_AGENT_VERSION);
	bh_jsonw_object_end(&w);
	bh_ctl_answer(c, bh_buf_view(&json));
	bh_buf_release(&json);
}

static void start_capture(struct bh_supervisor *s, struct bh_ctl_conn *c)
{
	int64_t wall_s = bh_wall_ns(s->loop.clock) / BH_NS_PER_S;
	struct bh_buf path = BH_BUF_INIT, json = BH_BUF_INIT;
	struct bh_err err = BH_ERR_INIT;
	struct bh_jsonw w;
	int fd = bh_capture_create(&s->cfg, wall_s, &path, &err);

	if (fd < 0) {
		bh_ctl_answer_error(c, err.text);
	} else if (!bh_kid_capture(&s->kids[BH_ROLE_DOGSTATSD], fd, c->seconds)) {
		(void)unlink(path.data);
		bh_ctl_answer_error(c, "dogstatsd does not run");
	} else {
		bh_jsonw_document(&w, &json);
		bh_jsonw_bytes(&w, "path", path.data, path.len);
		bh_jsonw_u64(&w, "seconds", c->seconds);
		bh_jsonw_object_end(&w);
		bh_ctl_answer(c, bh_buf_view(&json));
	}
	if (fd >= 0)
		(void)close(fd);
	bh_buf_release(&path);
	bh_buf_release(&json);
}

void bh_supervisor_note_request(void *ctx, const struct bh_ctl_conn *conn)
{
	struct bh_supervisor *s = ctx;

	bh_event_request(&s->events, conn);
}

void bh_supervisor_note_limit(void *ctx, const char *text)
{
	struct bh_supervisor *s = ctx;

	bh_event_limit(&s->events, text);
}

void bh_supervisor_handle_ctl(void *ctx, struct bh_ctl_conn *conn)
{
	struct bh_supervisor *s = ctx;

	switch (conn->verb) {
	case BH_VERB_STATUS:
	case BH_VERB_LEDGER:
	case BH_VERB_HEALTH:
		conn->round = bh_collect_next(&s->collect);
		bh_collect_start(&s->collect);
		break;
	case BH_VERB_DRAIN:
		bh_stop_begin(s, "drain");
		break;
	case BH_VERB_SHUTDOWN:
		s->exit_wanted = true;
		bh_stop_begin(s, "shutdown");
		break;
	case BH_VERB_VERSION:
		answer_version(conn);
		break;
	case BH_VERB_START:
	case BH_VERB_STOP:
	case BH_VERB_RESTART:
		bh_orders_take(s, conn);
		break;
	case BH_VERB_DOGSTATSD_STATS:
	case BH_VERB_CONTEXTS:
	case BH_VERB_SENDERS:
	case BH_VERB_REGISTRY:
	case BH_VERB_REGISTRY_SHOW:
	case BH_VERB_REGISTRY_FORGET:
	case BH_VERB_REGISTRY_IMPORT:
	case BH_VERB_QUARANTINE:
	case BH_VERB_QUARANTINE_REPLAY:
		bh_query_take(s, conn);
		break;
	case BH_VERB_CAPTURE:
		start_capture(s, conn);
		break;
	case BH_VERB_STREAM_LOGS:
		bh_stream_take(s, conn);
		break;
	case BH_VERB_SPOOL:
	case BH_VERB_SPOOL_PURGE:
	case BH_VERB_SPOOL_REPLAY:
	case BH_VERB_SPOOL_ACKNOWLEDGE:
	case BH_VERB_DIAGNOSE:
		bh_inquiry_take(s, conn);
		break;
	case BH_VERB_RELOAD:
		bh_reload_ask(s, conn);
		break;
	case BH_VERB_LAST_STOP:
		bh_last_stop_answer(s, conn);
		break;
	case BH_VERB_EVENTS:
	case BH_VERB_EVENTS_FOLLOW:
		bh_events_take(&s->events, conn);
		break;
	case BH_VERB_SIGNAL:
		bh_signal_answer(s, conn);
		break;
	case BH_VERB_SECURITY:
	case BH_VERB_SECURITY_TEST:
		bh_security_take(s, conn);
		break;
	case BH_VERB_CONFIG_DIFF:
		bh_config_diff_answer(s, conn);
		break;
	case BH_VERB_REOPEN_LOGS:
		bh_log_reopen(s, conn);
		break;
	case BH_VERB_TAIL:
		bh_log_answer_tail(s, conn);
		break;
	case BH_VERB__N:
		break;
	}
}
