#include "forwarder/transport.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "common/version.h"
#include "forwarder/proxy.h"
#include "forwarder/transport_text.h"
#include "forwarder/transport_tls.h"

#define COMPONENT  "transport"
#define CONNECT_MS 30000L
#define IDLE_S     90L
#define IDLE_MAX   256L /* connections kept */
/* libcurl's memory of a request that waits for its answer, bytes: an answer is short, and so is
 * what of a lent body was not sent yet. */
#define ANSWER_CHUNK 4096L
#define LENT_CHUNK   16384L
#define KEEPALIVE_S  30L
#define HEADER_MAX   256
#define HEAD_MAX     ((size_t)16 << 10) /* of an answer, bytes */
#define BODY_MAX     ((size_t)64 << 10)
/* So much of a body is kept that an echo of the key across the end of the text is seen whole. */
#define KEPT_MAX (BH_HTTP_TEXT_MAX + HEADER_MAX)
#define URL_MAX  2048
#define KEYS_MAX 64

struct key {
	char header[HEADER_MAX];
	const char *text;     /* in header */
	char old[HEADER_MAX]; /* of requests that may be under way still; "" = none */
};

struct request {
	struct bh_transport *t;
	struct request *next;
	CURL *easy;
	struct curl_slist *headers;
	void *token;
	struct bh_target target;
	struct bh_way way;
	const struct key *key; /* borrowed from t */
	int64_t timeout_ms;
	const struct bh_http_lender *lender; /* NULL: libcurl reads the body by itself */
	struct bh_str lent;                  /* p NULL: given back */
	size_t lent_at;
	char error[CURL_ERROR_SIZE];
	int64_t date_s;
	size_t head_seen, body_seen;
	char body[KEPT_MAX + 1];
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
	const struct bh_config *cfg;
	struct bh_tls tls;
	struct key *keys[KEYS_MAX];
	unsigned keys_n;
	int64_t timed_out_ns; /* when a request ran out of time last; 0 = never */
	bool near_told;
	bh_http_done_fn *done;
	void *ctx;
};

static void discard(struct request *r)
{
	if (r->easy)
		curl_easy_cleanup(r->easy);
	curl_slist_free_all(r->headers);
	free(r);
}

static void unlink_request(struct bh_transport *t, struct request *r)
{
	struct request **at = &t->requests;

	while (*at && *at != r)
		at = &(*at)->next;
	if (*at)
		*at = r->next;
	(void)curl_multi_remove_handle(t->multi, r->easy);
	discard(r);
}

/* What is told to a person holds no key, neither this one nor the one before. */
static void clean(const struct key *k, char *text)
{
	bh_http_clean(text, k->text);
	if (k->old[0])
		bh_http_clean(text, k->old);
}

/* --- the outcome ------------------------------------------------------------------------------ */

static long info(CURL *easy, CURLINFO what)
{
	long v = 0;

	(void)curl_easy_getinfo(easy, what, &v);
	return v;
}

static bool reached(CURL *easy, CURLINFO what)
{
	curl_off_t us = 0;

	return curl_easy_getinfo(easy, what, &us) == CURLE_OK && us > 0;
}

static enum bh_http_stage stage_of(const struct request *r)
{
	if (reached(r->easy, CURLINFO_PRETRANSFER_TIME_T))
		return BH_HTTP_SENDING;
	if (reached(r->easy, CURLINFO_CONNECT_TIME_T))
		return r->target.https ? BH_HTTP_HANDSHAKING : BH_HTTP_SENDING;
	return reached(r->easy, CURLINFO_NAMELOOKUP_TIME_T) ? BH_HTTP_CONNECTING
							    : BH_HTTP_RESOLVING;
}

/* What the proxy answered instead of passing the request on; 0 = it did pass it. */
static long refused_by_proxy(const struct request *r)
{
	long connect = info(r->easy, CURLINFO_HTTP_CONNECTCODE);

	if (!r->way.proxy)
		return 0;
	if (r->target.https)
		return connect >= 200 && connect < 300 ? 0 : connect;
	return info(r->easy, CURLINFO_RESPONSE_CODE) == 407 ? 407 : 0;
}

static void explain(const struct request *r, CURLcode code, struct bh_http_result *out)
{
	char host[BH_PROXY_HOST_CAP + 8], proxy[BH_HTTP_TEXT_MAX];
	struct bh_http_failure f = {
	    .code = code,
	    .detail = r->error,
	    .host = host,
	    .proxy = r->way.proxy ? proxy : NULL,
	    .proxy_key = r->way.key,
	    .min_tls = r->t->cfg->min_tls_version,
	    .ca_file = r->t->cfg->tls_ca_file,
	    .proxy_status = refused_by_proxy(r),
	    .os_errno = info(r->easy, CURLINFO_OS_ERRNO),
	    .proxy_tls = info(r->easy, CURLINFO_PROXY_SSL_VERIFYRESULT) != 0,
	    .timeout_ms = r->timeout_ms,
	    .stage = stage_of(r),
	};

	(void)snprintf(host, sizeof(host), "%s:%u", r->target.host, r->target.port);
	if (r->way.proxy)
		bh_proxy_show(r->way.proxy, proxy, sizeof(proxy));
	bh_http_explain(&f, out->text, sizeof(out->text));
	clean(r->key, out->text);
}

static void tell_redirect(const struct request *r, struct bh_http_result *out)
{
	char *to = NULL;

	(void)curl_easy_getinfo(r->easy, CURLINFO_REDIRECT_URL, &to);
	(void)snprintf(out->text, sizeof(out->text),
	    "redirect to %.110s is not followed; set the URL to the intake itself",
	    to ? to : "nowhere");
	clean(r->key, out->text);
}

static int64_t retry_after(CURL *easy)
{
	curl_off_t s = 0;

	(void)curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &s);
	return s > 0 ? (int64_t)BH_MIN(s, BH_HTTP_RETRY_AFTER_MAX_S) * BH_NS_PER_S : 0;
}

static void judge(struct request *r, CURLcode code, struct bh_http_result *out)
{
	*out = (struct bh_http_result){.status = info(r->easy, CURLINFO_RESPONSE_CODE)};
	/* "Continue" and its like are no answer; nor is a head that goes on without end. */
	if (out->status < 200 || refused_by_proxy(r) || r->head_seen > HEAD_MAX)
		out->status = 0;
	if (out->status) {
		out->retry_after_ns = retry_after(r->easy);
		out->date_s = r->date_s;
	}
	if (out->status >= 300 && out->status < 400) {
		tell_redirect(r, out);
	} else if (out->status && (code == CURLE_OK || r->body_seen > 0)) {
		clean(r->key, r->body);
		(void)snprintf(out->text, sizeof(out->text), "%.*s", BH_HTTP_TEXT_MAX, r->body);
	} else {
		explain(r, code, out);
	}
}

static void finish(struct bh_transport *t, CURL *easy, CURLcode code)
{
	struct request *r = NULL;
	struct bh_http_result result;
	void *token;

	(void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&r);
	judge(r, code, &result);
	if (code == CURLE_OPERATION_TIMEDOUT)
		t->timed_out_ns = bh_mono_ns(t->loop->clock);
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

/* --- the answer ------------------------------------------------------------------------------- */

/* An answer's body is read to its end, so that the connection can be used again; its head is kept.
 */
static size_t on_body(char *p, size_t size, size_t n, void *userp)
{
	struct request *r = userp;
	size_t len = size * n;

	if (r->body_seen < KEPT_MAX) {
		size_t part = BH_MIN(len, KEPT_MAX - r->body_seen);

		memcpy(r->body + r->body_seen, p, part);
		r->body[r->body_seen + part] = '\0';
	}
	r->body_seen += len;
	return r->body_seen > BODY_MAX ? 0 : len;
}

static size_t on_header(char *p, size_t size, size_t n, void *userp)
{
	struct request *r = userp;
	int64_t date_s = bh_http_date(p, size * n);

	if (date_s)
		r->date_s = date_s;
	r->head_seen += size * n;
	return r->head_seen > HEAD_MAX ? 0 : size * n;
}

/* --- the body, when it is lent ---------------------------------------------------------------- */

static size_t on_read(char *to, size_t size, size_t n, void *userp)
{
	struct request *r = userp;
	size_t part = BH_MIN(size * n, r->lent.n - r->lent_at);

	if (part == 0)
		return 0;
	if (!r->lent.p && !r->lender->lend(r->t->ctx, r->token, &r->lent))
		return CURL_READFUNC_ABORT;
	memcpy(to, r->lent.p + r->lent_at, part);
	r->lent_at += part;
	if (r->lent_at == r->lent.n) {
		r->lent.p = NULL;
		r->lender->returned(r->t->ctx, r->token);
	}
	return part;
}

/* A connection that was kept turns out to be dead: libcurl begins again on another one. */
static int on_seek(void *userp, curl_off_t at, int origin)
{
	struct request *r = userp;

	if (origin != SEEK_SET || at < 0 || (uint64_t)at > r->lent.n)
		return CURL_SEEKFUNC_FAIL;
	r->lent_at = (size_t)at;
	return CURL_SEEKFUNC_OK;
}

static void set_body(struct request *r, const struct bh_http_request *req)
{
	CURL *e = r->easy;

	(void)curl_easy_setopt(e, CURLOPT_POST, 1L);
	(void)curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->body.n);
	if (!req->lender || req->body.n == 0) {
		(void)curl_easy_setopt(e, CURLOPT_POSTFIELDS, req->body.p);
		return;
	}
	(void)curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, LENT_CHUNK);
	r->lender = req->lender;
	r->lent = req->body;
	(void)curl_easy_setopt(e, CURLOPT_READFUNCTION, on_read);
	(void)curl_easy_setopt(e, CURLOPT_READDATA, r);
	(void)curl_easy_setopt(e, CURLOPT_SEEKFUNCTION, on_seek);
	(void)curl_easy_setopt(e, CURLOPT_SEEKDATA, r);
}

/* --- life ------------------------------------------------------------------------------------- */

static void set_multi(struct bh_transport *t)
{
	(void)curl_multi_setopt(t->multi, CURLMOPT_SOCKETFUNCTION, curl_socket);
	(void)curl_multi_setopt(t->multi, CURLMOPT_SOCKETDATA, t);
	(void)curl_multi_setopt(t->multi, CURLMOPT_TIMERFUNCTION, curl_timer);
	(void)curl_multi_setopt(t->multi, CURLMOPT_TIMERDATA, t);
	(void)curl_multi_setopt(t->multi, CURLMOPT_MAXCONNECTS, IDLE_MAX);
}

static int put_key(struct key *k, const char *text)
{
	static const char name[] = "DD-API-KEY: ";

	for (const char *p = text; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return BH_E_CONFIG;
	}
	if (strlen(text) > sizeof(k->header) - sizeof(name))
		return BH_E_CONFIG;
	explicit_bzero(k->header, sizeof(k->header));
	(void)snprintf(k->header, sizeof(k->header), "%s%s", name, text);
	k->text = k->header + sizeof(name) - 1;
	return 0;
}

int bh_transport_set_key(struct bh_transport *t, unsigned key, const char *text)
{
	struct key *k = key < t->keys_n ? t->keys[key] : NULL;
	char old[HEADER_MAX];
	int rc;

	if (!k)
		return BH_E_STATE;
	(void)snprintf(old, sizeof(old), "%s", k->text);
	rc = put_key(k, text);
	if (!rc)
		(void)snprintf(k->old, sizeof(k->old), "%s", old);
	explicit_bzero(old, sizeof(old));
	return rc;
}

bool bh_transport_key_is(const struct bh_transport *t, unsigned key, const char *text)
{
	return key < t->keys_n && strcmp(t->keys[key]->text, text) == 0;
}

int bh_transport_add_key(struct bh_transport *t, const char *text, struct bh_err *err)
{
	struct key *k;

	if (t->keys_n == KEYS_MAX)
		return bh_err_set(err, BH_E_CONFIG, "there are more API keys than %d", KEYS_MAX);
	k = calloc(1, sizeof(*k));
	if (!k)
		return bh_err_set(err, -ENOMEM, "transport");
	t->keys[t->keys_n++] = k;
	if (put_key(k, text))
		return bh_err_set(
		    err, BH_E_CONFIG, "an API key is too long, or has control characters");
	return 0;
}

int bh_transport_new(struct bh_transport **out, struct bh_loop *loop, struct bh_log *log,
    const struct bh_config *cfg, bh_http_done_fn *done, void *ctx, struct bh_err *err)
{
	struct bh_transport *t = calloc(1, sizeof(*t));
	int rc;

	if (!t)
		return bh_err_set(err, -ENOMEM, "transport");
	bh_tls_key_log(cfg, log);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) || !(t->multi = curl_multi_init())) {
		free(t);
		return bh_err_set(err, BH_E_NET, "libcurl does not start");
	}
	t->loop = loop;
	t->log = log;
	t->cfg = cfg;
	t->done = done;
	t->ctx = ctx;
	set_multi(t);
	rc = bh_transport_add_key(t, cfg->api_key, err);
	if (!rc && (rc = bh_tls_init(&t->tls, cfg, log)))
		(void)bh_err_set(err, rc, "TLS settings");
	if (rc)
		bh_transport_free(t);
	else
		*out = t;
	return rc;
}

const char *bh_transport_key(const struct bh_transport *t, unsigned key)
{
	return key < t->keys_n ? t->keys[key]->text : "";
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
	bh_tls_release(&t->tls);
	curl_global_cleanup();
	for (unsigned i = 0; i < t->keys_n; i++) {
		explicit_bzero(t->keys[i], sizeof(*t->keys[i]));
		free(t->keys[i]);
	}
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

	if (req->check_key)
		return add_header(r, "DD-Agent-Version: " BH_AGENT_VERSION);
	/* An empty Expect keeps libcurl from asking for 100-continue and waiting a second. */
	if (!add_header(r, r->key->header) || !add_header(r, "Expect:") ||
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
	if (r->t->cfg->allow_arbitrary_tags && !add_header(r, "Allow-Arbitrary-Tag-Value: true"))
		return false;
	return add_header(r, "DD-Agent-Version: " BH_AGENT_VERSION);
}

/* GET <url>?api_key=<key>; libcurl keeps a copy of its own, gone with the handle. */
static void set_key_query(struct request *r, const struct bh_http_request *req)
{
	char *escaped = curl_easy_escape(r->easy, r->key->text, 0);
	char url[2 * HEADER_MAX + URL_MAX];

	(void)snprintf(
	    url, sizeof(url), "%.*s?api_key=%s", URL_MAX, req->url, escaped ? escaped : "");
	(void)curl_easy_setopt(r->easy, CURLOPT_HTTPGET, 1L);
	(void)curl_easy_setopt(r->easy, CURLOPT_URL, url);
	explicit_bzero(url, sizeof(url));
	curl_free(escaped);
}

/* --- the request ------------------------------------------------------------------------------ */

/* Seconds a connection may have lived to be used again; 0 = any. One on which a request ran out of
 * time may be dead: libcurl would put further streams on it. */
static long lifetime_s(const struct bh_transport *t, int64_t ms)
{
	int64_t age_ns = bh_mono_ns(t->loop->clock) - t->timed_out_ns;
	long s = (long)((ms + 999) / 1000), since = (long)(age_ns / BH_NS_PER_S);

	if (t->timed_out_ns == 0 || since > IDLE_S)
		return s;
	since = BH_MAX(since, 1L);
	return s ? BH_MIN(s, since) : since;
}

static void set_connection(struct request *r, const struct bh_http_request *req)
{
	const struct bh_config *cfg = r->t->cfg;
	bool logs = req->kind == BH_KIND_LOGS;
	const char *word = logs ? cfg->logs_http_protocol : cfg->forwarder_http_protocol;
	bool http2 = r->target.https && strcmp(word, "http1") != 0;
	CURL *e = r->easy;

	(void)curl_easy_setopt(e, CURLOPT_HTTP_VERSION,
	    http2 ? (long)CURL_HTTP_VERSION_2TLS : (long)CURL_HTTP_VERSION_1_1);
	/* Rather a stream of a connection being made than a connection of its own. */
	(void)curl_easy_setopt(e, CURLOPT_PIPEWAIT, http2 ? 1L : 0L);
	(void)curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)req->timeout_ms);
	(void)curl_easy_setopt(
	    e, CURLOPT_CONNECTTIMEOUT_MS, BH_MIN(CONNECT_MS, (long)req->timeout_ms));
	(void)curl_easy_setopt(e, CURLOPT_MAXAGE_CONN, IDLE_S);
	(void)curl_easy_setopt(e, CURLOPT_MAXLIFETIME_CONN, lifetime_s(r->t, req->reset_ms));
	(void)curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	(void)curl_easy_setopt(e, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_S);
	(void)curl_easy_setopt(e, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_S);
	(void)curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
}

/* The environment's proxies are not libcurl's to follow: it is always told (spec/intake.md §3). */
static CURLcode set_proxy(struct request *r)
{
	const char *proxy = r->way.proxy ? r->way.proxy : "";
	CURL *e = r->easy;
	CURLcode rc = curl_easy_setopt(e, CURLOPT_PROXY, proxy);

	if (!rc)
		rc = curl_easy_setopt(e, CURLOPT_NOPROXY, "");
	if (!rc && *proxy)
		rc = curl_easy_setopt(e, CURLOPT_PROXYPORT, bh_proxy_default_port(proxy));
	if (!rc)
		rc = curl_easy_setopt(e, CURLOPT_PROXYAUTH, (long)CURLAUTH_BASIC);
	/* CONNECT carries none of our headers: the API key is not the proxy's to see. */
	return rc ? rc : curl_easy_setopt(e, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
}

/* Options that decide where the data goes and who can read it: all must hold. */
static CURLcode set_way(struct request *r, const struct bh_http_request *req)
{
	CURL *e = r->easy;
	CURLcode rc = curl_easy_setopt(e, CURLOPT_URL, req->url);

	if (!rc)
		rc = curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	if (!rc)
		rc = curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	if (!rc)
		rc = set_proxy(r);
	return rc ? rc : bh_tls_apply(&r->t->tls, e);
}

static CURLcode set_options(struct request *r, const struct bh_http_request *req)
{
	CURL *e = r->easy;
	CURLcode code;

	(void)curl_easy_setopt(e, CURLOPT_PRIVATE, r);
	(void)curl_easy_setopt(e, CURLOPT_HTTPHEADER, r->headers);
	set_body(r, req);
	(void)curl_easy_setopt(
	    e, CURLOPT_USERAGENT, "datadog-agent/" BH_AGENT_VERSION " bulkhead/" BH_VERSION);
	(void)curl_easy_setopt(e, CURLOPT_BUFFERSIZE, ANSWER_CHUNK);
	(void)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(e, CURLOPT_WRITEDATA, r);
	(void)curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	(void)curl_easy_setopt(e, CURLOPT_HEADERDATA, r);
	(void)curl_easy_setopt(e, CURLOPT_ERRORBUFFER, r->error);
	set_connection(r, req);
	code = set_way(r, req);
	if (code == CURLE_OK && req->check_key)
		set_key_query(r, req);
	return code;
}

static int choose_way(struct request *r, const char *url)
{
	int rc = bh_target_parse(url, &r->target);

	if (rc)
		return rc;
	bh_proxy_choose(r->t->cfg, &r->target, &r->way);
	if (r->way.near && !r->t->near_told)
		bh_warn(r->t->log, COMPONENT,
		    "proxy.no_proxy: \"%.80s\" fits %.80s only with no_proxy_nonexact_match; the "
		    "proxy is used",
		    r->way.near, r->target.host);
	r->t->near_told |= r->way.near != NULL;
	return 0;
}

/* -ENOMEM, BH_E_FORMAT, BH_E_NET. */
static int prepare(struct request *r, const struct bh_http_request *req)
{
	int rc = choose_way(r, req->url);

	if (rc)
		return rc;
	r->easy = curl_easy_init();
	if (!r->easy || !add_headers(r, req))
		return -ENOMEM;
	r->timeout_ms = req->timeout_ms;
	return set_options(r, req) ? BH_E_NET : 0;
}

int bh_transport_start(struct bh_transport *t, const struct bh_http_request *req, void *token)
{
	struct request *r;
	int rc;

	if (req->key >= t->keys_n)
		return BH_E_STATE; /* no other key may go there */
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->t = t;
	r->token = token;
	r->key = t->keys[req->key];
	rc = prepare(r, req);
	if (rc) {
		discard(r);
		return rc;
	}
	r->next = t->requests;
	t->requests = r;
	if (curl_multi_add_handle(t->multi, r->easy) != CURLM_OK) {
		unlink_request(t, r);
		return BH_E_NET;
	}
	return 0;
}

void bh_transport_proxies(const struct bh_transport *t, char *out, size_t cap)
{
	const char *const keys[] = {"http", "https"};
	const char *const urls[] = {t->cfg->proxy_http, t->cfg->proxy_https};
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < BH_ARRAY_LEN(urls); i++) {
		char shown[BH_HTTP_TEXT_MAX];

		if (!urls[i][0] || n >= cap)
			continue;
		bh_proxy_show(urls[i], shown, sizeof(shown));
		n += (size_t)snprintf(
		    out + n, cap - n, "%s%s intakes over %.80s", n ? ", " : "", keys[i], shown);
	}
}
