#include "common/child_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/pass_fd.h"
#include "common/procmem.h"

#define BEAT_NS         (5 * BH_NS_PER_S)
#define ORPHAN_DRAIN_NS (10 * BH_NS_PER_S)
#define ORPHAN_GRACE_NS (2 * BH_NS_PER_S)
#define ORPHAN_SPOOL_NS (4 * BH_NS_PER_S) /* what a forwarder keeps for its own part */
#define ORPHAN_POLL_NS  (200 * BH_NS_PER_MS)
#define COMPONENT       "child"

static struct bh_child *of_control(struct bh_watch *w)
{
	return BH_CONTAINER(w, struct bh_child, control);
}

static void send_msg(struct bh_child *c, const struct bh_ctl_msg *m)
{
	struct bh_buf out = BH_BUF_INIT;

	if (c->orphan)
		return;
	/* Blocking: the supervisor reads always; an orphan's channel fails with EPIPE. */
	if (bh_ctl_encode(m, &out) == 0 &&
	    send(BH_CHILD_FD_CONTROL, out.data, out.len, MSG_NOSIGNAL) < 0 && errno != EPIPE)
		bh_warn(&c->log, COMPONENT, "control channel: %s", strerror(errno));
	bh_buf_release(&out);
}

static struct bh_ctl_msg message(const struct bh_child *c, enum bh_ctl_type type)
{
	struct bh_ctl_msg m;

	memset(&m, 0, sizeof(m));
	m.type = type;
	m.generation = c->generation;
	return m;
}

static void beat(struct bh_timer *t)
{
	struct bh_child *c = BH_CONTAINER(t, struct bh_child, beat);
	struct bh_ctl_msg m = message(c, BH_CTL_HEARTBEAT);

	m.u.heartbeat.rss_kib = bh_proc_rss_of(c->memory_fd);
	c->ops->heartbeat(c->ctx, &m.u.heartbeat);
	send_msg(c, &m);
	bh_timer_in(&c->loop, &c->beat, BEAT_NS, beat);
}

static void answer_stats(struct bh_child *c, uint32_t id)
{
	struct bh_ctl_msg m = message(c, BH_CTL_STATS_REPLY);

	c->stats_id = id;
	c->ops->stats(c->ctx, c);
	m.id = id;
	m.u.stat.type = BH_STAT_END;
	send_msg(c, &m);
}

static void start_drain(struct bh_child *c, int64_t limit_ns, enum bh_drain_mode mode)
{
	c->draining = true;
	c->ops->drain(c->ctx, bh_mono_ns(&bh_clock_system) + limit_ns, mode);
}

static void leave(struct bh_child *c, int exit_code)
{
	c->exit_code = exit_code;
	bh_loop_stop(&c->loop);
}

static void take_arg(struct bh_child *c, uint32_t id, struct bh_str part)
{
	if (id != c->arg_id)
		bh_buf_clear(&c->arg);
	c->arg_id = id;
	if (c->arg.len + part.n <= BH_CTL_ARG_MAX)
		(void)bh_buf_append(&c->arg, part.p, part.n);
	else
		c->arg.failed = BH_E_LIMIT;
}

static void answer_query(struct bh_child *c, const struct bh_ctl_msg *m, int fd)
{
	struct bh_child_query q = {
	    .id = m->id, .what = m->u.query.what, .limit = m->u.query.limit, .fd = fd};

	if (m->id != c->arg_id)
		bh_buf_clear(&c->arg);
	q.arg = bh_buf_view(&c->arg);
	if (bh_buf_failed(&c->arg))
		bh_child_row(c, m->id, BH_ROW_END, "", "the argument is too long", 0, 0);
	else if (c->ops->query)
		c->ops->query(c->ctx, &q);
	else
		bh_child_row(c, m->id, BH_ROW_END, "", "nothing to ask for", 0, 0);
	bh_buf_clear(&c->arg);
}

static void reload(struct bh_child *c, uint32_t id, int fd)
{
	struct bh_ctl_msg m = message(c, BH_CTL_RELOADED);
	struct bh_err err = BH_ERR_INIT;
	struct bh_config next;

	m.id = id;
	bh_config_defaults(&next);
	/* What does not decode the next start will say better. */
	m.u.reloaded.restart =
	    !c->ops->reload || c->draining || bh_child_read_config(&next, fd, &err) != 0;
	if (!m.u.reloaded.restart)
		c->ops->reload(c->ctx, &next, &m.u.reloaded);
	bh_config_release(&next);
	send_msg(c, &m);
}

static void handle(struct bh_child *c, const struct bh_ctl_msg *m, int *fd)
{
	switch (m->type) {
	case BH_CTL_DRAIN:
		if (!c->drained)
			start_drain(c, m->u.drain.deadline_ms * BH_NS_PER_MS, m->u.drain.mode);
		break;
	case BH_CTL_EXIT:
		if (c->ops->exit)
			c->ops->exit(c->ctx);
		leave(c, BH_EXIT_OK);
		break;
	case BH_CTL_PEER_STATE:
		if (c->ops->peer_state)
			c->ops->peer_state(c->ctx, m->u.peer.role, m->u.peer.running);
		break;
	case BH_CTL_STATS:
		answer_stats(c, m->id);
		break;
	case BH_CTL_QUERY:
		answer_query(c, m, *fd);
		break;
	case BH_CTL_QUERY_ARG:
		take_arg(c, m->id, m->u.part);
		break;
	case BH_CTL_CAPTURE:
		if (c->ops->capture && *fd >= 0) {
			c->ops->capture(c->ctx, *fd, m->u.capture_seconds);
			*fd = -1;
		}
		break;
	case BH_CTL_STREAM:
		if (c->ops->stream && *fd >= 0) {
			c->ops->stream(c->ctx, *fd, &m->u.stream);
			*fd = -1;
		}
		break;
	case BH_CTL_RELOAD:
		reload(c, m->id, *fd);
		break;
	case BH_CTL_AGAIN:
	case BH_CTL_LOG:
		if (*fd >= 0 && (dup2(*fd, STDOUT_FILENO) < 0 || dup2(*fd, STDERR_FILENO) < 0))
			bh_warn(&c->log, COMPONENT, "take the new log: %s", strerror(errno));
		break;
	case BH_CTL_LEDGER:
		if (c->ops->ledger)
			c->ops->ledger(c->ctx, m->u.part);
		break;
	case BH_CTL_FIGURES:
		if (c->ops->figures)
			c->ops->figures(c->ctx, m->u.part);
		break;
	case BH_CTL_RELOADED:
	case BH_CTL_KEY_REFUSED:
	case BH_CTL_HELLO:
	case BH_CTL_READY:
	case BH_CTL_HEARTBEAT:
	case BH_CTL_DRAIN_PROGRESS:
	case BH_CTL_DRAIN_ACK:
	case BH_CTL_STATS_REPLY:
	case BH_CTL_QUERY_ROW:
	case BH_CTL_QUERY_PART:
		bh_warn(&c->log, COMPONENT, "message %d is not for a child", (int)m->type);
		break;
	}
}

static void orphan_end(struct bh_timer *t)
{
	leave(BH_CONTAINER(t, struct bh_child, beat), BH_EXIT_UNPROVEN);
}

static void orphan_drain(struct bh_child *c)
{
	/* Nobody is left to kill a drain that does not end. */
	bh_timer_at(&c->loop, &c->beat, c->orphan_until_ns + ORPHAN_GRACE_NS, orphan_end);
	start_drain(c, BH_MAX(c->orphan_until_ns - bh_mono_ns(&bh_clock_system), 0), BH_DRAIN_FULL);
}

/* The order of a stop holds without a supervisor too: a forwarder that left at once would take the
 * producers' acknowledgements with it. */
static void orphan_wait(struct bh_timer *t)
{
	struct bh_child *c = BH_CONTAINER(t, struct bh_child, beat);
	struct bh_ctl_heartbeat hb = {0};

	c->ops->heartbeat(c->ctx, &hb);
	if (hb.link_up && bh_mono_ns(&bh_clock_system) < c->orphan_until_ns - ORPHAN_SPOOL_NS)
		bh_timer_in(&c->loop, &c->beat, ORPHAN_POLL_NS, orphan_wait);
	else
		orphan_drain(c);
}

static void become_orphan(struct bh_child *c)
{
	bh_loop_del_fd(&c->control);
	if (c->orphan)
		return;
	bh_warn(&c->log, COMPONENT, "the supervisor is gone; draining for at most 10 s");
	c->orphan = true;
	c->orphan_until_ns = bh_mono_ns(&bh_clock_system) + ORPHAN_DRAIN_NS;
	if (c->drained)
		leave(c, BH_EXIT_UNPROVEN);
	else if (c->role == BH_ROLE_FORWARDER && !c->draining)
		bh_timer_in(&c->loop, &c->beat, ORPHAN_POLL_NS, orphan_wait);
	else
		orphan_drain(c);
}

static void take_message(struct bh_child *c, const char *raw, size_t n, int *fd)
{
	struct bh_ctl_msg m;

	if (bh_ctl_decode(raw, n, &m)) {
		bh_error(&c->log, COMPONENT, "control message of %zu bytes does not decode", n);
		leave(c, BH_EXIT_CONFIG);
	} else if (m.generation == c->generation) {
		handle(c, &m, fd);
	}
}

static void on_control(struct bh_watch *w, unsigned events)
{
	struct bh_child *c = of_control(w);
	char raw[BH_CTL_MSG_MAX + 1];
	int fd = -1;
	ssize_t n = bh_pass_fd_receive(w->fd, raw, sizeof(raw), &fd, MSG_DONTWAIT);

	(void)events;
	if (n == -EAGAIN)
		return;
	if (n <= 0) {
		become_orphan(c);
		return;
	}
	take_message(c, raw, (size_t)n, &fd);
	if (fd >= 0)
		(void)close(fd);
}

static void on_signal(struct bh_watch *w, unsigned events)
{
	struct bh_child *c = BH_CONTAINER(w, struct bh_child, signals);
	struct signalfd_siginfo si;

	(void)events;
	while (read(w->fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo == SIGQUIT) {
			leave(c, 128 + SIGQUIT);
		} else if (!c->term_logged && (si.ssi_signo == SIGTERM || si.ssi_signo == SIGINT)) {
			c->term_logged = true;
			bh_info(&c->log, COMPONENT,
			    "signal %u ignored: a stop is commanded by the supervisor",
			    si.ssi_signo);
		}
	}
}

static int watch_signals(struct bh_child *c)
{
	sigset_t set;
	int fd, rc;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGQUIT);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	rc = bh_loop_add_fd(&c->loop, &c->signals, fd, BH_LOOP_READ, on_signal);
	if (rc)
		(void)close(fd);
	return rc;
}

int bh_child_start(struct bh_child *c, const struct bh_child_ops *ops, void *ctx)
{
	struct bh_ctl_msg m = message(c, BH_CTL_HELLO);
	int rc;

	c->ops = ops;
	c->ctx = ctx;
	rc = watch_signals(c);
	if (!rc)
		rc = bh_loop_add_fd(
		    &c->loop, &c->control, BH_CHILD_FD_CONTROL, BH_LOOP_READ, on_control);
	if (rc)
		return rc;
	m.u.hello.role = c->role;
	m.u.hello.pid = (uint32_t)getpid();
	send_msg(c, &m);
	return 0;
}

void bh_child_key_refused(struct bh_child *c)
{
	struct bh_ctl_msg m = message(c, BH_CTL_KEY_REFUSED);

	send_msg(c, &m);
}

void bh_child_ready(struct bh_child *c)
{
	struct bh_ctl_msg m = message(c, BH_CTL_READY);

	if (c->orphan)
		return;
	m.u.rights = c->rights;
	send_msg(c, &m);
	beat(&c->beat);
}

void bh_child_again(struct bh_child *c)
{
	struct bh_ctl_msg m = message(c, BH_CTL_AGAIN);

	send_msg(c, &m);
}

int bh_child_run(struct bh_child *c)
{
	int rc = bh_loop_run(&c->loop);

	if (rc) {
		bh_error(&c->log, COMPONENT, "event loop: %s", bh_err_name(rc));
		c->exit_code = BH_EXIT_INTERNAL;
	}
	/* An orphan is drained and has nobody to end it, should a library not let go. */
	if (c->orphan)
		_exit(c->exit_code);
	return c->exit_code;
}

void bh_child_fail(struct bh_child *c, int exit_code)
{
	leave(c, exit_code);
}

void bh_child_drained(struct bh_child *c, const struct bh_ctl_drained *d)
{
	struct bh_ctl_msg m = message(c, BH_CTL_DRAIN_ACK);

	if (c->drained)
		return;
	c->drained = true;
	if (c->orphan) {
		leave(c, BH_EXIT_UNPROVEN);
		return;
	}
	answer_stats(c, 0);
	m.u.drained = *d;
	send_msg(c, &m);
}

void bh_child_progress(struct bh_child *c, uint64_t items, uint64_t bytes)
{
	struct bh_ctl_msg m = message(c, BH_CTL_DRAIN_PROGRESS);

	m.u.heartbeat.pending_items = items;
	m.u.heartbeat.pending_bytes = bytes;
	m.u.heartbeat.rss_kib = bh_proc_rss_of(c->memory_fd);
	send_msg(c, &m);
}

void bh_child_stat_ledger(struct bh_child *c, enum bh_ledger_kind kind, const char *name, size_t n,
    const struct bh_ledger *l)
{
	struct bh_ctl_msg m = message(c, BH_CTL_STATS_REPLY);

	m.id = c->stats_id;
	m.u.stat.type = BH_STAT_LEDGER;
	bh_ledger_row_set(&m.u.stat.row, kind, name, n, l);
	send_msg(c, &m);
}

void bh_child_stat_kept(struct bh_child *c, const struct bh_ledger_row *row)
{
	struct bh_ctl_msg m = message(c, BH_CTL_STATS_REPLY);

	m.id = c->stats_id;
	m.u.stat.type = BH_STAT_KEPT;
	m.u.stat.row = *row;
	send_msg(c, &m);
}

static void set_name(struct bh_stat *s, const char *name)
{
	(void)snprintf(s->name, sizeof(s->name), "%s", name);
}

void bh_child_stat_number(struct bh_child *c, const char *name, uint64_t v)
{
	struct bh_ctl_msg m = message(c, BH_CTL_STATS_REPLY);

	m.id = c->stats_id;
	m.u.stat.type = BH_STAT_NUMBER;
	m.u.stat.number = v;
	set_name(&m.u.stat, name);
	send_msg(c, &m);
}

void bh_child_stat_note(struct bh_child *c, const char *name, const char *fmt, ...)
{
	struct bh_ctl_msg m = message(c, BH_CTL_STATS_REPLY);
	va_list ap;

	m.id = c->stats_id;
	m.u.stat.type = BH_STAT_NOTE;
	set_name(&m.u.stat, name);
	va_start(ap, fmt);
	(void)vsnprintf(m.u.stat.text, sizeof(m.u.stat.text), fmt, ap);
	va_end(ap);
	send_msg(c, &m);
}

void bh_child_release(struct bh_child *c)
{
	for (size_t i = 0; i < c->fds_n; i++) {
		if (c->fds[i].fd >= 0)
			(void)close(c->fds[i].fd);
		free(c->fds[i].name);
	}
	bh_timer_cancel(&c->beat);
	bh_loop_del_fd(&c->control);
	bh_loop_close_fd(&c->signals);
	if (c->memory_fd >= 0)
		(void)close(c->memory_fd);
	bh_loop_release(&c->loop);
	bh_buf_release(&c->arg);
	bh_config_release(&c->config);
}

void bh_child_row(struct bh_child *c, uint32_t id, enum bh_query_row_kind kind, const char *name,
    const char *text, uint64_t count, int64_t at)
{
	struct bh_ctl_msg m = message(c, BH_CTL_QUERY_ROW);

	m.id = id;
	m.u.row.kind = kind;
	(void)snprintf(m.u.row.name, sizeof(m.u.row.name), "%s", name);
	(void)snprintf(m.u.row.text, sizeof(m.u.row.text), "%s", text);
	m.u.row.count = count;
	m.u.row.at = at;
	send_msg(c, &m);
}

void bh_child_record(struct bh_child *c, uint32_t id, struct bh_str record)
{
	struct bh_ctl_msg m = message(c, BH_CTL_QUERY_PART);

	m.id = id;
	while (record.n) {
		m.u.part = (struct bh_str){record.p, BH_MIN(record.n, (size_t)BH_CTL_PART_MAX)};
		send_msg(c, &m);
		record = (struct bh_str){record.p + m.u.part.n, record.n - m.u.part.n};
	}
}
