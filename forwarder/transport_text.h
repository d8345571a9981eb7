/*
 * What is told of a request that failed: the cause first, then the object, then the way out, short
 * enough for a status line. Plain data in, text out; no secret comes in.
 */
#ifndef BH_FORWARDER_TRANSPORT_TEXT_H
#define BH_FORWARDER_TRANSPORT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <curl/curl.h>

struct bh_http_failure {
	CURLcode code;
	const char *detail;    /* libcurl's words, "" = none */
	const char *host;      /* host:port of the intake */
	const char *proxy;     /* without credentials; NULL = none on the way */
	const char *proxy_key; /* the option that names it */
	const char *min_tls;
	const char *ca_file;
	long proxy_status;  /* of CONNECT, or of a 407; 0 = the proxy did not refuse */
	long os_errno;      /* of the connection; 0 = unknown */
	bool proxy_tls;     /* the proxy's own certificate failed */
	int64_t timeout_ms; /* of the whole request */
	/* how far it came, for a time-out */
	enum bh_http_stage {
		BH_HTTP_RESOLVING,
		BH_HTTP_CONNECTING,
		BH_HTTP_HANDSHAKING,
		BH_HTTP_SENDING,
	} stage;
};

void bh_http_explain(const struct bh_http_failure *f, char *out, size_t cap);

/* Makes an answer's text fit for a log and a terminal, in place: what is not printable ASCII
 * becomes a blank, and each occurrence of secret (not "") is struck out. */
void bh_http_clean(char *text, const char *secret);

/* Seconds of the epoch of a line of a head, when that is the Date; else 0. */
int64_t bh_http_date(const char *line, size_t n);

#endif
