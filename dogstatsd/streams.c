#include "dogstatsd/streams.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD        4 /* bytes of a length */
#define READ_MAX    ((size_t)64 << 10)
#define ACCEPT_TURN 64

static void unlink_stream(struct bh_streams *s, struct bh_stream *c)
{
	if (c->prev)
		c->prev->next = c->next;
	if (c->next)
		c->next->prev = c->prev;
	if (s->head == c)
		s->head = c->next;
	if (s->tail == c)
		s->tail = c->prev;
	s->n--;
}

static void put_first(struct bh_streams *s, struct bh_stream *c)
{
	c->prev = NULL;
	c->next = s->head;
	if (s->head)
		s->head->prev = c;
	else
		s->tail = c;
	s->head = c;
	s->n++;
}

/* A frame that will not be completed is one sample lost: what was in it nobody knows. */
static void count_lost(struct bh_streams *s, enum bh_drop reason)
{
	s->ledger.received++;
	bh_ledger_drop(&s->ledger, reason, 1);
}

static void end_stream(struct bh_streams *s, struct bh_stream *c)
{
	if (c->rest.len) {
		s->cut++;
		count_lost(s, BH_DROP_TRUNCATED);
	}
	bh_loop_del_fd(&c->watch);
	(void)close(c->fd);
	unlink_stream(s, c);
	bh_buf_release(&c->rest);
	free(c);
}

static void on_readable(struct bh_watch *w, unsigned events)
{
	struct bh_stream *c = BH_CONTAINER(w, struct bh_stream, watch);

	(void)events;
	c->all->cfg.readable(c->all->cfg.owner, c);
}

static int add_stream(struct bh_streams *s, int fd)
{
	struct bh_stream *c = calloc(1, sizeof(*c));
	int rc = 0;

	if (!c)
		return -ENOMEM;
	c->all = s;
	c->fd = fd;
	c->watch.fd = -1;
	c->known = s->cfg.tap && s->cfg.tap->senders.rows && bh_sender_of_peer(fd, &c->from);
	if (!s->stopped)
		rc = bh_loop_add_fd(s->cfg.loop, &c->watch, fd, BH_LOOP_READ, on_readable);
	if (rc < 0) {
		free(c);
		return rc;
	}
	put_first(s, c);
	s->accepted++;
	return 0;
}

/* Takes connections that wait. False when there are none left. */
static bool accept_some(struct bh_streams *s)
{
	for (int i = 0; i < ACCEPT_TURN; i++) {
		int fd;

		if (s->stopped && s->n == BH_STREAMS_MAX)
			return false; /* nobody is sent away now: they come when others have ended
				       */
		fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0 && (errno == EMFILE || errno == ENFILE) && s->tail) {
			s->evicted++;
			end_stream(s, s->tail); /* makes room for the one that waits */
			continue;
		}
		if (fd < 0) {
			s->closed = errno == EINVAL;
			return errno == ECONNABORTED || errno == EINTR;
		}
		if (s->n == BH_STREAMS_MAX) {
			s->evicted++;
			end_stream(s, s->tail);
		}
		if (add_stream(s, fd) < 0)
			(void)close(fd);
	}
	return true;
}

static void on_connection(struct bh_watch *w, unsigned events)
{
	struct bh_streams *s = BH_CONTAINER(w, struct bh_streams, listening);

	(void)events;
	(void)accept_some(s);
	if (s->closed)
		bh_loop_del_fd(w); /* it would stay readable for ever */
}

int bh_streams_init(struct bh_streams *s, int fd, const struct bh_streams_config *cfg)
{
	*s = (struct bh_streams){.cfg = *cfg, .fd = fd};
	s->listening.fd = -1;
	s->buf = malloc(HEAD + cfg->frame_max + READ_MAX);
	if (!s->buf) {
		(void)close(fd);
		s->fd = -1;
		return -ENOMEM;
	}
	return bh_loop_add_fd(cfg->loop, &s->listening, fd, BH_LOOP_READ, on_connection);
}

void bh_streams_release(struct bh_streams *s)
{
	if (!s->buf)
		return;
	bh_loop_del_fd(&s->listening);
	while (s->head)
		end_stream(s, s->head);
	if (s->fd >= 0)
		(void)close(s->fd);
	free(s->buf);
	s->buf = NULL;
}

static uint32_t length_at(const char *p)
{
	const unsigned char *b = (const unsigned char *)p;

	return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

/* Ingests the whole frames at p; returns what they take. *bad_len: the length that ends the
 * connection, -1 when all is well. */
static size_t take_frames(const struct bh_stream *c, const char *p, size_t n, struct bh_ingest *in,
    int64_t now, struct bh_bad_line *bad, int64_t *bad_len)
{
	struct bh_streams *s = c->all;
	unsigned flags = s->cfg.eol_required ? BH_DATAGRAM_EOL_REQUIRED : 0;
	size_t at = 0;

	*bad_len = -1;
	while (n - at >= HEAD) {
		uint32_t len = length_at(p + at);
		struct bh_str frame = {p + at + HEAD, len};

		if (len == 0 || len > s->cfg.frame_max) {
			*bad_len = len;
			break;
		}
		if (n - at - HEAD < len)
			break;
		s->frames++;
		if (s->cfg.tap)
			bh_tap_packet(s->cfg.tap, frame, c->known ? &c->from : NULL, now);
		bh_ingest_datagram(in, frame, flags, now, &s->ledger, bad);
		at += HEAD + len;
	}
	return at;
}

/* Moves what is left of a frame to the connection. */
static bool keep_rest(struct bh_stream *c, const char *p, size_t n)
{
	if (n == 0) {
		bh_buf_release(&c->rest);
		return true;
	}
	bh_buf_clear(&c->rest);
	return bh_buf_append(&c->rest, p, n) == 0;
}

static struct bh_stream_result refuse(struct bh_stream *c, const char *p, size_t n, uint32_t len)
{
	struct bh_streams *s = c->all;
	struct bh_stream_result r = {.bytes = n, .ended = true, .refused_len = len};

	bh_buf_clear(&c->rest);
	if (len) {
		s->too_long++;
		count_lost(s, BH_DROP_TOO_LARGE);
		r.refused = (struct bh_str){p + HEAD, n - HEAD};
	}
	end_stream(s, c);
	return r;
}

struct bh_stream_result bh_stream_read(
    struct bh_stream *c, struct bh_ingest *in, int64_t now, struct bh_bad_line *bad)
{
	struct bh_streams *s = c->all;
	struct bh_stream_result r = {.bytes = 0};
	size_t have = c->rest.len, used;
	int64_t bad_len;
	ssize_t got;

	if (have)
		memcpy(s->buf, c->rest.data, have);
	got = recv(c->fd, s->buf + have, READ_MAX, MSG_DONTWAIT);
	if (got <= 0) {
		r.ended = got == 0 || (errno != EAGAIN && errno != EINTR);
		if (r.ended)
			end_stream(s, c);
		return r;
	}
	unlink_stream(s, c);
	put_first(s, c);
	s->bytes += (uint64_t)got;
	have += (size_t)got;
	used = take_frames(c, s->buf, have, in, now, bad, &bad_len);
	if (bad_len >= 0)
		return refuse(c, s->buf + used, have - used, (uint32_t)bad_len);
	r.bytes = (size_t)got;
	if (!keep_rest(c, s->buf + used, have - used)) {
		r.ended = true;
		end_stream(s, c);
	}
	return r;
}

void bh_streams_stop(struct bh_streams *s)
{
	s->stopped = true;
	bh_loop_del_fd(&s->listening);
	for (struct bh_stream *c = s->head; c; c = c->next)
		bh_loop_del_fd(&c->watch);
}

size_t bh_streams_read_all(
    struct bh_streams *s, struct bh_ingest *in, int64_t now, struct bh_bad_line *bad)
{
	struct bh_stream *c, *next;
	size_t bytes = 0;

	while (!s->closed && accept_some(s))
		;
	for (c = s->head; c; c = next) {
		next = c->next; /* a read moves c to the front, or ends it */
		bytes += bh_stream_read(c, in, now, bad).bytes;
	}
	return bytes;
}
