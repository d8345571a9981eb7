/*
 * Which way a request goes: straight to its host, or through a proxy (spec/intake.md §3.1). Pure:
 * the configuration and a URL in, a decision out.
 */
#ifndef BH_FORWARDER_PROXY_H
#define BH_FORWARDER_PROXY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/config.h"

#define BH_PROXY_HOST_CAP 256

/* Where a URL points. */
struct bh_target {
	char host[BH_PROXY_HOST_CAP]; /* as written; IPv6 in brackets */
	uint16_t port;                /* the scheme's when the URL names none */
	bool https;
	bool port_given;
};

struct bh_way {
	const char *proxy; /* borrowed from the configuration; NULL = straight */
	const char *key;   /* the option it comes from: "proxy.http" or "proxy.https" */
	const char *near;  /* an entry of no_proxy that fits in the other mode only; NULL = none */
};

/* BH_E_FORMAT: not an http or https URL with a host shorter than BH_PROXY_HOST_CAP. */
int bh_target_parse(const char *url, struct bh_target *out) BH_MUST_CHECK;

/* Does one entry of no_proxy exclude the target? exact: host, or host:port where the URL names a
 * port, in these words. Otherwise: *, a domain with its subdomains, .domain or *.domain for the
 * subdomains alone, an address, a range in CIDR; each with :port if wanted. */
bool bh_no_proxy_matches(const char *entry, const struct bh_target *t, bool exact);

void bh_proxy_choose(const struct bh_config *cfg, const struct bh_target *t, struct bh_way *out);

/* Scheme, host and port of a proxy, with *** for its credentials. */
void bh_proxy_show(const char *proxy, char *out, size_t cap);

/* The port a proxy's URL implies when it names none, as the Agent has it: 80 or 443. */
long bh_proxy_default_port(const char *proxy);

#endif
