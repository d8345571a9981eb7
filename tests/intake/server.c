#include "tests/intake/server.h"

#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/intake/decode_body.h"
#include "tests/intake/listen.h"
#include "tests/intake/routes.h"

#define CONNECTIONS_MAX 512

struct request {
	uint64_t number;
	const struct bh_route *route; /* NULL = none; then status says why */
	const char *path;             /* for the counters: a literal */
	unsigned status;              /* 0 until decided */
	bool own;                     /* below /_/ */
	bool oversize;
	struct bh_fault fault;
	struct bh_buf body;
	uint64_t bytes; /* received, kept or not */
};

struct answer {
	unsigned status;
	char *body; /* JSON, owned */
};

/* --- small pieces ---------------------------------------------------------------------------- */

static int connection_fd(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);

	return info ? info->connect_fd : -1;
}

/* Dissolving the association sends a reset at once; a plain close would end the stream politely. */
static enum MHD_Result abort_connection(struct MHD_Connection *c)
{
	struct sockaddr nobody = {.sa_family = AF_UNSPEC};

	(void)connect(connection_fd(c), &nobody, sizeof(nobody)); /* the close follows anyway */
	return MHD_NO;
}

/* Waits; true when the time has passed, false when the client or the server went away first. */
static bool hold(const struct bh_server *s, struct MHD_Connection *c, int timeout_ms)
{
	struct pollfd fds[2] = {
	    {.fd = s->stop_fd, .events = POLLIN},
	    {.fd = connection_fd(c), .events = POLLRDHUP},
	};
	int n;

	do
		n = poll(fds, 2, timeout_ms);
	while (n < 0 && errno == EINTR);
	return n == 0;
}

/* The cause may quote the body: what is not ASCII would not make valid JSON. */
static char *error_json(const char *cause)
{
	char text[BH_ERR_TEXT_MAX];
	json_t *root;
	char *body;

	snprintf(text, sizeof(text), "%s", cause);
	for (char *p = text; *p; p++) {
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	}
	root = json_pack("{s:[s]}", "errors", text);
	body = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	return body;
}

static struct answer refuse(unsigned status, const char *cause)
{
	return (struct answer){status, error_json(cause)};
}

static enum MHD_Result send_answer(struct MHD_Connection *c, struct answer a, unsigned retry_after)
{
	const char *text = a.body ? a.body : "{}";
	struct MHD_Response *r;
	enum MHD_Result rc;
	char seconds[16];

	r = MHD_create_response_from_buffer(
	    strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
	free(a.body);
	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
	if (retry_after) {
		snprintf(seconds, sizeof(seconds), "%u", retry_after);
		MHD_add_response_header(r, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
	}
	rc = MHD_queue_response(c, a.status, r);
	MHD_destroy_response(r);
	return rc;
}

static const char *header(struct MHD_Connection *c, const char *name)
{
	return MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);
}

/* "" when there is none. */
static const char *api_key(struct MHD_Connection *c)
{
	const char *key = header(c, "DD-API-KEY");

	if (!key || !*key)
		key = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "api_key");
	return key ? key : "";
}

/* --- a body, from bytes to records ------------------------------------------------------------ */

static struct answer refuse_error(struct bh_server *s, int rc, const struct bh_err *err)
{
	if (rc != BH_E_FORMAT && rc != BH_E_LIMIT)
		return refuse(500, err->text);
	bh_stats_decode_error(s->stats);
	return refuse(rc == BH_E_LIMIT ? 413 : 400, err->text);
}

static int decode(
    const struct request *q, enum bh_encoding encoding, struct bh_decoded *d, struct bh_err *err)
{
	struct bh_buf plain = BH_BUF_INIT;
	size_t max = BH_MIN(q->route->max_decoded, BH_BODY_DECODED_MAX);
	int rc = bh_body_decode(encoding, bh_buf_view(&q->body), max, &plain, err);

	if (!rc)
		rc = q->route->decode(bh_buf_view(&plain), d, err);
	if (!rc && q->route->max_items && json_array_size(d->records) > q->route->max_items)
		rc = bh_err_set(err, BH_E_LIMIT, "more than %zu items", q->route->max_items);
	bh_buf_release(&plain);
	return rc;
}

static struct answer take_body(
    struct bh_server *s, struct MHD_Connection *c, const struct request *q)
{
	struct bh_err err = BH_ERR_INIT;
	struct bh_decoded d;
	enum bh_encoding encoding;
	struct answer a;
	int rc;

	if (bh_encoding_parse(header(c, "Content-Encoding"), &encoding) < 0)
		return refuse(415, "unknown Content-Encoding");
	bh_decoded_init(&d);
	rc = decode(q, encoding, &d, &err);
	if (!rc) {
		rc = bh_record_add(s->record, &d, q->number, api_key(c));
		if (rc)
			rc = bh_err_set(&err, rc, "write the record");
	}
	if (rc) {
		a = refuse_error(s, rc, &err);
	} else {
		bh_stats_accepted(s->stats, &d);
		a = (struct answer){q->route->status, strdup(q->route->answer)};
	}
	bh_decoded_release(&d);
	return a;
}

static bool content_type_fits(struct MHD_Connection *c, const struct bh_route *route)
{
	const char *type = header(c, "Content-Type");

	return type && strncmp(type, route->content_type, strlen(route->content_type)) == 0;
}

static struct answer process(struct bh_server *s, struct MHD_Connection *c, const struct request *q)
{
	const struct bh_route *route = q->route;

	if (!route)
		return refuse(q->status, q->status == 405 ? "method not allowed" : "not found");
	if (*api_key(c) == '\0')
		return refuse(403, "Forbidden: no API key");
	if (!route->decode)
		return (struct answer){route->status, strdup(route->answer)};
	if (q->oversize)
		return refuse(413, "Payload too large");
	if (!content_type_fits(c, route))
		return refuse(415, "Content-Type is missing or does not fit this path");
	return take_body(s, c, q);
}

/* --- paths of its own ---------------------------------------------------------------------------
 */

struct rule_reader {
	struct bh_fault rule;
	struct bh_err err;
	unsigned keys;
	bool clear;
};

static enum MHD_Result read_rule(
    void *arg, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct rule_reader *r = arg;

	(void)kind; /* only query arguments are asked for */
	r->keys++;
	if (strcmp(key, "clear") == 0)
		r->clear = true;
	else if (bh_fault_set(&r->rule, key, value ? value : "", &r->err) < 0)
		return MHD_NO;
	return MHD_YES;
}

static struct answer set_fault(struct bh_server *s, struct MHD_Connection *c)
{
	struct rule_reader r = {.err = BH_ERR_INIT};
	char body[32];
	int rc = 0;

	bh_fault_init(&r.rule);
	MHD_get_connection_values(c, MHD_GET_ARGUMENT_KIND, read_rule, &r);
	if (r.err.code)
		return refuse(400, r.err.text);
	pthread_mutex_lock(&s->fault_lock);
	if (r.clear)
		bh_faults_clear(&s->faults);
	if (r.keys > (r.clear ? 1U : 0U))
		rc = bh_faults_add(&s->faults, &r.rule, &r.err);
	snprintf(body, sizeof(body), "{\"rules\":%zu}", s->faults.n);
	pthread_mutex_unlock(&s->fault_lock);
	return rc ? refuse(400, r.err.text) : (struct answer){200, strdup(body)};
}

static struct answer own_path(struct bh_server *s, struct MHD_Connection *c, const char *path)
{
	if (strcmp(path, "/_/stats") == 0)
		return (struct answer){200, bh_stats_json(s->stats)};
	if (strcmp(path, "/_/ping") == 0)
		return (struct answer){200, strdup("{\"ok\":true}")};
	if (strcmp(path, "/_/fault") == 0)
		return set_fault(s, c);
	return refuse(404, "not found");
}

/* --- the life of a request ----------------------------------------------------------------------
 */

static struct request *begin(
    struct bh_server *s, struct MHD_Connection *c, const char *method, const char *path)
{
	const char *length = header(c, MHD_HTTP_HEADER_CONTENT_LENGTH);
	struct request *q = calloc(1, sizeof(*q));
	bool known = false;

	if (!q)
		return NULL;
	q->own = strncmp(path, "/_/", 3) == 0;
	if (q->own)
		return q;
	q->number = atomic_fetch_add_explicit(&s->requests, 1, memory_order_relaxed) + 1;
	q->route = bh_route_find(method, path, &known);
	q->path = q->route ? q->route->path : "other";
	q->status = known ? 405 : 404;
	pthread_mutex_lock(&s->fault_lock);
	bh_faults_draw(
	    &s->faults, path, api_key(c), length ? strtoull(length, NULL, 10) : 0, &q->fault);
	pthread_mutex_unlock(&s->fault_lock);
	return q;
}

/* Bytes above the limit are read and thrown away: an answer sent before the body is read is lost
 * in the reset that follows, and the client would not learn that it is 413. */
static void keep_body(const struct bh_server *s, struct request *q, const char *p, size_t n)
{
	size_t max = s->max_body ? s->max_body : q->route ? q->route->max_body : 0;

	q->bytes += n;
	if (q->own || !q->route || q->oversize)
		return;
	if (q->body.len + n > max || bh_buf_append(&q->body, p, n) < 0) {
		q->oversize = true;
		bh_buf_release(&q->body);
	}
}

static enum MHD_Result fail_as_told(
    struct bh_server *s, struct MHD_Connection *c, const struct request *q)
{
	bh_stats_fault(s->stats, q->fault.mode);
	switch (q->fault.mode) {
	case BH_FAULT_STATUS:
		bh_stats_answered(s->stats, q->path, q->fault.status, q->bytes);
		return send_answer(
		    c, refuse(q->fault.status, "fault on request"), q->fault.retry_after);
	case BH_FAULT_HANG:
		(void)hold(s, c, -1); /* ends when either side goes away */
		return MHD_NO;
	case BH_FAULT_RESET:
	case BH_FAULT_LOST:
	case BH_FAULT_NONE:
		break;
	}
	return abort_connection(c);
}

static enum MHD_Result finish(
    struct bh_server *s, struct MHD_Connection *c, const struct request *q)
{
	struct answer a;

	if (q->fault.latency_ms) {
		if (q->fault.mode == BH_FAULT_NONE)
			bh_stats_fault(s->stats, BH_FAULT_NONE);
		/* A client that gave up was not told that its data is taken: no record. */
		if (!hold(s, c, (int)q->fault.latency_ms))
			return MHD_NO;
	}
	if (q->fault.mode != BH_FAULT_NONE && q->fault.mode != BH_FAULT_LOST)
		return fail_as_told(s, c, q);
	a = process(s, c, q);
	if (q->fault.mode == BH_FAULT_LOST) {
		free(a.body);
		return fail_as_told(s, c, q);
	}
	bh_stats_answered(s->stats, q->path, a.status, q->bytes);
	return send_answer(c, a, 0);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *c, const char *path,
    const char *method, const char *version, const char *data, size_t *data_size, void **state)
{
	struct bh_server *s = cls;
	struct request *q = *state;

	(void)version; /* HTTP/1.0 and 1.1 are told apart by the library */
	if (!q) {
		*state = begin(s, c, method, path);
		return *state ? MHD_YES : MHD_NO;
	}
	if (*data_size > 0) {
		if (q->fault.mode == BH_FAULT_RESET)
			return fail_as_told(s, c, q);
		keep_body(s, q, data, *data_size);
		*data_size = 0;
		return MHD_YES;
	}
	if (q->own)
		return send_answer(c, own_path(s, c, path), 0);
	return finish(s, c, q);
}

static void on_completed(
    void *cls, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode code)
{
	struct request *q = *state;

	(void)cls;
	(void)c;
	(void)code; /* however it ended, its memory goes */
	if (!q)
		return;
	bh_buf_release(&q->body);
	free(q);
	*state = NULL;
}

static void on_connection(
    void *cls, struct MHD_Connection *c, void **state, enum MHD_ConnectionNotificationCode code)
{
	struct bh_server *s = cls;

	(void)c;
	(void)state;
	bh_stats_connection(s->stats, code == MHD_CONNECTION_NOTIFY_STARTED ? 1 : -1);
}

void bh_server_init(struct bh_server *s, struct bh_record *record, struct bh_stats *stats)
{
	memset(s, 0, sizeof(*s));
	s->record = record;
	s->stats = stats;
	s->stop_fd = -1;
	pthread_mutex_init(&s->fault_lock, NULL);
}

int bh_server_start(
    struct bh_server *s, const char *listen, char *bound, size_t bound_size, struct bh_err *err)
{
	int fd = bh_listen(listen, bound, bound_size, err);

	if (fd < 0)
		return fd;
	s->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->stop_fd < 0) {
		close(fd);
		return bh_err_set(err, -errno, "eventfd");
	}
	s->daemon =
	    MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
				 MHD_USE_POLL | MHD_USE_ITC,
		0, NULL, NULL, on_request, s, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)128 << 10, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_END);
	if (!s->daemon) {
		close(fd);
		return bh_err_set(err, BH_E_NET, "start the HTTP server on %s", listen);
	}
	return 0;
}

void bh_server_stop(struct bh_server *s)
{
	uint64_t one = 1;

	if (s->stop_fd >= 0)
		(void)!write(s->stop_fd, &one, sizeof(one)); /* cannot fail: the counter is 0 */
	if (s->daemon)
		MHD_stop_daemon(s->daemon);
	if (s->stop_fd >= 0)
		close(s->stop_fd);
	s->daemon = NULL;
	s->stop_fd = -1;
	pthread_mutex_destroy(&s->fault_lock);
}
