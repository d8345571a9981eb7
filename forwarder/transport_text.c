#include "forwarder/transport_text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/attrs.h"

#define SKIP "unsafe: skip_ssl_validation"

static bool says(const struct bh_http_failure *f, const char *word)
{
	return strstr(f->detail, word) != NULL;
}

/* libcurl's text for a certificate comes behind a head that says nothing new. */
static const char *bare(const char *detail)
{
	static const char *const heads[] = {
	    "SSL certificate problem: ", "SSL: ", "TLS connect error: "};

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		size_t n = strlen(heads[i]);

		if (strncmp(detail, heads[i], n) == 0)
			return detail + n;
	}
	return detail;
}

static const char *peer(const struct bh_http_failure *f)
{
	return f->proxy_tls && f->proxy ? f->proxy : f->host;
}

static void explain_certificate(const struct bh_http_failure *f, char *out, size_t cap)
{
	const char *what = bare(f->detail), *way_out = "name its CA in bulkhead.tls.ca_file";

	if (says(f, "subject name") || says(f, "does not match target host")) {
		what = "the certificate is for another name";
		way_out = "correct the URL";
	} else if (says(f, "expired")) {
		way_out = "renew it, or set this clock";
	} else if (says(f, "not yet valid")) {
		way_out = "set this clock";
	} else if (says(f, "too weak") || says(f, "too small")) {
		way_out = "it needs a longer key";
	}
	(void)snprintf(out, cap, "TLS: %.70s, %.80s; %s (%s)", what, peer(f), way_out, SKIP);
}

static void explain_handshake(const struct bh_http_failure *f, char *out, size_t cap)
{
	if (says(f, "wrong version number") || says(f, "packet length too long") ||
	    says(f, "http request"))
		(void)snprintf(out, cap,
		    "TLS: %.80s does not speak it on this port; correct the port, or write http://",
		    peer(f));
	else if (says(f, "protocol version") || says(f, "unsupported protocol") ||
		 says(f, "alert protocol") || says(f, "no protocols available"))
		(void)snprintf(out, cap,
		    "TLS: %.80s offers no version from %s on; update it, or lower min_tls_version",
		    peer(f), f->min_tls);
	else if (says(f, "certificate required") || says(f, "bad certificate") ||
		 says(f, "alert handshake failure"))
		(void)snprintf(out, cap,
		    "TLS: %.80s refuses our certificate or ciphers; check bulkhead.tls.cert_file "
		    "(%.60s)",
		    peer(f), bare(f->detail));
	else
		(void)snprintf(
		    out, cap, "TLS: handshake with %.80s failed: %.90s", peer(f), bare(f->detail));
}

static void explain_refusal(const struct bh_http_failure *f, char *out, size_t cap)
{
	if (f->proxy_status == 407)
		(void)snprintf(out, cap,
		    "proxy %.80s wants other credentials (407); write user:password@ into %s",
		    f->proxy, f->proxy_key);
	else
		(void)snprintf(out, cap,
		    "proxy %.60s refuses CONNECT to %.60s (%ld); allow it there, or list the host "
		    "in "
		    "proxy.no_proxy",
		    f->proxy, f->host, f->proxy_status);
}

static void explain_connect(const struct bh_http_failure *f, char *out, size_t cap)
{
	const char *why = f->os_errno ? strerror((int)f->os_errno) : "no answer";

	if (f->proxy)
		(void)snprintf(
		    out, cap, "connect: proxy %.80s: %.60s; check %s", f->proxy, why, f->proxy_key);
	else
		(void)snprintf(
		    out, cap, "connect: %.100s: %.60s; check the URL and firewalls", f->host, why);
}

static void explain_timeout(const struct bh_http_failure *f, char *out, size_t cap)
{
	static const char *const missing[] = {
	    [BH_HTTP_RESOLVING] = "did not resolve",
	    [BH_HTTP_CONNECTING] = "was not reached",
	    [BH_HTTP_HANDSHAKING] = "did not finish the TLS handshake",
	    [BH_HTTP_SENDING] = "gave no whole answer",
	};
	const char *who = f->proxy && f->stage <= BH_HTTP_CONNECTING ? f->proxy : f->host;

	(void)snprintf(out, cap, "time-out: %.80s %s within %lld.%lld s%s%.50s", who,
	    missing[f->stage], (long long)(f->timeout_ms / 1000),
	    (long long)(f->timeout_ms % 1000 / 100),
	    f->proxy && who != f->proxy ? ", through proxy " : "",
	    f->proxy && who != f->proxy ? f->proxy : "");
}

static void explain_rest(const struct bh_http_failure *f, char *out, size_t cap)
{
	switch (f->code) {
	case CURLE_GOT_NOTHING:
		(void)snprintf(out, cap,
		    "%.90s closed the connection without an answer; is the intake there?", f->host);
		return;
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL:
		(void)snprintf(out, cap,
		    "%.90s answers something that is not HTTP; check host, port and scheme",
		    f->host);
		return;
	case CURLE_WRITE_ERROR:
		(void)snprintf(out, cap,
		    "%.90s answers more than an intake has to say; check the URL", f->host);
		return;
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_PARTIAL_FILE:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		(void)snprintf(out, cap, "connection to %.80s broke: %.90s", f->host,
		    f->detail[0] ? f->detail : curl_easy_strerror(f->code));
		return;
	default:
		(void)snprintf(out, cap, "%.90s: %.90s", f->host, curl_easy_strerror(f->code));
	}
}

void bh_http_explain(const struct bh_http_failure *f, char *out, size_t cap)
{
	if (f->proxy && f->proxy_status) {
		explain_refusal(f, out, cap);
		return;
	}
	switch (f->code) {
	case CURLE_COULDNT_RESOLVE_HOST:
		(void)snprintf(out, cap,
		    "DNS: %.120s does not resolve; check the URL and this host's resolver",
		    f->host);
		return;
	case CURLE_COULDNT_RESOLVE_PROXY:
		(void)snprintf(out, cap, "DNS: proxy %.100s does not resolve; check %s",
		    f->proxy ? f->proxy : "", f->proxy_key);
		return;
	case CURLE_COULDNT_CONNECT:
	case CURLE_PROXY:
		explain_connect(f, out, cap);
		return;
	case CURLE_PEER_FAILED_VERIFICATION:
		explain_certificate(f, out, cap);
		return;
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
		(void)snprintf(out, cap,
		    "TLS: key of %.80s is not in bulkhead.tls.pinned_public_keys; nothing was sent",
		    f->host);
		return;
	case CURLE_SSL_CACERT_BADFILE:
		(void)snprintf(out, cap,
		    "TLS: bulkhead.tls.ca_file %.100s cannot be used; it must "
		    "be readable PEM",
		    f->ca_file);
		return;
	case CURLE_SSL_CERTPROBLEM:
		(void)snprintf(out, cap,
		    "TLS: bulkhead.tls.cert_file or key_file cannot be used: %.110s", f->detail);
		return;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CIPHER:
		explain_handshake(f, out, cap);
		return;
	case CURLE_OPERATION_TIMEDOUT:
		explain_timeout(f, out, cap);
		return;
	default:
		explain_rest(f, out, cap);
	}
}

int64_t bh_http_date(const char *line, size_t n)
{
	static const char name[] = "date:";
	const size_t head = sizeof(name) - 1;
	char text[64];

	if (n <= head || n - head >= sizeof(text) || strncasecmp(line, name, head) != 0)
		return 0;
	(void)snprintf(text, sizeof(text), "%.*s", (int)(n - head), line + head);
	return BH_MAX((int64_t)curl_getdate(text, NULL), (int64_t)0);
}

void bh_http_clean(char *text, const char *secret)
{
	size_t n = strlen(secret);

	for (char *at = n ? strstr(text, secret) : NULL; at; at = strstr(at + n, secret))
		memset(at, '*', n);
	for (char *p = text; *p; p++) {
		if ((unsigned char)*p < ' ' || (unsigned char)*p >= 0x7f)
			*p = ' ';
	}
}
