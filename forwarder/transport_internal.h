/* Shared by transport.c (requests under way), transport_request.c (what goes out) and
 * transport_answer.c (what comes back). */
#ifndef BH_FORWARDER_TRANSPORT_INTERNAL_H
#define BH_FORWARDER_TRANSPORT_INTERNAL_H

#include <curl/curl.h>

#include "forwarder/proxy.h"
#include "forwarder/transport.h"
#include "forwarder/transport_tls.h"

#define BH_HTTP_HEADER_MAX 256
/* So much of an answer's body is kept that an echo of the key across the end of the text is seen
 * whole. */
#define BH_HTTP_KEPT_MAX  (BH_HTTP_TEXT_MAX + BH_HTTP_HEADER_MAX)
#define BH_HTTP_KEYS_MAX  64
#define BH_HTTP_IDLE_S    90L /* a connection that was idle for longer is not used again */
#define BH_HTTP_STALE_MAX 8

struct bh_transport_key {
	char header[BH_HTTP_HEADER_MAX];
	const char *text;             /* in header */
	char old[BH_HTTP_HEADER_MAX]; /* of requests that may be under way still; "" = none */
};

struct bh_transport_request {
	struct bh_transport *t;
	struct bh_transport_request *next;
	CURL *easy;
	struct curl_slist *headers;
	void *token;
	struct bh_target target;
	struct bh_way way;
	const struct bh_transport_key *key; /* borrowed from t */
	int64_t timeout_ms;
	const struct bh_http_lender *lender; /* NULL: libcurl reads the body by itself */
	struct bh_str lent;                  /* p NULL: given back */
	size_t lent_at;
	char error[CURL_ERROR_SIZE];
	int64_t date_s;
	size_t head_seen, body_seen; /* of the answer */
	char body[BH_HTTP_KEPT_MAX + 1];
};

struct bh_transport {
	struct bh_loop *loop;
	struct bh_log *log;
	CURLM *multi;
	struct bh_timer timer;
	struct bh_transport_request *requests;
	struct bh_transport_socket *socks; /* libcurl's, one watch each */
	const struct bh_config *cfg;
	struct bh_tls tls;
	struct bh_transport_key *keys[BH_HTTP_KEYS_MAX];
	unsigned keys_n;
	/* where requests ran out of time, and when last; the oldest is forgotten first */
	struct bh_transport_stale {
		uint32_t where; /* checksum of host and port */
		int64_t at_ns;  /* 0 = unused */
	} stale[BH_HTTP_STALE_MAX];
	bool near_told;
	bh_http_done_fn *done;
	void *ctx;
};

/* The handle of libcurl and all of its options, from what the caller set: t, token and key.
 * -ENOMEM, BH_E_FORMAT, BH_E_NET. */
int bh_transport_prepare(
    struct bh_transport_request *r, const struct bh_http_request *req) BH_MUST_CHECK;
/* When a request to the same place ran out of time last; 0 = never. */
int64_t bh_transport_stale_ns(const struct bh_transport_request *r);
/* What came back goes into r. */
void bh_transport_take_answer(struct bh_transport_request *r);
/* The request is over: what became of it. */
void bh_transport_judge(struct bh_transport_request *r, CURLcode code, struct bh_http_result *out);

#endif
