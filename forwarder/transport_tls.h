/*
 * The TLS settings of every request: versions, trust, pins, client certificate (spec/intake.md §3
 * and bulkhead.tls.*), and the race between its addresses. libcurl reads the files at each new
 * connection, so a renewed certificate needs no restart, and one that is missing for a while costs
 * a retry, not the start.
 */
#ifndef BH_FORWARDER_TRANSPORT_TLS_H
#define BH_FORWARDER_TRANSPORT_TLS_H

#include <curl/curl.h>

#include "common/attrs.h"
#include "common/config.h"
#include "common/log.h"

struct bh_tls {
	const struct bh_config *cfg; /* borrowed until release */
	char *pins;                  /* as libcurl wants them; NULL = none */
	long version;                /* CURL_SSLVERSION_* */
	bool old;                    /* versions below 1.2 are allowed */
};

/* Before curl_global_init: the key log goes where cfg says, never where the environment says. */
void bh_tls_key_log(const struct bh_config *cfg, struct bh_log *log);
/* -ENOMEM. Warns of files that cannot be read now and of what weakens the connection. */
int bh_tls_init(struct bh_tls *tls, const struct bh_config *cfg, struct bh_log *log) BH_MUST_CHECK;
void bh_tls_release(struct bh_tls *tls);
/* CURLE_OK, or what libcurl answered to an option without which a request must not go out. */
CURLcode bh_tls_apply(const struct bh_tls *tls, CURL *easy) BH_MUST_CHECK;

#endif
