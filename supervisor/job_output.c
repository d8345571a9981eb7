#include "supervisor/job_output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"

#define LINK_BYTES     (1 << 20) /* asked for; the kernel may allow less */
#define CHUNKS_A_TURN  16
#define SHARED_AT_ONCE 512 /* what a descriptor that polls as writable takes without waiting */

static void pump(struct bh_job_stream *s);

/* --- opening and closing ------------------------------------------------------------------------
 */

void bh_job_output_init(struct bh_job_output *o)
{
	*o = (struct bh_job_output){0};
	for (int i = 0; i < BH_JOB_STREAMS; i++) {
		struct bh_job_stream *s = &o->stream[i];

		s->all = o;
		s->fd[0] = s->fd[1] = s->link[0] = s->link[1] = s->sink = -1;
		s->in.fd = s->out.fd = s->copy.fd = -1;
	}
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static void close_stream(struct bh_job_stream *s)
{
	bh_timer_cancel(&s->stall);
	bh_loop_del_fd(&s->in);
	bh_loop_del_fd(&s->out);
	bh_loop_del_fd(&s->copy);
	for (int i = 0; i < 2; i++) {
		close_fd(&s->fd[i]);
		close_fd(&s->link[i]);
	}
	if (s->sink_owned)
		close_fd(&s->sink);
	free(s->buf);
	s->buf = NULL;
}

void bh_job_output_release(struct bh_job_output *o)
{
	for (int i = 0; i < BH_JOB_STREAMS; i++)
		close_stream(&o->stream[i]);
}

/* A pipe or a terminal is opened once more: only this description becomes non-blocking. */
static int open_again(int fd)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

static void open_sink(struct bh_job_stream *s, int fd)
{
	struct stat st = {0};

	s->sink = fd;
	s->kind = BH_SINK_SHARED;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		s->kind = BH_SINK_FILE;
	} else if (S_ISSOCK(st.st_mode)) {
		s->kind = BH_SINK_SOCKET;
	} else {
		int again = open_again(fd);

		if (again < 0)
			return;
		s->sink = again;
		s->sink_owned = true;
		s->kind = BH_SINK_OWN;
	}
}

static int open_stream(struct bh_job_stream *s, int sink)
{
	static const int bytes = LINK_BYTES;

	s->buf = malloc(BH_JOB_CHUNK);
	if (!s->buf)
		return -ENOMEM;
	if (pipe2(s->fd, O_CLOEXEC) < 0 || fcntl(s->fd[0], F_SETFL, O_NONBLOCK) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s->link) < 0)
		return -errno;
	if (setsockopt(s->link[0], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0)
		(void)setsockopt(s->link[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	open_sink(s, sink);
	return 0;
}

int bh_job_output_open(struct bh_job_output *o, struct bh_loop *loop)
{
	int rc = 0;

	o->loop = loop;
	for (int i = 0; i < BH_JOB_STREAMS && !rc; i++)
		rc = open_stream(&o->stream[i], STDOUT_FILENO + i);
	return rc;
}

int bh_job_output_writer(const struct bh_job_output *o, int i)
{
	return o->stream[i].fd[1];
}

int bh_job_output_link(const struct bh_job_output *o, int i)
{
	return o->stream[i].link[1];
}

/* --- our own output -----------------------------------------------------------------------------
 */

static ssize_t write_shared(int fd, const char *p, size_t n)
{
	struct pollfd f = {.fd = fd, .events = POLLOUT};

	if (poll(&f, 1, 0) == 0) {
		errno = EAGAIN;
		return -1;
	}
	return write(fd, p, BH_MIN(n, (size_t)SHARED_AT_ONCE));
}

static ssize_t write_some(const struct bh_job_stream *s, const char *p, size_t n)
{
	if (s->kind == BH_SINK_SOCKET)
		return send(s->sink, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	return s->kind == BH_SINK_SHARED ? write_shared(s->sink, p, n) : write(s->sink, p, n);
}

static void on_writable(struct bh_watch *w, unsigned events)
{
	struct bh_job_stream *s = BH_CONTAINER(w, struct bh_job_stream, out);

	(void)events;
	bh_loop_del_fd(w);
	pump(s);
}

/* The reader is gone, or the disk is full: what is in hand is lost to it, and the command finds its
 * own output broken at its next write. */
static void break_off(struct bh_job_stream *s)
{
	s->written = s->len;
	s->ended = true;
	bh_loop_del_fd(&s->in);
	close_fd(&s->fd[0]);
}

/* false: nobody will say when there is room. */
static bool wait_for_room(struct bh_job_stream *s)
{
	return s->out.fd >= 0 ||
	       bh_loop_add_fd(s->all->loop, &s->out, s->sink, BH_LOOP_WRITE, on_writable) == 0;
}

/* Whether all is written. */
static bool write_out(struct bh_job_stream *s)
{
	while (s->written < s->len) {
		ssize_t n = write_some(s, s->buf + s->written, s->len - s->written);

		if (n >= 0)
			s->written += (size_t)n;
		else if (errno == EAGAIN && wait_for_room(s))
			return false;
		else if (errno != EINTR)
			break_off(s);
	}
	return true;
}

/* --- the copy for the logs
 * ------------------------------------------------------------------------ */

static void give_up_waiting(struct bh_job_stream *s)
{
	s->skipped += s->len - s->copied;
	s->copied = s->len;
	s->skipping = true;
}

static void on_stall(struct bh_timer *t)
{
	struct bh_job_stream *s = BH_CONTAINER(t, struct bh_job_stream, stall);

	bh_loop_del_fd(&s->copy);
	give_up_waiting(s);
	pump(s);
}

static void on_room(struct bh_watch *w, unsigned events)
{
	struct bh_job_stream *s = BH_CONTAINER(w, struct bh_job_stream, copy);

	(void)events;
	bh_loop_del_fd(w);
	bh_timer_cancel(&s->stall);
	pump(s);
}

static ssize_t give(struct bh_job_stream *s, const char *p, size_t n)
{
	ssize_t sent;

	do {
		sent = send(s->link[0], p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	if (sent > 0)
		s->broken = p[sent - 1] != '\n';
	return sent;
}

/* After a gap the copy goes on with a whole line. */
static void close_gap(struct bh_job_stream *s)
{
	const char *from = s->buf + s->copied;
	const char *end = memchr(from, '\n', s->len - s->copied);
	size_t n = end ? (size_t)(end + 1 - from) : s->len - s->copied;

	if (s->broken && give(s, "\n", 1) < 0) {
		give_up_waiting(s);
		return;
	}
	s->skipped += n;
	s->copied += n;
	s->skipping = end == NULL;
}

/* Whether all is given, or given up. */
static bool copy_out(struct bh_job_stream *s)
{
	if (s->skipping && s->copied < s->len)
		close_gap(s);
	while (s->copied < s->len) {
		ssize_t n = give(s, s->buf + s->copied, s->len - s->copied);

		if (n >= 0) {
			s->copied += (size_t)n;
			continue;
		}
		if (s->copy.fd >= 0)
			return false;
		if (errno != EAGAIN || !s->all->logs_expected(s->all->logs_ctx) ||
		    bh_loop_add_fd(s->all->loop, &s->copy, s->link[0], BH_LOOP_WRITE, on_room)) {
			give_up_waiting(s);
			continue;
		}
		bh_timer_in(s->all->loop, &s->stall, BH_JOB_STALL_NS, on_stall);
		return false;
	}
	return true;
}

/* --- the command's pipe
 * --------------------------------------------------------------------------- */

static void on_readable(struct bh_watch *w, unsigned events)
{
	(void)events;
	pump(BH_CONTAINER(w, struct bh_job_stream, in));
}

static void end_stream(struct bh_job_stream *s)
{
	s->ended = true;
	bh_loop_del_fd(&s->in);
	close_fd(&s->fd[0]);
}

/* false: nothing to read now. */
static bool refill(struct bh_job_stream *s)
{
	bool last = s->all->ending && s->link[0] >= 0;
	size_t most = last ? BH_MIN(s->left, (size_t)BH_JOB_CHUNK) : BH_JOB_CHUNK;
	ssize_t n;

	if (s->fd[0] < 0 || most == 0)
		return false;
	do {
		n = read(s->fd[0], s->buf, most);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0) {
		end_stream(s);
		return false;
	}
	s->len = (size_t)n;
	if (last)
		s->left -= s->len;
	s->written = s->copied = 0;
	if (s->link[0] < 0) /* what comes after the end is no log */
		s->copied = s->len;
	return true;
}

/* The kernel told that there is more than this turn may take, or that nothing waits. */
static void wait_for_more(struct bh_job_stream *s)
{
	if (s->fd[0] >= 0 && s->in.fd < 0 &&
	    bh_loop_add_fd(s->all->loop, &s->in, s->fd[0], BH_LOOP_READ, on_readable))
		end_stream(s);
}

/* The command ended and its pipe was found empty: the logs process has had all. */
static void close_link(struct bh_job_stream *s)
{
	if (s->link[0] >= 0)
		(void)shutdown(s->link[0], SHUT_WR);
	close_fd(&s->link[0]);
}

static void look_done(struct bh_job_output *o)
{
	if (o->ending && bh_job_output_done(o) && o->done)
		o->done(o->ctx);
}

static void pump(struct bh_job_stream *s)
{
	for (int i = 0; i < CHUNKS_A_TURN; i++) {
		bool written = write_out(s), copied = copy_out(s);

		if (!written || !copied) {
			bh_loop_del_fd(&s->in);
			return;
		}
		if (!refill(s)) {
			if (s->all->ending)
				close_link(s);
			break;
		}
	}
	wait_for_more(s);
	look_done(s->all);
}

void bh_job_output_started(struct bh_job_output *o)
{
	for (int i = 0; i < BH_JOB_STREAMS; i++) {
		close_fd(&o->stream[i].fd[1]);
		wait_for_more(&o->stream[i]);
	}
}

void bh_job_output_end(struct bh_job_output *o)
{
	o->ending = true;
	for (int i = 0; i < BH_JOB_STREAMS; i++) {
		struct bh_job_stream *s = &o->stream[i];
		int held = 0;

		close_fd(&s->fd[1]);
		if (s->fd[0] >= 0 && ioctl(s->fd[0], FIONREAD, &held) == 0 && held > 0)
			s->left = (size_t)held;
		pump(s);
	}
}

void bh_job_output_look(struct bh_job_output *o)
{
	for (int i = 0; i < BH_JOB_STREAMS; i++) {
		struct bh_job_stream *s = &o->stream[i];

		if (s->copy.fd >= 0 && !o->logs_expected(o->logs_ctx)) {
			bh_timer_cancel(&s->stall);
			on_stall(&s->stall);
		}
	}
}

bool bh_job_output_done(const struct bh_job_output *o)
{
	for (int i = 0; i < BH_JOB_STREAMS; i++) {
		if (o->stream[i].link[0] >= 0)
			return false;
	}
	return o->ending;
}

uint64_t bh_job_output_skipped(const struct bh_job_output *o)
{
	uint64_t n = 0;

	for (int i = 0; i < BH_JOB_STREAMS; i++)
		n += o->stream[i].skipped;
	return n;
}

uint64_t bh_job_output_unread(const struct bh_job_output *o)
{
	uint64_t n = 0;

	for (int i = 0; i < BH_JOB_STREAMS; i++) {
		int held = 0;

		if (o->stream[i].link[1] >= 0 &&
		    ioctl(o->stream[i].link[1], FIONREAD, &held) == 0 && held > 0)
			n += (uint64_t)held;
	}
	return n;
}
