/*
 * Files and ports of the forwarder (spec/supervision.md §12): its database, the sockets of the
 * link, what TLS and the resolver read, and the ports of the intakes and proxies it is configured
 * for.
 */
#ifndef BH_FORWARDER_GRANTS_H
#define BH_FORWARDER_GRANTS_H

#include <stdbool.h>

#include "common/attrs.h"
#include "common/config.h"
#include "common/sandbox_landlock.h"

/* as_root: file modes do not keep this process from anything in /etc. -ENOMEM, BH_E_LIMIT. */
int bh_forwarder_grants(
    const struct bh_config *cfg, bool as_root, struct bh_landlock_rules *out) BH_MUST_CHECK;

/* The port of "scheme://user@host:port/path" or "host:port"; without one that of the scheme, or
 * fallback. 0: the text names none. */
unsigned bh_url_port(const char *url, unsigned fallback);

#endif
