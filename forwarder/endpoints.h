/*
 * Where data goes: the destinations that a configuration names (spec/intake.md §2, §13.6, §13.8,
 * §14.5), as plain data. Pure; custody makes a struct bh_dest of each.
 *
 * Each URL with each of its keys is a destination of its own. The first two are the primary ones
 * for logs and for metrics; then the additional ones follow in the order they are written. The same
 * URL with the same key counts once for a class, wherever it stands first; URLs are compared as
 * requests use them.
 *
 * A destination has three names:
 *   id    in the database, so that rows find their destination after a restart: "logs/primary",
 *         "metrics/primary", else "<class>/<url as written>#<index>", index counting the keys of
 *         that URL from 0. It holds no key, and stays when a key is replaced by another, when the
 *         primary's URL changes, and when the emulated Agent's version in a host name does
 *   name  for people, in status, ledger and log: "logs", "metrics", else
 * "<class>:<host[:port]>#<n>" with n counting those of the same host from 1 tail  the last five
 * characters of its key (key.h)
 */
#ifndef BH_FORWARDER_ENDPOINTS_H
#define BH_FORWARDER_ENDPOINTS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/attrs.h"
#include "common/config.h"
#include "common/config_endpoints.h"
#include "common/err.h"
#include "forwarder/store.h"

#define BH_DEST_NAME        100
#define BH_DESTS_CONFIGURED (BH_ENDPOINTS_MAX + 2)

struct bh_target_name {
	char id[BH_STORE_DEST_KEY];
	char name[BH_DEST_NAME];
};

struct bh_endpoint_dest {
	bool logs, reliable;
	struct bh_target_name names;
	char *url; /* logs: whole; metrics: base. Owned */
	/* Borrowed from the configuration: series and sketches go there; NULL = to url. */
	const char *worker_url;
	unsigned key;     /* in keys of the list */
	int64_t reset_ms; /* age from which on a connection is not used again; 0 = any is */
};

struct bh_endpoint_list {
	struct bh_endpoint_dest v[BH_DESTS_CONFIGURED];
	size_t n;
	/* Each key once; borrowed from the configuration. 0 is api_key. */
	const char *keys[BH_DESTS_CONFIGURED];
	size_t keys_n;
};

/* -ENOMEM; BH_E_CONFIG with text: a URL is too long to be told from another (the configuration
 * refuses it before). */
int bh_endpoints_resolve(
    struct bh_endpoint_list *out, const struct bh_config *cfg, struct bh_err *err) BH_MUST_CHECK;
void bh_endpoints_free(struct bh_endpoint_list *l);

#endif
