/* What comes back: how much of it is read, and what it means. */
#include <stdio.h>
#include <string.h>

#include "forwarder/transport_internal.h"
#include "forwarder/transport_text.h"

#define HEAD_MAX ((size_t)16 << 10) /* of an answer, bytes */
#define BODY_MAX ((size_t)64 << 10)

/* --- the answer ------------------------------------------------------------------------------- */

/* An answer's body is read to its end, so that the connection can be used again; its head is kept.
 */
static size_t on_body(char *p, size_t size, size_t n, void *userp)
{
	struct bh_transport_request *r = userp;
	size_t len = size * n;

	if (r->body_seen < BH_HTTP_KEPT_MAX) {
		size_t part = BH_MIN(len, BH_HTTP_KEPT_MAX - r->body_seen);

		memcpy(r->body + r->body_seen, p, part);
		r->body[r->body_seen + part] = '\0';
	}
	r->body_seen += len;
	return r->body_seen > BODY_MAX ? 0 : len;
}

static size_t on_header(char *p, size_t size, size_t n, void *userp)
{
	struct bh_transport_request *r = userp;
	int64_t date_s = bh_http_date(p, size * n);

	if (date_s)
		r->date_s = date_s;
	r->head_seen += size * n;
	return r->head_seen > HEAD_MAX ? 0 : size * n;
}

void bh_transport_take_answer(struct bh_transport_request *r)
{
	(void)curl_easy_setopt(r->easy, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(r->easy, CURLOPT_WRITEDATA, r);
	(void)curl_easy_setopt(r->easy, CURLOPT_HEADERFUNCTION, on_header);
	(void)curl_easy_setopt(r->easy, CURLOPT_HEADERDATA, r);
	(void)curl_easy_setopt(r->easy, CURLOPT_ERRORBUFFER, r->error);
}

/* What is told to a person holds no key, neither this one nor the one before. */
static void clean(const struct bh_transport_key *k, char *text)
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

static enum bh_http_stage stage_of(const struct bh_transport_request *r)
{
	if (reached(r->easy, CURLINFO_PRETRANSFER_TIME_T))
		return BH_HTTP_SENDING;
	if (reached(r->easy, CURLINFO_CONNECT_TIME_T))
		return r->target.https ? BH_HTTP_HANDSHAKING : BH_HTTP_SENDING;
	return reached(r->easy, CURLINFO_NAMELOOKUP_TIME_T) ? BH_HTTP_CONNECTING
							    : BH_HTTP_RESOLVING;
}

/* What the proxy answered instead of passing the request on; 0 = it did pass it. */
static long refused_by_proxy(const struct bh_transport_request *r)
{
	long connect = info(r->easy, CURLINFO_HTTP_CONNECTCODE);

	if (!r->way.proxy)
		return 0;
	if (r->target.https)
		return connect >= 200 && connect < 300 ? 0 : connect;
	return info(r->easy, CURLINFO_RESPONSE_CODE) == 407 ? 407 : 0;
}

static void explain(const struct bh_transport_request *r, CURLcode code, struct bh_http_result *out)
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

static void tell_redirect(const struct bh_transport_request *r, struct bh_http_result *out)
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

void bh_transport_judge(struct bh_transport_request *r, CURLcode code, struct bh_http_result *out)
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
