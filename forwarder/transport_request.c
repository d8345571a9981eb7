/* What goes out: heads, body, connection and way of one request (spec/intake.md §3, §4). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/version.h"
#include "forwarder/transport_internal.h"

#define COMPONENT   "transport"
#define CONNECT_MS  30000L
#define KEEPALIVE_S 30L
#define URL_MAX     2048
/* libcurl's memory of a request that waits for its answer, bytes: an answer is short, and so is
 * what of a lent body was not sent yet. */
#define ANSWER_CHUNK 4096L
#define LENT_CHUNK   16384L

/* --- the body, when it is lent ---------------------------------------------------------------- */

static size_t on_read(char *to, size_t size, size_t n, void *userp)
{
	struct bh_transport_request *r = userp;
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
	struct bh_transport_request *r = userp;

	if (origin != SEEK_SET || at < 0 || (uint64_t)at > r->lent.n)
		return CURL_SEEKFUNC_FAIL;
	r->lent_at = (size_t)at;
	return CURL_SEEKFUNC_OK;
}

static void set_body(struct bh_transport_request *r, const struct bh_http_request *req)
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

/* --- heads ------------------------------------------------------------------------------------ */

static bool add_header(struct bh_transport_request *r, const char *text)
{
	struct curl_slist *grown = curl_slist_append(r->headers, text);

	if (grown)
		r->headers = grown;
	return grown != NULL;
}

static bool add_logs_headers(struct bh_transport_request *r, const struct bh_http_request *req)
{
	char line[BH_HTTP_HEADER_MAX];

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

static bool add_headers(struct bh_transport_request *r, const struct bh_http_request *req)
{
	bool protobuf = req->kind == BH_KIND_SERIES_V2 || req->kind == BH_KIND_SKETCHES;
	char line[BH_HTTP_HEADER_MAX];

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
static void set_key_query(struct bh_transport_request *r, const struct bh_http_request *req)
{
	char *escaped = curl_easy_escape(r->easy, r->key->text, 0);
	char url[2 * BH_HTTP_HEADER_MAX + URL_MAX];

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
static long lifetime_s(const struct bh_transport_request *r, int64_t ms)
{
	int64_t stale_ns = bh_transport_stale_ns(r);
	int64_t age_ns = bh_mono_ns(r->t->loop->clock) - stale_ns;
	long s = (long)((ms + 999) / 1000), since = (long)(age_ns / BH_NS_PER_S);

	if (stale_ns == 0 || since > BH_HTTP_IDLE_S)
		return s;
	since = BH_MAX(since, 1L);
	return s ? BH_MIN(s, since) : since;
}

static void set_connection(struct bh_transport_request *r, const struct bh_http_request *req)
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
	(void)curl_easy_setopt(e, CURLOPT_MAXAGE_CONN, BH_HTTP_IDLE_S);
	(void)curl_easy_setopt(e, CURLOPT_MAXLIFETIME_CONN, lifetime_s(r, req->reset_ms));
	(void)curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	(void)curl_easy_setopt(e, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_S);
	(void)curl_easy_setopt(e, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_S);
	(void)curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
}

/* The environment's proxies are not libcurl's to follow: it is always told (spec/intake.md §3). */
static CURLcode set_proxy(struct bh_transport_request *r)
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
static CURLcode set_way(struct bh_transport_request *r, const struct bh_http_request *req)
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

static CURLcode set_options(struct bh_transport_request *r, const struct bh_http_request *req)
{
	CURL *e = r->easy;
	CURLcode code;

	(void)curl_easy_setopt(e, CURLOPT_PRIVATE, r);
	(void)curl_easy_setopt(e, CURLOPT_HTTPHEADER, r->headers);
	set_body(r, req);
	(void)curl_easy_setopt(
	    e, CURLOPT_USERAGENT, "datadog-agent/" BH_AGENT_VERSION " bulkhead/" BH_VERSION);
	(void)curl_easy_setopt(e, CURLOPT_BUFFERSIZE, ANSWER_CHUNK);
	bh_transport_take_answer(r);
	set_connection(r, req);
	code = set_way(r, req);
	if (code == CURLE_OK && req->check_key)
		set_key_query(r, req);
	return code;
}

static int choose_way(struct bh_transport_request *r, const char *url)
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

int bh_transport_prepare(struct bh_transport_request *r, const struct bh_http_request *req)
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
