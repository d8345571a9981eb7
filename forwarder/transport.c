#include "forwarder/transport.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "common/version.h"

#define CONNECT_MS 30000L
#define IDLE_S     90L
#define HEADER_MAX 256
#define URL_MAX    2048

struct request {
	struct bh_transport *t;
	struct request *next;
	CURL *easy;
	struct curl_slist *headers;
	void *token;
	struct bh_http_result result;
	char error[CURL_ERROR_SIZE];
	size_t body_seen;
};

/* curl's sockets, one watch each */
struct sock {
	struct bh_watch watch;
	struct bh_transport *t;
	struct sock *next;
};

struct bh_transport {
	struct bh_loop *loop;
	struct bh_log *log;
	CURLM *multi;
	struct bh_timer timer;
	struct request *requests;
	struct sock *socks;
	char key_header[HEADER_MAX];
	bool skip_ssl;
	bh_http_done_fn *done;
	void *ctx;
};

static void unlink_request(struct bh_transport *t, struct request *r)
{
	struct request **at = &t->requests;

	while (*at && *at != r)
		at = &(*at)->next;
	if (*at)
		*at = r->next;
	(void)curl_multi_remove_handle(t->multi, r->easy);
	curl_easy_cleanup(r->easy);
	curl_slist_free_all(r->headers);
	free(r);
}

/* Says which step failed, in words an operator can act on. */
static void explain(struct request *r, CURLcode code)
{
	const char *what = r->error[0] ? r->error : curl_easy_strerror(code);
	const char *step = "request failed";

	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		step = "DNS";
		break;
	case CURLE_COULDNT_CONNECT:
		step = "connect";
		break;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
		step = "TLS (skip_ssl_validation turns the check off)";
		break;
	case CURLE_OPERATION_TIMEDOUT:
		step = "time-out";
		break;
	default:
		break;
	}
	(void)snprintf(r->result.text, sizeof(r->result.text), "%.55s: %.140s", step, what);
}

static void finish(struct bh_transport *t, CURL *easy, CURLcode code)
{
	struct request *r = NULL;
	struct bh_http_result result;
	curl_off_t retry = 0;
	void *token;

	(void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&r);
	(void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &r->result.status);
	(void)curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &retry);
	r->result.retry_after_ns = retry > 0 ? (int64_t)retry * BH_NS_PER_S : 0;
	if (r->result.status == 0 || (code != CURLE_OK && r->result.text[0] == '\0'))
		explain(r, code);
	result = r->result;
	token = r->token;
	unlink_request(t, r);
	t->done(t->ctx, token, &result);
}

static void collect(struct bh_transport *t)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(t->multi, &left))) {
		if (m->msg == CURLMSG_DONE)
			finish(t, m->easy_handle, m->data.result);
	}
}

static void on_socket(struct bh_watch *w, unsigned events)
{
	struct bh_transport *t = BH_CONTAINER(w, struct sock, watch)->t;
	int flags = 0, running = 0;

	if (events & BH_LOOP_READ)
		flags |= CURL_CSELECT_IN;
	if (events & BH_LOOP_WRITE)
		flags |= CURL_CSELECT_OUT;
	if (events & BH_LOOP_HANGUP)
		flags |= CURL_CSELECT_ERR;
	(void)curl_multi_socket_action(t->multi, w->fd, flags, &running);
	collect(t);
}

static void on_timer(struct bh_timer *timer)
{
	struct bh_transport *t = BH_CONTAINER(timer, struct bh_transport, timer);
	int running = 0;

	(void)curl_multi_socket_action(t->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	collect(t);
}

static int curl_timer(CURLM *multi, long timeout_ms, void *userp)
{
	struct bh_transport *t = userp;

	(void)multi;
	if (timeout_ms < 0)
		bh_timer_cancel(&t->timer);
	else
		bh_timer_in(t->loop, &t->timer, timeout_ms * BH_NS_PER_MS, on_timer);
	return 0;
}

static void drop_sock(struct bh_transport *t, struct sock *s)
{
	struct sock **at = &t->socks;

	while (*at && *at != s)
		at = &(*at)->next;
	if (*at)
		*at = s->next;
	bh_loop_del_fd(&s->watch);
	free(s);
}

static unsigned wanted(int what)
{
	unsigned events = 0;

	if (what & CURL_POLL_IN)
		events |= BH_LOOP_READ;
	if (what & CURL_POLL_OUT)
		events |= BH_LOOP_WRITE;
	return events;
}

static int curl_socket(CURL *easy, curl_socket_t fd, int what, void *userp, void *sockp)
{
	struct bh_transport *t = userp;
	struct sock *s = sockp;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (s)
			drop_sock(t, s);
		return 0;
	}
	if (s)
		return bh_loop_mod_fd(&s->watch, wanted(what)) ? -1 : 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -1;
	s->t = t;
	if (bh_loop_add_fd(t->loop, &s->watch, fd, wanted(what), on_socket)) {
		free(s);
		return -1;
	}
	s->next = t->socks;
	t->socks = s;
	(void)curl_multi_assign(t->multi, fd, s);
	return 0;
}

/* The answer's body is read to its end, so that the connection can be reused; its head is kept. */
static size_t on_body(char *p, size_t size, size_t n, void *userp)
{
	struct request *r = userp;
	size_t len = size * n;

	if (r->body_seen < BH_HTTP_TEXT_MAX) {
		size_t part = BH_MIN(len, BH_HTTP_TEXT_MAX - r->body_seen);

		memcpy(r->result.text + r->body_seen, p, part);
		r->result.text[r->body_seen + part] = '\0';
	}
	r->body_seen += len;
	return r->body_seen > ((size_t)1 << 20) ? 0 : len;
}

int bh_transport_new(struct bh_transport **out, struct bh_loop *loop, struct bh_log *log,
    const char *api_key, bool skip_ssl_validation, bh_http_done_fn *done, void *ctx,
    struct bh_err *err)
{
	struct bh_transport *t = calloc(1, sizeof(*t));
	int n;

	if (!t)
		return bh_err_set(err, -ENOMEM, "transport");
	if (curl_global_init(CURL_GLOBAL_DEFAULT) || !(t->multi = curl_multi_init())) {
		free(t);
		return bh_err_set(err, BH_E_NET, "libcurl does not start");
	}
	n = snprintf(t->key_header, sizeof(t->key_header), "DD-API-KEY: %s", api_key);
	if (n < 0 || (size_t)n >= sizeof(t->key_header)) {
		bh_transport_free(t);
		return bh_err_set(err, BH_E_CONFIG, "api_key is longer than %d bytes", HEADER_MAX);
	}
	t->loop = loop;
	t->log = log;
	t->skip_ssl = skip_ssl_validation;
	t->done = done;
	t->ctx = ctx;
	(void)curl_multi_setopt(t->multi, CURLMOPT_SOCKETFUNCTION, curl_socket);
	(void)curl_multi_setopt(t->multi, CURLMOPT_SOCKETDATA, t);
	(void)curl_multi_setopt(t->multi, CURLMOPT_TIMERFUNCTION, curl_timer);
	(void)curl_multi_setopt(t->multi, CURLMOPT_TIMERDATA, t);
	*out = t;
	return 0;
}

void bh_transport_cancel_all(struct bh_transport *t)
{
	while (t->requests)
		unlink_request(t, t->requests);
}

void bh_transport_free(struct bh_transport *t)
{
	if (!t)
		return;
	bh_transport_cancel_all(t);
	(void)curl_multi_cleanup(t->multi);
	while (t->socks)
		drop_sock(t, t->socks);
	bh_timer_cancel(&t->timer);
	curl_global_cleanup();
	explicit_bzero(t->key_header, sizeof(t->key_header));
	free(t);
}

static bool add_header(struct request *r, const char *text)
{
	struct curl_slist *grown = curl_slist_append(r->headers, text);

	if (grown)
		r->headers = grown;
	return grown != NULL;
}

static bool add_logs_headers(struct request *r, const struct bh_http_request *req)
{
	char line[HEADER_MAX];

	(void)snprintf(
	    line, sizeof(line), "dd-message-timestamp: %lld", (long long)req->last_ts_ms);
	if (!add_header(r, line))
		return false;
	(void)snprintf(line, sizeof(line), "dd-current-timestamp: %lld",
	    (long long)bh_wall_ms(r->t->loop->clock));
	return add_header(r, line) && add_header(r, "DD-PROTOCOL: agent-json") &&
	       add_header(r, "DD-EVP-ORIGIN: agent") &&
	       add_header(r, "DD-EVP-ORIGIN-VERSION: " BH_AGENT_VERSION);
}

static bool add_headers(struct request *r, const struct bh_http_request *req)
{
	bool protobuf = req->kind == BH_KIND_SERIES_V2 || req->kind == BH_KIND_SKETCHES;
	char line[HEADER_MAX];

	/* An empty Expect keeps libcurl from asking for 100-continue and waiting a second. */
	if (!add_header(r, r->t->key_header) || !add_header(r, "Expect:") ||
	    !add_header(r, protobuf ? "Content-Type: application/x-protobuf"
				    : "Content-Type: application/json"))
		return false;
	if (req->encoding != BH_ENC_IDENTITY) {
		(void)snprintf(
		    line, sizeof(line), "Content-Encoding: %s", bh_encoding_name(req->encoding));
		if (!add_header(r, line))
			return false;
	}
	if (protobuf && !add_header(r, "DD-Agent-Payload: 4.87.0"))
		return false;
	if (req->kind == BH_KIND_LOGS)
		return add_logs_headers(r, req);
	return add_header(r, "DD-Agent-Version: " BH_AGENT_VERSION);
}

/* GET <url>?api_key=<key>; libcurl keeps a copy of its own, gone with the handle. */
static void set_key_query(struct request *r, const struct bh_http_request *req)
{
	const char *key = r->t->key_header + sizeof("DD-API-KEY: ") - 1;
	char *escaped = curl_easy_escape(r->easy, key, 0);
	char url[2 * HEADER_MAX + URL_MAX];

	(void)snprintf(
	    url, sizeof(url), "%.*s?api_key=%s", URL_MAX, req->url, escaped ? escaped : "");
	(void)curl_easy_setopt(r->easy, CURLOPT_HTTPGET, 1L);
	(void)curl_easy_setopt(r->easy, CURLOPT_URL, url);
	explicit_bzero(url, sizeof(url));
	curl_free(escaped);
}

static void set_options(struct request *r, const struct bh_http_request *req)
{
	CURL *e = r->easy;
	long connect_ms = BH_MIN(CONNECT_MS, (long)req->timeout_ms);

	(void)curl_easy_setopt(e, CURLOPT_URL, req->url);
	(void)curl_easy_setopt(e, CURLOPT_PRIVATE, r);
	(void)curl_easy_setopt(e, CURLOPT_HTTPHEADER, r->headers);
	(void)curl_easy_setopt(e, CURLOPT_POST, 1L);
	(void)curl_easy_setopt(e, CURLOPT_POSTFIELDS, req->body.p);
	(void)curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->body.n);
	(void)curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)req->timeout_ms);
	(void)curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
	(void)curl_easy_setopt(e, CURLOPT_MAXAGE_CONN, IDLE_S);
	(void)curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	(void)curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	(void)curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	(void)curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	(void)curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, r->t->skip_ssl ? 0L : 1L);
	(void)curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, r->t->skip_ssl ? 0L : 2L);
	/* The environment's proxies are not ours to follow (spec/intake.md §3). */
	(void)curl_easy_setopt(e, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(e, CURLOPT_NOPROXY, "");
	(void)curl_easy_setopt(
	    e, CURLOPT_USERAGENT, "datadog-agent/" BH_AGENT_VERSION " bulkhead/" BH_VERSION);
	(void)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(e, CURLOPT_WRITEDATA, r);
	(void)curl_easy_setopt(e, CURLOPT_ERRORBUFFER, r->error);
	if (req->check_key)
		set_key_query(r, req);
}

int bh_transport_start(struct bh_transport *t, const struct bh_http_request *req, void *token)
{
	struct request *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->t = t;
	r->token = token;
	r->easy = curl_easy_init();
	if (!r->easy || !add_headers(r, req)) {
		curl_slist_free_all(r->headers);
		if (r->easy)
			curl_easy_cleanup(r->easy);
		free(r);
		return -ENOMEM;
	}
	set_options(r, req);
	r->next = t->requests;
	t->requests = r;
	if (curl_multi_add_handle(t->multi, r->easy) != CURLM_OK) {
		unlink_request(t, r);
		return BH_E_NET;
	}
	return 0;
}
