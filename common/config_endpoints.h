/*
 * Further endpoints: additional_endpoints for metrics, events and checks (spec/intake.md §13.8),
 * logs_config.additional_endpoints for logs (§14.5). Both hold API keys: the list goes to the
 * forwarder alone. As data; config_endpoints_read.h fills it.
 */
#ifndef BH_COMMON_CONFIG_ENDPOINTS_H
#define BH_COMMON_CONFIG_ENDPOINTS_H

#include "common/config.h"

#define BH_ENDPOINTS_MAX 24 /* of both lists together */

/* Where logs go first (spec/intake.md §2.3): a URL, or host[:port], reached with TLS if *tls says
 * so; "" = by site. Borrowed from cfg. */
const char *bh_config_logs_intake(const struct bh_config *cfg, bool *tls);
/* The URL that takes series and sketches in place of the metrics domain (§2.5); "" = none. */
const char *bh_config_metrics_worker(const struct bh_config *cfg);

/* Appends a copy of e with these texts. -ENOMEM. */
int bh_endpoints_add(struct bh_config *cfg, const struct bh_endpoint *e, struct bh_str url,
    struct bh_str api_key) BH_MUST_CHECK;
void bh_endpoints_release(struct bh_config *cfg); /* wipes the keys */
/* Another key; the old text is wiped. -ENOMEM. */
int bh_endpoint_set_key(struct bh_endpoint *e, const char *key) BH_MUST_CHECK;

/* Into the sealed copy for the forwarder and out of it. BH_E_FORMAT, -ENOMEM. */
void bh_config_put_endpoints(struct bh_buf *out, const struct bh_config *cfg);
int bh_config_get_endpoints(struct bh_cur *c, struct bh_config *cfg) BH_MUST_CHECK;

#endif
