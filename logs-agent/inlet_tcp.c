/* TCP sources (spec/logs.md §11.1): each connection is a tailer of its own. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "logs-agent/inlet_internal.h"

#define READS_PER_TURN   16
#define ACCEPTS_PER_TURN 64
#define ACCEPT_PAUSE_NS  BH_NS_PER_S /* after the system was short of descriptors or memory */
/* A drain reads what came before it, and so much of what its reading lets the peer send. */
#define DRAIN_MORE    ((size_t)1 << 20)
#define IDLE_PAUSE_NS BH_NS_PER_S /* silence is not judged while nothing is read */

struct bh_conn {
	struct bh_port port;
	struct bh_tcp *tcp;
	struct bh_conn *older, *newer; /* by the last byte */
	struct bh_lane lane;
	size_t drain_left; /* bytes that a drain may still read */
	bool syslog;
	union {
		struct bh_framer lines;
		struct bh_syslog_framer syslog;
	} framer;
};

struct bh_tcp {
	struct bh_tcp *next;
	struct bh_inlet in;
	int fd;        /* listens; owned */
	int connected; /* owned: the one connection, before it is read; -1 = none */
	struct bh_watch watch;
	struct bh_timer again; /* accepts again */
	struct bh_timer idle;
	struct bh_conn *oldest, *newest;
	unsigned n;
};

/* --- one connection -----------------------------------------------------------------------------
 */

static void unlink_conn(struct bh_conn *c)
{
	struct bh_tcp *t = c->tcp;

	*(c->older ? &c->older->newer : &t->oldest) = c->newer;
	*(c->newer ? &c->newer->older : &t->newest) = c->older;
}

static void append_conn(struct bh_conn *c)
{
	struct bh_tcp *t = c->tcp;

	c->newer = NULL;
	c->older = t->newest;
	*(t->newest ? &t->newest->newer : &t->oldest) = c;
	t->newest = c;
}

static void close_conn(struct bh_conn *c)
{
	struct bh_tcp *t = c->tcp;

	bh_port_close(&c->port);
	if (c->syslog)
		bh_syslog_framer_release(&c->framer.syslog);
	else
		bh_framer_release(&c->framer.lines);
	bh_inlet_lane_end(t->in.all, &c->lane);
	unlink_conn(c);
	t->n--;
	t->in.all->connections--;
	free(c);
}

static int feed(struct bh_conn *c, const char *p, size_t n)
{
	return c->syslog ? bh_syslog_framer_feed(&c->framer.syslog, p, n, bh_lane_frame, &c->lane)
			 : bh_framer_feed(&c->framer.lines, p, n, bh_lane_frame, &c->lane);
}

static bool is_unfinished(const struct bh_conn *c)
{
	const struct bh_syslog_framer *f = &c->framer.syslog;

	if (!c->syslog)
		return c->framer.lines.rest.len > 0;
	return f->rest.len || f->digits_n || f->state == BH_SYSLOG_COUNTED;
}

/* The peer closed, or was silent too long, or we stop: what it began is all there will be. */
static void end_conn(struct bh_conn *c)
{
	int rc = c->syslog ? bh_syslog_framer_end(&c->framer.syslog, bh_lane_frame, &c->lane)
			   : bh_framer_end(&c->framer.lines, bh_lane_frame, &c->lane);

	if (rc)
		bh_lane_reset(&c->lane, rc);
	bh_inlet_flush(&c->lane);
	close_conn(c);
}

/* A line that a reset cut may be any part of one: it is not sent. Those before it are. */
static void break_conn(struct bh_conn *c)
{
	struct bh_ledger *l = &c->tcp->in.source->l;

	c->tcp->in.all->resets++;
	if (is_unfinished(c)) {
		l->received++;
		bh_ledger_drop(l, BH_DROP_UNTERMINATED, 1);
	}
	bh_inlet_flush(&c->lane);
	close_conn(c);
}

enum outcome {
	GOT,    /* bytes, and there may be more */
	EMPTY,  /* nothing more now */
	CLOSED, /* c is gone */
};

static enum outcome take(struct bh_conn *c, size_t n)
{
	int rc = feed(c, c->tcp->in.all->buffer, n);

	c->lane.last_ns = bh_inlet_now();
	unlink_conn(c);
	append_conn(c);
	if (rc) {
		bh_lane_reset(&c->lane, rc);
		close_conn(c);
		return CLOSED;
	}
	return GOT;
}

static enum outcome read_once(struct bh_conn *c, size_t most)
{
	struct bh_inlets *all = c->tcp->in.all;
	ssize_t n;

	do {
		n = recv(c->port.fd, all->buffer, BH_MIN(most, all->buffer_size), MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n > 0)
		return take(c, (size_t)n);
	if (n < 0 && errno == EAGAIN)
		return EMPTY;
	if (n == 0)
		end_conn(c);
	else
		break_conn(c);
	return CLOSED;
}

/* Whether bytes came. */
static enum outcome read_turn(struct bh_conn *c)
{
	struct bh_inlets *all = c->tcp->in.all;
	enum outcome first = read_once(c, SIZE_MAX), o = first;

	for (int i = 1; i < READS_PER_TURN && o == GOT && bh_logs_may_read(all->logs); i++)
		o = read_once(c, SIZE_MAX);
	if (o == CLOSED)
		return CLOSED;
	bh_inlet_fed(all, &c->lane);
	return first;
}

static void on_readable(struct bh_port *p)
{
	(void)read_turn(BH_CONTAINER(p, struct bh_conn, port));
}

/* --- silence ------------------------------------------------------------------------------------
 */

static void on_idle(struct bh_timer *timer);

/* last_ns: of the connection that is silent for longest. */
static void arm_idle(struct bh_tcp *t, int64_t last_ns)
{
	int64_t limit = t->in.source->cfg->idle_timeout_ns;

	if (limit > 0 && t->n > 0)
		bh_timer_at(&t->in.all->logs->child->loop, &t->idle, last_ns + limit, on_idle);
}

/* Bytes may wait in a socket that is not read: it is not silent. */
static void put_off(struct bh_tcp *t)
{
	int64_t from = bh_inlet_now() + IDLE_PAUSE_NS - t->in.source->cfg->idle_timeout_ns;

	for (struct bh_conn *c = t->oldest; c && c->lane.last_ns < from; c = c->newer)
		c->lane.last_ns = from;
	arm_idle(t, from);
}

static void on_idle(struct bh_timer *timer)
{
	struct bh_tcp *t = BH_CONTAINER(timer, struct bh_tcp, idle);
	int64_t now = bh_inlet_now(), due = now - t->in.source->cfg->idle_timeout_ns;
	struct bh_conn *c = t->oldest;

	if (!bh_logs_may_read(t->in.all->logs)) {
		put_off(t);
		return;
	}
	while (c && c->lane.last_ns <= due) {
		struct bh_conn *next = c->newer;

		/* Its bytes may have come in this very turn, or while nothing was read. */
		if (read_turn(c) == EMPTY)
			end_conn(c);
		c = next;
	}
	/* Those passed over that are still there were heard of just now. */
	arm_idle(t, c ? c->lane.last_ns : now);
}

/* --- accepting ----------------------------------------------------------------------------------
 */

/* Why a connection is not taken; NULL: it is. */
static const char *refusal(const struct bh_tcp *t, const struct bh_ip *from)
{
	const struct bh_log_source *cfg = t->in.source->cfg;

	if (!bh_ip_filter_admits(&t->in.filter, from))
		return "its address is not allowed";
	if (cfg->max_connections > 0 && t->n >= cfg->max_connections)
		return "max_connections is reached";
	if (t->in.all->connections >= t->in.all->connections_max)
		return "there are too many connections in all";
	return NULL;
}

static int open_conn(struct bh_tcp *t, int fd, const struct bh_ip *from)
{
	struct bh_inlets *all = t->in.all;
	struct bh_source *s = t->in.source;
	struct bh_conn *c = calloc(1, sizeof(*c));
	int on = 1, rc = c ? bh_inlet_lane(&t->in, &c->lane, from) : -ENOMEM;

	if (rc) {
		free(c);
		return rc;
	}
	rc = bh_port_open(&c->port, all, fd, on_readable);
	if (rc) {
		bh_inlet_lane_end(all, &c->lane);
		free(c);
		return rc;
	}
	if (from)
		(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	c->tcp = t;
	c->syslog = s->format == BH_FORMAT_SYSLOG;
	if (c->syslog)
		bh_syslog_framer_init(&c->framer.syslog, s->limit);
	else
		bh_framer_init(&c->framer.lines, bh_charset_unit(s->decoder.charset), s->limit);
	append_conn(c);
	t->n++;
	all->connections++;
	all->accepted++;
	if (!bh_timer_armed(&t->idle))
		arm_idle(t, c->lane.last_ns);
	return 0;
}

static void welcome(struct bh_tcp *t, int fd, const struct sockaddr_storage *sa)
{
	struct bh_inlets *all = t->in.all;
	const char *why;
	char text[BH_IP_TEXT];
	struct bh_ip from;
	int rc = 0;

	(void)bh_ip_from(sa, &from);
	why = refusal(t, &from);
	if (!why)
		rc = open_conn(t, fd, &from);
	if (!why && !rc)
		return;
	(void)close(fd);
	all->rejected++;
	bh_ip_text(&from, text);
	bh_log_limited(&all->logs->child->log, &all->rejected_limit, BH_LOG_WARN, BH_INLET,
	    "tcp port %" PRIu16 ": a connection from %s is closed: %s", t->in.source->cfg->port,
	    text, why ? why : bh_err_name(rc));
}

static void on_connection(struct bh_watch *w, unsigned events);

static void accept_again(struct bh_timer *timer)
{
	struct bh_tcp *t = BH_CONTAINER(timer, struct bh_tcp, again);
	struct bh_loop *loop = &t->in.all->logs->child->loop;

	if (bh_loop_add_fd(loop, &t->watch, t->fd, BH_LOOP_READ, on_connection))
		bh_timer_in(loop, timer, ACCEPT_PAUSE_NS, accept_again);
}

/* The connection stays in the backlog, and the socket readable: look again later. */
static void pause_accepting(struct bh_tcp *t, int error)
{
	struct bh_inlets *all = t->in.all;

	bh_log_limited(&all->logs->child->log, &all->error_limit, BH_LOG_WARN, BH_INLET,
	    "tcp port %" PRIu16 ": accept: %s; connections wait", t->in.source->cfg->port,
	    bh_err_name(-error));
	bh_loop_del_fd(&t->watch);
	bh_timer_in(&all->logs->child->loop, &t->again, ACCEPT_PAUSE_NS, accept_again);
}

static bool is_short(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static void on_connection(struct bh_watch *w, unsigned events)
{
	struct bh_tcp *t = BH_CONTAINER(w, struct bh_tcp, watch);

	(void)events;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		struct sockaddr_storage sa = {0};
		socklen_t n = sizeof(sa);
		int fd = accept4(t->fd, (struct sockaddr *)&sa, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			welcome(t, fd, &sa);
			continue;
		}
		if (errno == EAGAIN)
			return;
		if (is_short(errno)) {
			pause_accepting(t, errno);
			return;
		}
		/* Any other error is of a connection that was gone before it was taken. */
	}
}

/* --- all of them --------------------------------------------------------------------------------
 */

int bh_tcp_add(struct bh_inlets *all, struct bh_source *source, int fd, bool connected)
{
	struct bh_tcp *t = calloc(1, sizeof(*t));
	int rc = t ? bh_inlet_init(&t->in, all, source) : -ENOMEM;

	if (rc) {
		(void)close(fd);
		free(t);
		return rc;
	}
	t->fd = connected ? -1 : fd;
	t->connected = connected ? fd : -1;
	t->watch.fd = -1;
	t->next = all->tcp;
	all->tcp = t;
	return 0;
}

/* What cannot be opened for want of memory is lost with the process; a fresh one has the socket. */
static void open_connected(struct bh_tcp *t)
{
	int fd = t->connected;

	t->connected = -1;
	if (fd < 0 || open_conn(t, fd, NULL) == 0)
		return;
	(void)close(fd);
	bh_child_fail(t->in.all->logs->child, BH_EXIT_INTERNAL);
}

void bh_tcp_start(struct bh_inlets *all)
{
	for (struct bh_tcp *t = all->tcp; t; t = t->next) {
		if (t->fd >= 0)
			accept_again(&t->again);
		open_connected(t);
	}
}

/* What the receive buffer holds now. */
static size_t held_by_kernel(int fd)
{
	int n = 0;

	return ioctl(fd, FIONREAD, &n) == 0 && n > 0 ? (size_t)n : 0;
}

static void stop_accepting(struct bh_tcp *t)
{
	bh_loop_del_fd(&t->watch);
	bh_timer_cancel(&t->again);
	bh_timer_cancel(&t->idle);
}

/* From now on it is read by the drain only. */
static void stop_conns(struct bh_tcp *t)
{
	for (struct bh_conn *c = t->oldest; c; c = c->newer) {
		bh_port_pause(&c->port);
		c->drain_left = held_by_kernel(c->port.fd) + DRAIN_MORE;
	}
}

void bh_tcp_stop(struct bh_inlets *all)
{
	for (struct bh_tcp *t = all->tcp; t; t = t->next) {
		stop_accepting(t);
		open_connected(t);
		stop_conns(t);
	}
}

/* One read of the connection, or its end (true). */
static bool drain_conn(struct bh_conn *c)
{
	size_t part = BH_MIN(c->drain_left, c->tcp->in.all->buffer_size);
	enum outcome o = part ? read_once(c, part) : EMPTY;

	if (o == GOT)
		c->drain_left -= part;
	if (o == EMPTY)
		end_conn(c);
	return o != GOT;
}

static bool drain_source(struct bh_tcp *t)
{
	for (struct bh_conn *c = t->oldest, *next; c; c = next) {
		bool gone = false;

		next = c->newer;
		while (!gone && bh_inlet_has_room(t->in.all))
			gone = drain_conn(c);
		if (!gone)
			return false;
	}
	return true;
}

bool bh_tcp_drain(struct bh_inlets *all)
{
	for (struct bh_tcp *t = all->tcp; t; t = t->next) {
		if (!drain_source(t))
			return false;
	}
	return true;
}

static void free_one(struct bh_tcp *t)
{
	stop_accepting(t);
	for (struct bh_conn *c = t->oldest, *next; c; c = next) {
		next = c->newer;
		close_conn(c);
	}
	bh_inlet_release(&t->in);
	if (t->fd >= 0)
		(void)close(t->fd);
	if (t->connected >= 0)
		(void)close(t->connected);
	free(t);
}

void bh_tcp_free(struct bh_inlets *all)
{
	while (all->tcp) {
		struct bh_tcp *t = all->tcp;

		all->tcp = t->next;
		free_one(t);
	}
}

/* --- leaving ------------------------------------------------------------------------------------
 */

static struct bh_tcp *of_source(const struct bh_inlets *all, const struct bh_source *source)
{
	struct bh_tcp *t = all->tcp;

	while (t && t->in.source != source)
		t = t->next;
	return t;
}

bool bh_tcp_has(const struct bh_inlets *all, const struct bh_source *source)
{
	return of_source(all, source) != NULL;
}

int bh_tcp_leave(struct bh_inlets *all, const struct bh_source *source, struct bh_source *heir)
{
	struct bh_tcp *t = of_source(all, source);
	int rc = 0;

	stop_accepting(t);
	if (heir)
		rc = bh_tcp_add(all, heir, t->fd, false);
	else
		(void)close(t->fd);
	t->fd = -1;
	if (heir && !rc)
		accept_again(&of_source(all, heir)->again);
	t->in.leaving = true;
	stop_conns(t);
	return rc;
}

void bh_tcp_go_on_leaving(struct bh_inlets *all)
{
	struct bh_tcp **at = &all->tcp;

	while (*at) {
		struct bh_tcp *t = *at;

		if (!t->in.leaving || !drain_source(t)) {
			at = &t->next;
			continue;
		}
		t->in.source->busy = false;
		*at = t->next;
		free_one(t);
	}
}
