/*
 * An intake that costs next to nothing: HTTP/1.1 with kept connections, every request is answered
 * 202 after an optional wait, bodies are counted and not read.
 *
 *   blackhole [--latency MS] [--verify now|later]
 *
 * Prints "listening on 127.0.0.1:PORT". With --verify the bodies of /api/v2/logs are decompressed
 * and the marks of logs_load.h in them looked at: as they arrive, or (later) once asked, so that a
 * measurement is not disturbed; what is not compressed is always looked at as it arrives.
 *
 *   GET /_/stats   counts so far            GET /_/check   looks at all bodies that wait, then the
 * same
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "common/buf.h"
#include "common/loop.h"
#include "tests/bench/logs_seen.h"

#define HEAD_MAX  8192
#define BODY_MAX  ((size_t)64 << 20)
#define DROP_STEP ((size_t)1 << 20)
#define LOGS_PATH "/api/v2/logs"

enum verify { VERIFY_NO, VERIFY_NOW, VERIFY_LATER };
enum coding { PLAIN, GZIP, ZSTD };

struct body {
	struct body *next;
	int64_t wall_ms;
	enum coding coding;
	size_t n;
	char bytes[];
};

struct hole {
	struct bh_loop loop;
	struct bh_watch listener;
	int64_t latency_ns;
	enum verify verify;
	struct bh_seen seen;
	struct body *waiting, **waiting_end;
	struct bh_buf plain; /* a body, decompressed */
	uint64_t requests, bytes, log_requests, log_bytes, errors;
	int64_t first_ns, last_ns; /* mono: of the requests with logs */
	int64_t last_but_one_ns;   /* the last one waited for more lines to go with it */
	unsigned connections, connections_most;
};

struct conn {
	struct hole *h;
	struct bh_watch watch;
	struct bh_timer timer;
	char head[HEAD_MAX + 1];
	size_t head_n;
	size_t left;       /* of the body, still to come */
	struct body *body; /* being filled; NULL: it is only counted */
	size_t got;        /* bytes of it */
	bool in_body, logs;
};

static int64_t now_ns(void)
{
	return bh_mono_ns(&bh_clock_system);
}

/* --- bodies --------------------------------------------------------------------------------- */

static int unzip(struct bh_buf *out, const struct body *b)
{
	z_stream z;
	int rc = 0, end = Z_OK;

	memset(&z, 0, sizeof(z));
	if (inflateInit2(&z, 31) != Z_OK)
		return -ENOMEM;
	z.next_in = (Bytef *)(uintptr_t)b->bytes;
	z.avail_in = (uInt)b->n;
	while (!rc && end == Z_OK) {
		rc = bh_buf_reserve(out, (size_t)1 << 20);
		if (rc)
			break;
		z.next_out = (Bytef *)out->data + out->len;
		z.avail_out = (uInt)(out->cap - 1 - out->len);
		end = inflate(&z, Z_NO_FLUSH);
		out->len = z.total_out;
	}
	(void)inflateEnd(&z);
	return rc ? rc : end == Z_STREAM_END ? 0 : -EBADMSG;
}

static int unzstd(struct bh_buf *out, const struct body *b)
{
	unsigned long long n = ZSTD_getFrameContentSize(b->bytes, b->n);
	size_t got;
	int rc;

	if (n > BODY_MAX) /* the two error values are larger still */
		return -EBADMSG;
	rc = bh_buf_reserve(out, (size_t)n);
	if (rc)
		return rc;
	got = ZSTD_decompress(out->data, out->cap - 1, b->bytes, b->n);
	if (ZSTD_isError(got))
		return -EBADMSG;
	out->len = got;
	return 0;
}

static void look_into(struct hole *h, const struct body *b)
{
	struct bh_str text = {b->bytes, b->n};
	int rc = 0;

	bh_buf_clear(&h->plain);
	if (b->coding == GZIP)
		rc = unzip(&h->plain, b);
	else if (b->coding == ZSTD)
		rc = unzstd(&h->plain, b);
	if (b->coding != PLAIN)
		text = bh_buf_view(&h->plain);
	if (!rc)
		rc = bh_seen_take(&h->seen, text.p, text.n, b->wall_ms);
	h->errors += rc != 0;
}

static void look_into_all(struct hole *h)
{
	while (h->waiting) {
		struct body *b = h->waiting;

		h->waiting = b->next;
		look_into(h, b);
		free(b);
	}
	h->waiting_end = &h->waiting;
}

static void keep(struct hole *h, struct body *b)
{
	b->next = NULL;
	b->wall_ms = bh_wall_ms(&bh_clock_system);
	if (h->verify == VERIFY_NOW || b->coding == PLAIN) {
		look_into(h, b);
		free(b);
		return;
	}
	*h->waiting_end = b;
	h->waiting_end = &b->next;
}

/* --- connections ---------------------------------------------------------------------------- */

static void hang_up(struct conn *c)
{
	int fd = c->watch.fd;

	bh_timer_cancel(&c->timer);
	bh_loop_del_fd(&c->watch);
	(void)close(fd);
	c->h->connections--;
	free(c->body);
	free(c);
}

/* Short texts into an empty socket buffer: they go whole, or the client is gone. */
static void answer(struct conn *c, const char *status, const char *body)
{
	char text[2048];
	int n = snprintf(text, sizeof(text),
	    "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
	    status, strlen(body), body);

	c->head_n = 0;
	c->in_body = false;
	(void)send(c->watch.fd, text, (size_t)n, MSG_NOSIGNAL);
}

static void on_answer(struct bh_timer *t)
{
	answer(BH_CONTAINER(t, struct conn, timer), "202 Accepted", "{}");
}

static void report(struct conn *c)
{
	const struct hole *h = c->h;
	char text[1024];
	size_t waiting = 0;

	for (const struct body *b = h->waiting; b; b = b->next)
		waiting++;
	(void)snprintf(text, sizeof(text),
	    "{\"requests\":%llu,\"bytes\":%llu,\"log_requests\":%llu,\"log_bytes\":%llu,"
	    "\"first_ns\":%lld,\"last_ns\":%lld,\"last_but_one_ns\":%lld,\"connections_most\":%u,"
	    "\"waiting\":%zu,"
	    "\"errors\":%llu,\"unique\":%llu,\"duplicates\":%llu,\"gaps\":%llu,\"last_new_ms\":%"
	    "lld,"
	    "\"age_p50_ms\":%u,\"age_p99_ms\":%u,\"age_max_ms\":%u}\n",
	    (unsigned long long)h->requests, (unsigned long long)h->bytes,
	    (unsigned long long)h->log_requests, (unsigned long long)h->log_bytes,
	    (long long)h->first_ns, (long long)h->last_ns, (long long)h->last_but_one_ns,
	    h->connections_most, waiting, (unsigned long long)h->errors,
	    (unsigned long long)h->seen.unique, (unsigned long long)h->seen.duplicates,
	    (unsigned long long)bh_seen_gaps(&h->seen), (long long)h->seen.last_new_ms,
	    bh_seen_age(&h->seen, 0.5), bh_seen_age(&h->seen, 0.99), bh_seen_age(&h->seen, 1));
	answer(c, "200 OK", text);
}

static void finish(struct conn *c)
{
	struct hole *h = c->h;

	if (strncmp(c->head, "GET /_/", 7) == 0) {
		if (strncmp(c->head + 7, "check", 5) == 0)
			look_into_all(h);
		report(c);
		return;
	}
	h->requests++;
	h->bytes += c->got;
	if (c->logs) {
		h->log_requests++;
		h->log_bytes += c->got;
		h->last_but_one_ns = h->last_ns;
		h->last_ns = now_ns();
	}
	if (c->body)
		keep(h, c->body);
	c->body = NULL;
	if (h->latency_ns)
		bh_timer_in(&h->loop, &c->timer, h->latency_ns, on_answer);
	else
		on_answer(&c->timer);
}

static const char *header(const char *head, const char *name)
{
	const char *at = strcasestr(head, name);

	return at ? at + strlen(name) : "";
}

static enum coding coding_of(const char *head)
{
	const char *v = header(head, "\r\nContent-Encoding: ");

	return strncasecmp(v, "zstd", 4) == 0   ? ZSTD
	       : strncasecmp(v, "gzip", 4) == 0 ? GZIP
						: PLAIN;
}

/* The head is whole; `behind` bytes of the body came with it. */
static bool begin_body(struct conn *c, const char *p, size_t behind)
{
	struct hole *h = c->h;
	size_t n = strtoul(header(c->head, "\r\nContent-Length: "), NULL, 10);

	if (n > BODY_MAX || behind > n)
		return false;
	c->logs = strncmp(c->head, "POST " LOGS_PATH, 5 + sizeof(LOGS_PATH) - 1) == 0;
	c->in_body = true;
	c->got = behind;
	c->left = n - behind;
	if (c->logs && !h->first_ns)
		h->first_ns = now_ns();
	if (c->logs && h->verify != VERIFY_NO) {
		c->body = malloc(sizeof(*c->body) + n);
		if (!c->body)
			return false;
		c->body->coding = coding_of(c->head);
		c->body->n = n;
		memcpy(c->body->bytes, p, behind);
	}
	if (c->left && strncasecmp(header(c->head, "\r\nExpect: "), "100", 3) == 0)
		(void)send(c->watch.fd, "HTTP/1.1 100 Continue\r\n\r\n", 25, MSG_NOSIGNAL);
	return true;
}

/* false: the connection is over. */
static bool read_head(struct conn *c)
{
	ssize_t n = recv(c->watch.fd, c->head + c->head_n, HEAD_MAX - c->head_n, MSG_DONTWAIT);
	char *end;

	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	c->head_n += (size_t)n;
	c->head[c->head_n] = '\0';
	end = strstr(c->head, "\r\n\r\n");
	if (!end)
		return c->head_n < HEAD_MAX;
	end[2] = '\0';
	end += 4;
	return begin_body(c, end, c->head_n - (size_t)(end - c->head));
}

/* Bytes nobody looks at are not even copied out of the kernel. */
static bool read_body(struct conn *c)
{
	ssize_t n =
	    c->body ? recv(c->watch.fd, c->body->bytes + c->got, c->left, MSG_DONTWAIT)
		    : recv(c->watch.fd, NULL, BH_MIN(c->left, DROP_STEP), MSG_DONTWAIT | MSG_TRUNC);

	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	c->got += (size_t)n;
	c->left -= (size_t)n;
	return true;
}

static void on_conn(struct bh_watch *w, unsigned events)
{
	struct conn *c = BH_CONTAINER(w, struct conn, watch);
	bool open = true;

	(void)events;
	if (bh_timer_armed(&c->timer)) /* nothing comes before the answer but the end */
		open = false;
	else if (!c->in_body)
		open = read_head(c);
	else
		open = read_body(c);
	if (!open)
		hang_up(c);
	else if (c->in_body && c->left == 0 && !bh_timer_armed(&c->timer))
		finish(c);
}

static void on_listener(struct bh_watch *w, unsigned events)
{
	struct hole *h = BH_CONTAINER(w, struct hole, listener);
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct conn *c;

	(void)events;
	if (fd < 0)
		return;
	c = calloc(1, sizeof(*c));
	if (!c || bh_loop_add_fd(&h->loop, &c->watch, fd, BH_LOOP_READ, on_conn)) {
		free(c);
		(void)close(fd);
		return;
	}
	c->h = h;
	h->connections++;
	h->connections_most = BH_MAX(h->connections_most, h->connections);
}

/* --- life ----------------------------------------------------------------------------------- */

static int listen_anywhere(unsigned *port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t n = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 128) < 0 ||
	    getsockname(fd, (struct sockaddr *)&sa, &n) < 0)
		return -1;
	*port = ntohs(sa.sin_port);
	return fd;
}

static bool parse(struct hole *h, int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--latency") == 0)
			h->latency_ns = strtoll(argv[i + 1], NULL, 10) * BH_NS_PER_MS;
		else if (strcmp(argv[i], "--verify") == 0)
			h->verify = strcmp(argv[i + 1], "now") == 0 ? VERIFY_NOW : VERIFY_LATER;
		else
			return false;
	}
	return argc % 2 == 1;
}

int main(int argc, char **argv)
{
	static struct hole h;
	unsigned port = 0;
	int fd;

	h.waiting_end = &h.waiting;
	if (!parse(&h, argc, argv)) {
		(void)fprintf(stderr, "usage: blackhole [--latency MS] [--verify now|later]\n");
		return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	fd = listen_anywhere(&port);
	if (fd < 0 || bh_seen_init(&h.seen) || bh_loop_init(&h.loop, &bh_clock_system) ||
	    bh_loop_add_fd(&h.loop, &h.listener, fd, BH_LOOP_READ, on_listener)) {
		perror("blackhole");
		return 1;
	}
	(void)printf("listening on 127.0.0.1:%u\n", port);
	(void)fflush(stdout);
	return bh_loop_run(&h.loop) ? 1 : 0;
}
