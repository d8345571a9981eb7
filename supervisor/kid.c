#include "supervisor/kid.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/pass_fd.h"

#define COMPONENT     "supervisor"
#define MSGS_PER_TURN 256 /* one talkative child does not starve the others */
#define LAST_TURNS    16  /* more than a channel holds when its process has ended */
#define QUOTA_PER_S   500 /* messages nobody asked for: heartbeats are one in 5 s */
#define QUOTA_MAX     4000
#define FIGURES_MAX   1000000 /* messages of answers to STATS that are owed, and of a drain */
#define FIGURES_MORE  200000  /* what an answer gives back */
#define ROWS_MAX      4000000 /* of one answer to QUERY: a registry, in parts */
#define EXIT_NOPERM   77      /* a right could not be given up: it does not start with it */
#define EXIT_OSERR    71      /* the start failed for want of memory, descriptors or processes */

static int64_t now(const struct bh_kid *k)
{
	return bh_mono_ns(k->env->loop->clock);
}

static void on_timer(struct bh_timer *t);
static void on_process(struct bh_watch *w, unsigned events);
static void on_control(struct bh_watch *w, unsigned events);

void bh_kid_init(struct bh_kid *k, enum bh_role role, const struct bh_kid_env *env)
{
	*k = (struct bh_kid){.role = role, .env = env, .config_fd = -1};
	k->process.fd = k->control.fd = -1;
	bh_life_init(&k->life, now(k));
}

void bh_kid_release(struct bh_kid *k)
{
	bh_timer_cancel(&k->timer);
	bh_loop_close_fd(&k->process);
	bh_loop_close_fd(&k->control);
	if (k->config_fd >= 0)
		(void)close(k->config_fd);
	bh_stat_set_release(&k->stats);
	bh_stat_set_release(&k->incoming);
	free(k->exe);
}

/* --- the quota: a child that sends without being asked cannot keep us busy ----------------------
 */

static void refill(struct bh_kid *k)
{
	k->quota = QUOTA_MAX;
	k->quota_ns = now(k);
	k->figures_left = FIGURES_MAX;
	k->rows_left = 0;
}

/* Part of an answer that is owed, which may be long. */
static bool is_asked_for(struct bh_kid *k, const struct bh_ctl_msg *m)
{
	/* A late rest of an earlier answer counts as part of the one that is awaited. */
	if (m->type == BH_CTL_STATS_REPLY && (m->id || k->life.state == BH_LIFE_DRAINING))
		return k->figures_left-- > 0;
	if (m->type == BH_CTL_QUERY_ROW || m->type == BH_CTL_QUERY_PART)
		return k->rows_left-- > 0;
	return false;
}

/* false: it sends more than it was asked for. */
static bool spend(struct bh_kid *k)
{
	int64_t passed = BH_MIN(now(k) - k->quota_ns, 60 * BH_NS_PER_S);
	int64_t add = passed * QUOTA_PER_S / BH_NS_PER_S;

	if (add > 0) {
		k->quota = BH_MIN(k->quota + add, (int64_t)QUOTA_MAX);
		k->quota_ns = now(k);
	}
	return --k->quota >= 0;
}

/* --- actions ---------------------------------------------------------------------------------- */

static void send_msg(struct bh_kid *k, struct bh_ctl_msg *m)
{
	struct bh_buf out = BH_BUF_INIT;

	m->generation = k->life.generation;
	/* A full channel means that the child does not read: its heartbeat decides what follows. */
	if (k->control.fd >= 0 && bh_ctl_encode(m, &out) == 0 &&
	    send(k->control.fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
	    errno != EPIPE)
		bh_warn(k->env->log, COMPONENT, "message to %s: %s", bh_role_name(k->role),
		    strerror(errno));
	bh_buf_release(&out);
}

/* The same with a descriptor, which stays the caller's, or none (-1). false when it was not sent.
 */
static bool send_with_fd(struct bh_kid *k, struct bh_ctl_msg *m, int fd)
{
	struct bh_buf out = BH_BUF_INIT;
	bool sent;

	m->generation = k->life.generation;
	sent = bh_ctl_encode(m, &out) == 0 && bh_pass_fd_send(k->control.fd, bh_buf_view(&out), fd,
						  MSG_DONTWAIT) == (ssize_t)out.len;
	bh_buf_release(&out);
	return sent;
}

static void send_plain(struct bh_kid *k, enum bh_ctl_type type)
{
	struct bh_ctl_msg m = {.type = type};

	send_msg(k, &m);
}

static void send_drain(struct bh_kid *k, int64_t deadline_ns, enum bh_drain_mode mode)
{
	struct bh_ctl_msg m = {.type = BH_CTL_DRAIN};
	int64_t left_ms = (deadline_ns - now(k)) / BH_NS_PER_MS;

	m.u.drain.deadline_ms = (uint32_t)BH_MAX(BH_MIN(left_ms, (int64_t)UINT32_MAX), 0);
	m.u.drain.mode = mode;
	send_msg(k, &m);
}

static void do_kill(struct bh_kid *k)
{
	if (k->process.fd >= 0 &&
	    syscall(SYS_pidfd_send_signal, k->process.fd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		bh_error(k->env->log, COMPONENT, "kill %s pid=%d: %s", bh_role_name(k->role),
		    (int)k->pid, strerror(errno));
}

static void arm(struct bh_kid *k)
{
	if (k->life.timer_ns == BH_LIFE_NEVER)
		bh_timer_cancel(&k->timer);
	else
		bh_timer_at(k->env->loop, &k->timer, k->life.timer_ns, on_timer);
}

static void ended(struct bh_kid *k, const struct bh_life_exit *how)
{
	enum bh_life_state from = k->life.state;

	(void)bh_life_exited(&k->life, how, now(k), k->env->rng);
	k->last_pid = k->pid;
	k->pid = 0;
	arm(k);
	if (k->life.state != from)
		k->env->ops->changed(k->env->ctx, k, from);
	k->env->ops->gone(k->env->ctx, k);
}

static int watch(struct bh_kid *k, const struct bh_spawned *s)
{
	int rc = bh_loop_add_fd(k->env->loop, &k->process, s->pid_fd, BH_LOOP_READ, on_process);

	if (rc) {
		(void)close(s->pid_fd);
		(void)close(s->control_fd);
		return rc;
	}
	rc = bh_loop_add_fd(k->env->loop, &k->control, s->control_fd, BH_LOOP_READ, on_control);
	if (rc)
		(void)close(s->control_fd);
	return rc;
}

static void forget_process(struct bh_kid *k)
{
	k->beat_ns = 0;
	k->beat = (struct bh_ctl_heartbeat){0};
	k->booked = k->has_drained = false;
	k->asked_id = k->incoming_id = 0;
	k->silent = false;
	refill(k);
	k->answered = false;
	k->figures_ns = 0;
	bh_stat_set_clear(&k->stats);
	bh_stat_set_clear(&k->incoming);
}

static struct bh_spawn_request request_of(const struct bh_kid *k)
{
	struct bh_rights_plans *plans = k->env->plans;

	return (struct bh_spawn_request){.exe = k->exe,
	    .role = k->role,
	    .generation = k->life.generation,
	    .run_id = k->env->run_id,
	    .started_ns = k->env->started_ns,
	    .plan = plans ? &plans->of[k->role] : NULL,
	    .uids = plans ? plans->uids : NULL,
	    .spool_only = k->spool_only,
	    .config_fd = k->config_fd,
	    .log_fd = k->env->log_fd,
	    .log_form = bh_log_form_name(k->env->log->form),
	    .lock_fd = k->env->lock_fd,
	    .fds = k->fds,
	    .fds_n = k->fds_n};
}

static void do_spawn(struct bh_kid *k)
{
	struct bh_life_exit how = {EXIT_OSERR, 0, false};
	struct bh_err err = BH_ERR_INIT;
	struct bh_spawn_request req;
	struct bh_spawned s;
	int rc;

	k->env->ops->prepare(k->env->ctx, k);
	req = request_of(k);
	forget_process(k);
	k->failure[0] = '\0';
	k->spawned_wall_ns = bh_wall_ns(k->env->loop->clock);
	rc = bh_spawn(&req, &s, &how.exec_failed, &err);
	if (rc && s.failed == BH_IDS_NETWORK && k->env->plans) {
		bh_rights_no_network(&k->env->plans->of[k->role]);
		rc = bh_spawn(&req, &s, &how.exec_failed, &err);
	}
	if (rc) {
		how.code = s.failed ? EXIT_NOPERM : EXIT_OSERR;
		bh_error(
		    k->env->log, COMPONENT, "start of %s: %s", bh_role_name(k->role), err.text);
		(void)snprintf(k->failure, sizeof(k->failure), "%s", err.text);
		ended(k, &how);
		return;
	}
	k->pid = s.pid;
	if (watch(k, &s)) {
		(void)kill(s.pid, SIGKILL);
		(void)waitpid(s.pid, NULL, 0);
		bh_loop_close_fd(&k->process);
		ended(k, &how);
		return;
	}
	bh_debug(k->env->log, COMPONENT, "started %s pid=%d generation=%" PRIu32,
	    bh_role_name(k->role), (int)k->pid, k->life.generation);
	k->env->ops->started(k->env->ctx, k);
}

static void act(
    struct bh_kid *k, enum bh_life_action action, int64_t deadline_ns, enum bh_drain_mode mode)
{
	switch (action) {
	case BH_LIFE_DO_SPAWN:
		do_spawn(k);
		break;
	case BH_LIFE_DO_KILL:
		bh_warn(k->env->log, COMPONENT, "killing %s pid=%d cause=%s", bh_role_name(k->role),
		    (int)k->pid, bh_life_cause_name(k->life.killed_for));
		do_kill(k);
		break;
	case BH_LIFE_DO_DRAIN:
		send_drain(k, deadline_ns, mode);
		break;
	case BH_LIFE_DO_EXIT:
		send_plain(k, BH_CTL_EXIT);
		break;
	case BH_LIFE_DO_NOTHING:
		break;
	}
}

void bh_kid_event(
    struct bh_kid *k, enum bh_life_event event, int64_t deadline_ns, enum bh_drain_mode mode)
{
	enum bh_life_state from = k->life.state;
	enum bh_life_action action =
	    bh_life_step(&k->life, event, now(k), BH_LIFE_NEVER, k->env->rng);

	arm(k);
	if (k->life.state != from)
		k->env->ops->changed(k->env->ctx, k, from);
	act(k, action, deadline_ns, mode);
}

static void on_timer(struct bh_timer *t)
{
	bh_kid_event(BH_CONTAINER(t, struct bh_kid, timer), BH_LIFE_EV_TIMER, 0, BH_DRAIN_FULL);
}

/* --- what the child says ---------------------------------------------------------------------- */

#define IN(state) (1u << BH_LIFE_##state)

/* States in which a message is allowed; the late ones of a child that is leaving are dropped. */
static unsigned allowed_in(enum bh_ctl_type type)
{
	switch (type) {
	case BH_CTL_HELLO:
	case BH_CTL_READY:
		return IN(STARTING) | IN(STOPPING);
	case BH_CTL_HEARTBEAT:
	case BH_CTL_STATS_REPLY:
	case BH_CTL_QUERY_ROW:
	case BH_CTL_QUERY_PART:
	case BH_CTL_RELOADED:
	case BH_CTL_AGAIN:
	case BH_CTL_KEY_REFUSED:
		return IN(RUNNING) | IN(DRAINING) | IN(STOPPING);
	case BH_CTL_DRAIN_PROGRESS:
	case BH_CTL_DRAIN_ACK:
		return IN(DRAINING) | IN(STOPPING);
	case BH_CTL_DRAIN:
	case BH_CTL_EXIT:
	case BH_CTL_PEER_STATE:
	case BH_CTL_STATS:
	case BH_CTL_QUERY:
	case BH_CTL_QUERY_ARG:
	case BH_CTL_CAPTURE:
	case BH_CTL_STREAM:
	case BH_CTL_RELOAD:
	case BH_CTL_LOG:
	case BH_CTL_LEDGER:
	case BH_CTL_FIGURES:
		break;
	}
	return 0;
}

static void take_stat(struct bh_kid *k, const struct bh_ctl_msg *m)
{
	/* Late answers to an earlier question are nobody's. */
	if (m->id != 0 && m->id != k->asked_id)
		return;
	if (m->id != k->incoming_id) {
		bh_stat_set_clear(&k->incoming);
		k->incoming_id = m->id;
	}
	if (m->u.stat.type != BH_STAT_END) {
		bh_stat_set_add(&k->incoming, &m->u.stat);
		return;
	}
	bh_stat_set_swap(&k->stats, &k->incoming);
	bh_stat_set_clear(&k->incoming);
	/* Unasked ones are the last of a drain: whoever waits for an answer has it now. */
	k->answered = true;
	k->figures_ns = now(k);
	k->silent = false;
	k->env->ops->stats(k->env->ctx, k);
}

static void take(struct bh_kid *k, const struct bh_ctl_msg *m)
{
	switch (m->type) {
	case BH_CTL_READY:
		k->rights = m->u.rights;
		k->has_rights = true;
		k->env->ops->ready(k->env->ctx, k);
		bh_kid_event(k, BH_LIFE_EV_READY, 0, BH_DRAIN_FULL);
		break;
	case BH_CTL_HEARTBEAT:
	case BH_CTL_DRAIN_PROGRESS:
		k->beat = m->u.heartbeat;
		k->beat_ns = now(k);
		bh_life_beat(&k->life, k->beat_ns);
		arm(k);
		break;
	case BH_CTL_DRAIN_ACK:
		k->drained = m->u.drained;
		k->has_drained = true;
		bh_kid_event(k, BH_LIFE_EV_ACK, 0, BH_DRAIN_FULL);
		k->env->ops->drained(k->env->ctx, k);
		break;
	case BH_CTL_STATS_REPLY:
		take_stat(k, m);
		break;
	case BH_CTL_QUERY_ROW:
		k->env->ops->row(k->env->ctx, k, m->id, &m->u.row);
		break;
	case BH_CTL_QUERY_PART:
		k->env->ops->part(k->env->ctx, k, m->id, m->u.part);
		break;
	case BH_CTL_AGAIN:
		k->env->ops->again(k->env->ctx, k);
		break;
	case BH_CTL_RELOADED:
		k->env->ops->reloaded(k->env->ctx, k, m->id, &m->u.reloaded);
		break;
	case BH_CTL_KEY_REFUSED:
		if (k->role == BH_ROLE_FORWARDER) /* nobody else has one */
			k->env->ops->key_refused(k->env->ctx, k);
		break;
	case BH_CTL_HELLO:
	case BH_CTL_DRAIN:
	case BH_CTL_EXIT:
	case BH_CTL_PEER_STATE:
	case BH_CTL_STATS:
	case BH_CTL_QUERY:
	case BH_CTL_QUERY_ARG:
	case BH_CTL_CAPTURE:
	case BH_CTL_STREAM:
	case BH_CTL_RELOAD:
	case BH_CTL_LOG:
	case BH_CTL_LEDGER:
	case BH_CTL_FIGURES:
		break;
	}
}

static void broken(struct bh_kid *k, const char *why)
{
	bh_error(k->env->log, COMPONENT, "%s pid=%d: %s (state %s)", bh_role_name(k->role),
	    (int)k->pid, why, bh_life_state_name(k->life.state));
	bh_kid_event(k, BH_LIFE_EV_BROKEN, 0, BH_DRAIN_FULL);
}

static void check(struct bh_kid *k, const void *raw, size_t n)
{
	struct bh_ctl_msg m;

	if (k->life.state == BH_LIFE_BACKOFF) /* killed; nothing it said counts any more */
		return;
	if (bh_ctl_decode(raw, n, &m)) {
		broken(k, "a control message does not decode");
		return;
	}
	if ((m.generation != k->life.generation || !is_asked_for(k, &m)) && !spend(k)) {
		broken(k, "sends more messages than it was asked for");
		return;
	}
	if (m.generation != k->life.generation)
		return;
	if (!(allowed_in(m.type) & 1u << k->life.state)) {
		broken(k, "a control message is not allowed now");
		return;
	}
	if (m.type == BH_CTL_HELLO &&
	    (m.u.hello.role != k->role || m.u.hello.pid != (uint32_t)k->pid)) {
		broken(k, "HELLO of another role or process");
		return;
	}
	if (k->life.state != BH_LIFE_STOPPING)
		take(k, &m);
}

/* Reads what is there, up to a bound; true when there may be more. */
static bool read_control(struct bh_kid *k)
{
	char raw[BH_CTL_MSG_MAX + 1];
	uint32_t generation = k->life.generation;

	for (int i = 0; i < MSGS_PER_TURN && k->control.fd >= 0; i++) {
		ssize_t n = recv(k->control.fd, raw, sizeof(raw), MSG_DONTWAIT);

		/* One that closes its end without having read everything of ours gives a reset
		 * once, before what it said last. */
		if (n < 0 && (errno == EINTR || errno == ECONNRESET))
			continue;
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n <= 0) {
			/* Its death follows as an event of its own; a live one that closed the
			 * channel misses its heartbeats. */
			bh_loop_close_fd(&k->control);
			return false;
		}
		check(k, raw, (size_t)n);
		if (k->life.generation != generation)
			return false;
	}
	return k->control.fd >= 0;
}

static void on_control(struct bh_watch *w, unsigned events)
{
	(void)events;
	(void)read_control(BH_CONTAINER(w, struct bh_kid, control));
}

void bh_kid_reap(struct bh_kid *k)
{
	struct bh_life_exit how = {-1, 0, false};
	siginfo_t si = {0};

	if (k->process.fd < 0 ||
	    waitid(P_PIDFD, (id_t)k->process.fd, &si, WEXITED | WNOHANG | WNOWAIT) < 0 ||
	    si.si_pid == 0)
		return;
	/* Not reaped yet, it keeps its number: the group is its own, and nobody of it stays. */
	(void)kill(-k->pid, SIGKILL);
	if (waitid(P_PIDFD, (id_t)k->process.fd, &si, WEXITED | WNOHANG) < 0)
		return;
	/* Its last words, an acknowledgement perhaps, are still in the socket. A process that it
	 * left behind may hold the other end and go on: what the channel held is enough. */
	for (int i = 0; i < LAST_TURNS && read_control(k); i++)
		continue;
	if (si.si_code == CLD_EXITED)
		how.code = si.si_status;
	else
		how.signal = si.si_status;
	bh_loop_close_fd(&k->process);
	bh_loop_close_fd(&k->control);
	ended(k, &how);
}

static void on_process(struct bh_watch *w, unsigned events)
{
	(void)events;
	bh_kid_reap(BH_CONTAINER(w, struct bh_kid, process));
}

bool bh_kid_ask(struct bh_kid *k, uint32_t id)
{
	struct bh_ctl_msg m = {.type = BH_CTL_STATS, .id = id};

	if (k->has_drained)
		return false;
	if (k->answered)
		k->figures_left = BH_MIN(k->figures_left + FIGURES_MORE, (int64_t)FIGURES_MAX);
	k->answered = false;
	if (k->life.state != BH_LIFE_RUNNING && k->life.state != BH_LIFE_DRAINING)
		return false;
	if (k->control.fd < 0)
		return false;
	k->asked_id = id;
	send_msg(k, &m);
	return true;
}

bool bh_kid_signal(struct bh_kid *k, int signo)
{
	return k->pid && k->process.fd >= 0 &&
	       syscall(SYS_pidfd_send_signal, k->process.fd, signo, NULL, 0) == 0;
}

void bh_kid_peer_state(struct bh_kid *k, enum bh_role peer, bool running)
{
	struct bh_ctl_msg m = {.type = BH_CTL_PEER_STATE};

	m.u.peer.role = peer;
	m.u.peer.running = running;
	if (k->life.alive)
		send_msg(k, &m);
}

bool bh_kid_query(struct bh_kid *k, const struct bh_kid_query *q)
{
	struct bh_ctl_msg m = {.type = BH_CTL_QUERY, .id = q->id};
	struct bh_str left = q->arg;

	if (k->life.state != BH_LIFE_RUNNING || k->control.fd < 0)
		return false;
	while (left.n) {
		struct bh_ctl_msg arg = {.type = BH_CTL_QUERY_ARG, .id = q->id};
		size_t n = BH_MIN(left.n, (size_t)BH_CTL_PART_MAX);

		arg.u.part = (struct bh_str){left.p, n};
		if (!send_with_fd(k, &arg, -1))
			return false;
		left = (struct bh_str){left.p + n, left.n - n};
	}
	m.u.query.what = q->what;
	m.u.query.limit = q->limit;
	k->rows_left = ROWS_MAX;
	return send_with_fd(k, &m, q->fd);
}

bool bh_kid_capture(struct bh_kid *k, int fd, uint32_t seconds)
{
	struct bh_ctl_msg m = {.type = BH_CTL_CAPTURE};

	if (k->life.state != BH_LIFE_RUNNING || k->control.fd < 0)
		return false;
	m.u.capture_seconds = seconds;
	return send_with_fd(k, &m, fd);
}

bool bh_kid_stream(struct bh_kid *k, int fd, const struct bh_stream_filter *filter)
{
	struct bh_ctl_msg m = {.type = BH_CTL_STREAM};

	if (k->life.state != BH_LIFE_RUNNING || k->control.fd < 0)
		return false;
	m.u.stream = *filter;
	return send_with_fd(k, &m, fd);
}

bool bh_kid_reload(struct bh_kid *k, uint32_t id)
{
	struct bh_ctl_msg m = {.type = BH_CTL_RELOAD, .id = id};

	if (k->life.state != BH_LIFE_RUNNING || k->control.fd < 0)
		return false;
	return send_with_fd(k, &m, k->config_fd);
}

bool bh_kid_log(struct bh_kid *k, int fd)
{
	struct bh_ctl_msg m = {.type = BH_CTL_LOG};

	return k->control.fd >= 0 && send_with_fd(k, &m, fd);
}

bool bh_kid_tell(struct bh_kid *k, enum bh_ctl_type type, struct bh_str part)
{
	struct bh_ctl_msg m = {.type = type};

	if (!k->life.alive || k->control.fd < 0)
		return false;
	m.u.part = part;
	return send_with_fd(k, &m, -1);
}
