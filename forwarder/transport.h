/*
 * HTTP requests on the event loop: libcurl multi, options of spec/intake.md §3. The only place that
 * sees the API key, and it stamps it when a request starts. Bodies are borrowed, never copied.
 */
#ifndef BH_FORWARDER_TRANSPORT_H
#define BH_FORWARDER_TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/config.h"
#include "common/err.h"
#include "common/log.h"
#include "common/loop.h"
#include "proto/link.h"

#define BH_HTTP_TEXT_MAX 200

struct bh_http_request {
	const char *url;   /* borrowed until done */
	bool check_key;    /* GET, the key behind the URL; of the rest only timeout_ms counts */
	enum bh_kind kind; /* decides the headers */
	enum bh_encoding encoding;
	struct bh_str body; /* borrowed until done */
	int64_t timeout_ms; /* whole request */
	int64_t last_ts_ms; /* logs: dd-message-timestamp */
};

struct bh_http_result {
	long status;            /* 0: no status was read */
	int64_t retry_after_ns; /* from Retry-After in seconds; 0 = none */
	char text[BH_HTTP_TEXT_MAX +
		  1]; /* what to tell a person: cause, or the head of the answer's body */
};

/* Called once per request, from the loop, never from inside bh_transport_start(). */
typedef void bh_http_done_fn(void *ctx, void *token, const struct bh_http_result *result);

struct bh_transport;

/* Copies the key into memory that is wiped at free. */
int bh_transport_new(struct bh_transport **out, struct bh_loop *loop, struct bh_log *log,
    const char *api_key, bool skip_ssl_validation, bh_http_done_fn *done, void *ctx,
    struct bh_err *err) BH_MUST_CHECK;
void bh_transport_free(struct bh_transport *t);
int bh_transport_start(
    struct bh_transport *t, const struct bh_http_request *req, void *token) BH_MUST_CHECK;
/* Ends all requests without calling done. */
void bh_transport_cancel_all(struct bh_transport *t);

#endif
