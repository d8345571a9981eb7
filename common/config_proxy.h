/*
 * What is particular to proxy.* and to bulkhead.tls.*: the variables of the environment that stand
 * for them, and what their values must look like (spec/intake.md §3.1). Passwords in URLs are
 * never repeated in a message.
 */
#ifndef BH_COMMON_CONFIG_PROXY_H
#define BH_COMMON_CONFIG_PROXY_H

#include "common/config_load.h"

/*
 * DD_PROXY_HTTP, DD_PROXY_HTTPS, DD_PROXY_NO_PROXY win over HTTP_PROXY, HTTPS_PROXY, NO_PROXY (in
 * capitals or not), these over the file; one that is set but empty means none. Then no_proxy is
 * split at commas, and the pins are checked. file: named in findings that have no better place.
 */
void bh_config_read_proxies(
    struct bh_config *cfg, const char *file, char *const *environ_, struct bh_findings *findings);

/* BH_E_CONFIG with the reason when o is one of the proxies and text no URL for one:
 * [http[s]://][user:password@]host[:port]. Other options always pass. */
int bh_config_check_proxy(
    const struct bh_option *o, const char *text, struct bh_err *err) BH_MUST_CHECK;

#endif
