/*
 * HTTP requests on the event loop: libcurl multi, options of spec/intake.md §3. The only place that
 * sees the API keys, and it stamps one when a request starts, by its number. Bodies are borrowed,
 * never copied whole; one that has a lender is given back as soon as it was sent, so that requests
 * which wait for slow answers hold no bodies.
 *
 * Connections are kept and used again, by HTTP/2 for many requests at once. Redirects are not
 * followed. Of an answer at most 16 KiB of head and 64 KiB of body are read, and none for longer
 * than the request's time.
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

#define BH_HTTP_TEXT_MAX          200
#define BH_HTTP_RETRY_AFTER_MAX_S 86400

/* Called from the loop, never from inside bh_transport_start(). */
struct bh_http_lender {
	/* All of the body is on its way: it is not read any more, unless lend() is called. */
	void (*returned)(void *ctx, void *token);
	/* The body once more, until returned() or done: its connection was dead, and another one
	 * gets it from the beginning. false: it cannot be had; the request fails. */
	bool (*lend)(void *ctx, void *token, struct bh_str *body);
};

struct bh_http_request {
	const char *url;   /* borrowed until done */
	unsigned key;      /* of bh_transport_add_key(); 0 = api_key of the configuration */
	bool check_key;    /* GET, the key behind the URL; of the rest only timeout_ms counts */
	enum bh_kind kind; /* decides the headers */
	enum bh_encoding encoding;
	struct bh_str body; /* borrowed until done, or until lender takes it back */
	const struct bh_http_lender *lender; /* NULL: the body stays; borrowed until done */
	int64_t timeout_ms;                  /* whole request */
	int64_t reset_ms;   /* age from which on a connection is not used for it; 0 = any is */
	int64_t last_ts_ms; /* logs: dd-message-timestamp */
};

struct bh_http_result {
	long status;            /* of the intake; 0: none was read, also when a proxy refused */
	int64_t retry_after_ns; /* from Retry-After, at most BH_HTTP_RETRY_AFTER_MAX_S; 0 = none */
	int64_t date_s;         /* from Date, seconds of the epoch; 0 = none */
	char text[BH_HTTP_TEXT_MAX + 1]; /* what to tell a person: cause, or the head of the
					    answer's body; printable, without API keys */
};

/* Called once per request, from the loop, never from inside bh_transport_start(). */
typedef void bh_http_done_fn(void *ctx, void *token, const struct bh_http_result *result);

struct bh_transport;

/* cfg is borrowed until free, but for api_key, which is copied into memory that is wiped then.
 * BH_E_CONFIG: the key does not fit into a header; BH_E_NET: libcurl does not start; -ENOMEM. */
int bh_transport_new(struct bh_transport **out, struct bh_loop *loop, struct bh_log *log,
    const struct bh_config *cfg, bh_http_done_fn *done, void *ctx,
    struct bh_err *err) BH_MUST_CHECK;
void bh_transport_free(struct bh_transport *t);
/* One key more; they count from 0, which is api_key. BH_E_CONFIG: it does not fit into a header, or
 * would end it; -ENOMEM. */
int bh_transport_add_key(struct bh_transport *t, const char *key, struct bh_err *err) BH_MUST_CHECK;
/* Another text for a key: of every request that starts from now on. BH_E_CONFIG as above, the old
 * one acts on; BH_E_STATE: no such key. */
int bh_transport_set_key(struct bh_transport *t, unsigned key, const char *text) BH_MUST_CHECK;
bool bh_transport_key_is(const struct bh_transport *t, unsigned key, const char *text);
/* BH_E_FORMAT: the URL is none; BH_E_STATE: no such key; BH_E_NET: libcurl refuses an option;
 * -ENOMEM. done is not called then. */
int bh_transport_start(
    struct bh_transport *t, const struct bh_http_request *req, void *token) BH_MUST_CHECK;
/* Ends all requests without calling done. */
void bh_transport_cancel_all(struct bh_transport *t);
/* The API key it stamps; borrowed. */
const char *bh_transport_key(const struct bh_transport *t, unsigned key);
/* For the status: the proxies in use, without credentials; "" = none. */
void bh_transport_proxies(const struct bh_transport *t, char *out, size_t cap);

#endif
