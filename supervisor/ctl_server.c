#include "supervisor/ctl_server.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/jsonw.h"

#define COMPONENT      "ctl"
#define READERS        "bulkhead" /* the group */
#define BACKLOG        64
#define CONNS_PER_UID  8
#define READER_CONNS   16 /* of BH_CTL_CONNS: readers never keep root out */
#define WINDOW_NS      (100 * BH_NS_PER_MS)
#define TAKEN_A_WINDOW 20

void bh_ctl_answer(struct bh_ctl_conn *c, struct bh_str json)
{
	bh_outgoing_clear(&c->io.out);
	(void)bh_buf_append(&c->io.out.bytes, json.p, json.n);
	(void)bh_buf_u8(&c->io.out.bytes, '\n');
	bh_conn_answer(&c->io);
}

void bh_ctl_answer_fd(struct bh_ctl_conn *c, struct bh_str json, int fd)
{
	bh_outgoing_take_fd(&c->io.out, fd);
	bh_ctl_answer(c, json);
}

void bh_ctl_answer_waiting(struct bh_ctl_server *s, enum bh_verb verb, const struct bh_buf *json)
{
	for (size_t i = 0; i < BH_CTL_CONNS; i++) {
		struct bh_ctl_conn *c = &s->conn[i];

		if (!bh_ctl_waits(c, verb))
			continue;
		if (bh_buf_failed(json))
			bh_ctl_answer_error(c, "no memory for the answer");
		else
			bh_ctl_answer(c, bh_buf_view(json));
	}
}

static void answer_error(struct bh_ctl_conn *c, const char *text, bool denied)
{
	struct bh_buf json = BH_BUF_INIT;
	struct bh_jsonw w;

	bh_jsonw_document(&w, &json);
	bh_jsonw_str(&w, "error", text);
	if (denied)
		bh_jsonw_bool(&w, "denied", true);
	bh_jsonw_object_end(&w);
	bh_ctl_answer(c, bh_buf_view(&json));
	bh_buf_release(&json);
}

void bh_ctl_answer_error(struct bh_ctl_conn *c, const char *text)
{
	answer_error(c, text, false);
}

/* What changes something, or shows what clients and files said. */
static bool is_worth_noting(const struct bh_ctl_conn *c)
{
	return c->verb == BH_VERB_DRAIN || c->verb == BH_VERB_SHUTDOWN ||
	       c->verb == BH_VERB_STREAM_LOGS || c->verb == BH_VERB_REGISTRY_FORGET ||
	       c->verb == BH_VERB_REGISTRY_IMPORT || c->verb == BH_VERB_QUARANTINE_REPLAY ||
	       c->verb == BH_VERB_RELOAD || c->verb == BH_VERB_REOPEN_LOGS ||
	       c->verb == BH_VERB_SECURITY_TEST || c->verb == BH_VERB_SPOOL ||
	       c->verb == BH_VERB_SPOOL_PURGE || c->verb == BH_VERB_SPOOL_REPLAY ||
	       (c->roles && c->verb != BH_VERB_TAIL) || c->seconds;
}

static void take_request(struct bh_ctl_conn *c, size_t n)
{
	struct bh_ctl_request request;
	int rc = bh_ctl_request_parse((struct bh_str){c->io.in.data, n}, &request);

	c->io.asked = true;
	c->verb = request.verb;
	c->roles = request.roles;
	memcpy(c->from, request.from, sizeof(c->from));
	c->seconds = request.seconds;
	c->signo = request.signo;
	c->filter = request.filter;
	c->arg = request.arg;
	/* Nothing more is read; a client that leaves while it waits is seen as a hang-up. */
	(void)bh_loop_mod_fd(&c->io.watch, 0);
	bh_timer_cancel(&c->io.timer);
	if (rc == BH_E_STATE) {
		bh_ctl_answer_error(c, "unknown verb");
		return;
	}
	if (rc == BH_E_LIMIT) {
		bh_ctl_answer_error(c, "no such process: dogstatsd, logs, forwarder or all");
		return;
	}
	if (rc) {
		bh_ctl_answer_error(c,
		    "the request is not {\"verb\":\"NAME\"} on one line, with \"names\", "
		    "\"seconds\" (1 to 86400), \"source\" or \"service\" (at most 200 bytes), "
		    "\"identifier\", \"file\", \"request\" or \"signal\" (HUP, USR1, USR2, "
		    "QUIT, KILL) where the verb takes them");
		return;
	}
	if (!bh_ctl_may(c->peer.access, c->verb)) {
		bh_log_limited(c->server->log, &c->server->denied, BH_LOG_WARN, COMPONENT,
		    "%s refused to uid=%u pid=%d", bh_verb_name(c->verb), (unsigned)c->peer.uid,
		    (int)c->peer.pid);
		answer_error(c,
		    "permission denied: members of the group " READERS
		    " may only look; ask as root or as the user bulkhead runs as",
		    true);
		return;
	}
	if (is_worth_noting(c)) {
		bh_info(c->server->log, COMPONENT, "%s asked by uid=%u pid=%d",
		    bh_verb_name(c->verb), (unsigned)c->peer.uid, (int)c->peer.pid);
		if (c->server->noted)
			c->server->noted(c->server->ctx, c);
	}
	c->server->handle(c->server->ctx, c);
}

static void read_in(struct bh_ctl_conn *c)
{
	const char *end;

	if (!bh_conn_read(&c->io, BH_CTL_REQUEST_MAX))
		return;
	end = memchr(c->io.in.data, '\n', c->io.in.len);
	if (end)
		take_request(c, (size_t)(end - c->io.in.data));
	else if (c->io.in.len > BH_CTL_REQUEST_MAX)
		bh_ctl_answer_error(c, "the request is longer than 64 KiB");
}

static void on_conn(struct bh_watch *w, unsigned events)
{
	struct bh_ctl_conn *c = BH_CONTAINER(w, struct bh_ctl_conn, io.watch);

	if (c->io.answered && (events & BH_LOOP_WRITE))
		bh_conn_write(&c->io);
	else if (!c->io.asked && (events & BH_LOOP_READ))
		read_in(c);
	else if (events & BH_LOOP_HANGUP)
		bh_conn_close(&c->io);
}

/* A refusal that needs no connection slot. */
static void turn_away(int fd, const char *line)
{
	if (send(fd, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		(void)shutdown(fd, SHUT_RDWR);
	(void)close(fd);
}

/* A free place for this peer; NULL when there is none. */
static struct bh_ctl_conn *place_for(struct bh_ctl_server *s, const struct bh_ctl_peer *peer)
{
	struct bh_ctl_conn *found = NULL;
	unsigned same = 0, readers = 0;

	for (size_t i = 0; i < BH_CTL_CONNS; i++) {
		struct bh_ctl_conn *c = &s->conn[i];

		if (c->io.watch.fd < 0) {
			found = found ? found : c;
			continue;
		}
		same += c->peer.uid == peer->uid;
		readers += c->peer.access == BH_CTL_ACCESS_READ;
	}
	if (same >= CONNS_PER_UID ||
	    (peer->access == BH_CTL_ACCESS_READ && readers >= READER_CONNS))
		return NULL;
	return found;
}

static void greet(struct bh_ctl_server *s, int fd)
{
	struct bh_ctl_peer peer;
	struct bh_ctl_conn *c;

	if (bh_ctl_peer_of(fd, s->readers, &peer) || peer.access == BH_CTL_ACCESS_NONE) {
		bh_log_limited(s->log, &s->refused, BH_LOG_WARN, COMPONENT, "refused uid=%u pid=%d",
		    (unsigned)peer.uid, (int)peer.pid);
		turn_away(fd,
		    "{\"schema\":1,\"error\":\"permission denied: ask as root, as the user "
		    "bulkhead runs as, or as a member of the group " READERS
		    "\",\"denied\":true}\n");
		return;
	}
	c = place_for(s, &peer);
	if (!c) {
		turn_away(fd,
		    "{\"schema\":1,\"error\":\"too many connections: end some that wait, or try "
		    "again\"}\n");
		return;
	}
	*c = (struct bh_ctl_conn){.server = s, .peer = peer, .io = BH_CONN_INIT};
	(void)!bh_conn_open(&c->io, s->loop, fd, on_conn); /* on error it was closed */
}

static void on_pause_over(struct bh_timer *t)
{
	struct bh_ctl_server *s = BH_CONTAINER(t, struct bh_ctl_server, pause);

	(void)bh_loop_mod_fd(&s->listener, BH_LOOP_READ);
}

/* Who connects waits in the kernel meanwhile. */
static void pause_until(struct bh_ctl_server *s, int64_t mono_ns)
{
	(void)bh_loop_mod_fd(&s->listener, 0);
	bh_timer_at(s->loop, &s->pause, mono_ns, on_pause_over);
}

static void take_spare(struct bh_ctl_server *s)
{
	if (s->spare < 0)
		s->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* No descriptor is left: the spare one makes room to take a connection and say so. */
static void say_exhausted(struct bh_ctl_server *s)
{
	bool told = bh_mono_ns(s->loop->clock) < s->exhausted.next_ns;
	int fd;

	if (!told && s->limited)
		s->limited(s->ctx, "no file descriptor is left");
	bh_log_limited(s->log, &s->exhausted, BH_LOG_ERROR, COMPONENT,
	    "no file descriptor is left: requests are turned away until there is one");
	if (s->spare < 0)
		return;
	(void)close(s->spare);
	s->spare = -1;
	fd = accept4(s->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0)
		turn_away(fd,
		    "{\"schema\":1,\"error\":\"the supervisor has no file descriptor left: raise "
		    "its limit (LimitNOFILE=) or try again\"}\n");
}

static void on_listener(struct bh_watch *w, unsigned events)
{
	struct bh_ctl_server *s = BH_CONTAINER(w, struct bh_ctl_server, listener);
	int64_t now = bh_mono_ns(s->loop->clock);
	int fd;

	(void)events;
	if (now - s->window_ns >= WINDOW_NS) {
		s->window_ns = now;
		s->taken = 0;
	}
	if (s->taken++ >= TAKEN_A_WINDOW) {
		pause_until(s, s->window_ns + WINDOW_NS);
		return;
	}
	take_spare(s);
	fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0) {
		greet(s, fd);
		return;
	}
	if (errno == EMFILE || errno == ENFILE)
		say_exhausted(s);
	else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		pause_until(s, now + WINDOW_NS);
}

/* Members reach the socket only when it is their group's, which we may not be able to arrange. */
static gid_t open_to_readers(struct bh_log *log, const char *path)
{
	const struct group *gr = getgrnam(READERS);

	if (!gr)
		return BH_CTL_NO_GROUP;
	if (chown(path, (uid_t)-1, gr->gr_gid) < 0)
		bh_info(log, COMPONENT, "%s stays out of reach of the group " READERS ": %s", path,
		    strerror(errno));
	return gr->gr_gid;
}

static int bind_path(const struct sockaddr_un *sun, int *out)
{
	int rc, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (unlink(sun->sun_path) < 0 && errno != ENOENT)
		goto fail;
	if (bind(fd, (const struct sockaddr *)sun, sizeof(*sun)) < 0 ||
	    chmod(sun->sun_path, 0660) < 0 || listen(fd, BACKLOG) < 0)
		goto fail;
	*out = fd;
	return 0;
fail:
	rc = -errno;
	(void)close(fd);
	return rc;
}

int bh_ctl_server_open(struct bh_ctl_server *s, struct bh_loop *loop, struct bh_log *log,
    const char *run_dir, struct bh_err *err)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = -1, rc;

	*s = (struct bh_ctl_server){
	    .loop = loop, .log = log, .readers = BH_CTL_NO_GROUP, .spare = -1};
	s->listener.fd = -1;
	for (size_t i = 0; i < BH_CTL_CONNS; i++)
		s->conn[i].io = (struct bh_conn)BH_CONN_INIT;
	if (asprintf(&s->path, "%s/ctl.sock", run_dir) < 0) {
		s->path = NULL;
		return bh_err_set(err, -ENOMEM, "control socket");
	}
	if (strlen(s->path) >= sizeof(sun.sun_path))
		return bh_err_set(err, BH_E_CONFIG,
		    "control socket %s: the path is longer than %zu bytes: choose a shorter "
		    "bulkhead.run_dir",
		    s->path, sizeof(sun.sun_path) - 1);
	memcpy(sun.sun_path, s->path, strlen(s->path) + 1);
	rc = bind_path(&sun, &fd);
	if (!rc)
		rc = bh_loop_add_fd(loop, &s->listener, fd, BH_LOOP_READ, on_listener);
	if (rc) {
		if (fd >= 0)
			(void)close(fd);
		return bh_err_set(err, rc, "control socket %s", s->path);
	}
	s->readers = open_to_readers(log, s->path);
	take_spare(s);
	return 0;
}

/* The loop is over: what is owed is written with a bounded wait. */
static void flush(struct bh_conn *c)
{
	static const struct timeval wait = {1, 0};
	int flags = fcntl(c->watch.fd, F_GETFL);

	if (!c->answered || flags < 0 || fcntl(c->watch.fd, F_SETFL, flags & ~O_NONBLOCK) < 0 ||
	    setsockopt(c->watch.fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) < 0)
		return;
	(void)!bh_outgoing_send(&c->out, c->watch.fd, 0);
}

void bh_ctl_server_close(struct bh_ctl_server *s)
{
	for (size_t i = 0; i < BH_CTL_CONNS; i++) {
		if (s->conn[i].io.watch.fd < 0)
			continue;
		flush(&s->conn[i].io);
		bh_conn_close(&s->conn[i].io);
	}
	bh_timer_cancel(&s->pause);
	if (s->listener.fd >= 0) {
		bh_loop_close_fd(&s->listener);
		(void)unlink(s->path);
		if (s->spare >= 0)
			(void)close(s->spare);
		s->spare = -1;
	}
	free(s->path);
	s->path = NULL;
}
