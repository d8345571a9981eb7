/* Where payloads go: spec/intake.md §2. */
#ifndef BH_FORWARDER_URLS_H
#define BH_FORWARDER_URLS_H

#include "common/attrs.h"
#include "common/buf.h"
#include "common/config.h"
#include "proto/link.h"

/* Base of the metrics domain: dd_url, else https://app.<site>; Datadog's own hosts get the version
 * prefix. */
int bh_url_metrics_base(const struct bh_config *cfg, struct bh_buf *out) BH_MUST_CHECK;
/* Where the key of a base is checked (§2.2), without the key: Datadog's own domains have a host for
 * it. */
int bh_url_validate(struct bh_str base, struct bh_buf *out) BH_MUST_CHECK;
/* The same for the whole URL of a logs intake: its path does not count. */
int bh_url_validate_logs(struct bh_str url, struct bh_buf *out) BH_MUST_CHECK;
/* Full URL of the primary logs intake (§2.3): a URL, or the host:port form, else by site; the path
 * is the one of v2, or of v1 where logs_config.use_v2_api is false. */
int bh_url_logs(const struct bh_config *cfg, struct bh_buf *out) BH_MUST_CHECK;
/* The base of a further metrics domain: a host of Datadog's gets the version prefix. */
int bh_url_metrics_rewrite(struct bh_str base, struct bh_buf *out) BH_MUST_CHECK;
/* A URL of a logs intake, completed by the path of the API where it does not end in one. */
int bh_url_logs_path(struct bh_str url, struct bh_buf *out) BH_MUST_CHECK;
/* "/api/v2/series" …; NULL for logs, whose URL is whole already. */
const char *bh_url_path(enum bh_kind kind);
/* Does a worker of Observability Pipelines take this kind of metrics (§2.5)? */
bool bh_url_is_workers(enum bh_kind kind);
/* Replaces the label `app` of Datadog's hosts by "<x>-<y>-<z>-app.agent"; copies everything else.
 */
int bh_url_version_prefix(
    struct bh_str base, const char *version, struct bh_buf *out) BH_MUST_CHECK;

#endif
