/* The table `ledger` of the store: numbers by kind, name and entry; their meaning is kept.h's. */
#ifndef BH_FORWARDER_STORE_LEDGER_H
#define BH_FORWARDER_STORE_LEDGER_H

#include <stdint.h>

#include "forwarder/store.h"

struct bh_ledger_entry { /* strings are borrowed until return */
	const char *kind, *name, *entry;
	int64_t n;
};

/* Within a transaction, or alone. The store's errors. */
int bh_store_ledger_put(struct bh_store *s, const char *kind, const char *name, const char *entry,
    int64_t n) BH_MUST_CHECK;
/* Every entry; returns fn's first error, or the store's. */
int bh_store_ledger_each(struct bh_store *s, int (*fn)(void *ctx, const struct bh_ledger_entry *e),
    void *ctx) BH_MUST_CHECK;
/* Into the new store `to` what a damaged one still says, all or nothing. 0 also when that is
 * nothing: the ledger begins anew. Errors are those of `to`. */
int bh_store_ledger_salvage(struct bh_store *old, struct bh_store *to) BH_MUST_CHECK;

#endif
