/*
 * What the intake refused for good, kept aside so that a person can look at it and send it again:
 * rows of the spool that are owed to the destination "quarantine", which nobody sends to. Without
 * origins (their positions have moved, the drop is counted), bounded in rows and bytes, the oldest
 * out first. In such a row `producer` is "quarantine" and, behind a blank, the id of the
 * destination that refused it when that is not the primary one of its class (endpoints.h): sent
 * again, it goes there alone. `epoch` is the HTTP status and `seq` the ord of the payload it was,
 * or was a part of.
 *
 * Writing happens inside a transaction of the owner, with the drop it belongs to; the counts here
 * follow with bh_quarantine_refresh() after COMMIT.
 */
#ifndef BH_FORWARDER_QUARANTINE_H
#define BH_FORWARDER_QUARANTINE_H

#include <stdbool.h>
#include <stdint.h>

#include "forwarder/spool_view.h"
#include "forwarder/store.h"

#define BH_QUARANTINE_NAME "quarantine"

struct bh_quarantine {
	struct bh_store *store; /* borrowed */
	bool on;
	uint64_t max_bytes, max_rows;
	int64_t id;                  /* its destination */
	uint64_t rows, bytes, items; /* committed */
	bool changed;                /* refresh is due */
	uint64_t not_kept;           /* payloads without room, since the start */
	uint64_t pushed_out;         /* rows that newer ones pushed out, since the start */
	uint64_t replayed;           /* items sent again on command, since the start */
};

/* Finds what is there; off: nothing is put in, what is there stays until it is replayed. */
int bh_quarantine_open(struct bh_quarantine *q, struct bh_store *store, bool on, int64_t max_bytes,
    int64_t max_rows) BH_MUST_CHECK;

/* Inside a transaction: makes room and puts a copy in. row: kind, encoding, items, raw_len, ord
 * (the payload's), body, created_ms; the rest is filled here, ord being the copy's own
 * (bh_store_next_ord, taken outside the transaction). dest: id of the destination that refused it,
 * "" for the primary one. One that is larger than all of the quarantine
 * is not kept, counted. The store's errors. */
int bh_quarantine_put(struct bh_quarantine *q, const struct bh_spool_row *row, uint64_t ord,
    long status, const char *dest) BH_MUST_CHECK;
/* After COMMIT or ROLLBACK. */
void bh_quarantine_refresh(struct bh_quarantine *q);

/* The first one behind *ord that the request means: its ord, 1 = found, 0 = there is none. */
int bh_quarantine_next(struct bh_quarantine *q, const struct bh_spool_request *r, int64_t now_ms,
    uint64_t *ord) BH_MUST_CHECK;
/* The destination in the store for a kind and an id ("" = the primary one), and how long its rows
 * live; 0 = there is none now. */
typedef int64_t bh_quarantine_dest_fn(
    void *ctx, enum bh_kind kind, const char *id, int64_t *ttl_ms);

/* Inside a transaction: makes it a row of its destination again, under new_ord, with its time to
 * live from now_ms on. *row is what it has become, its strings are gone but body.n stays.
 * BH_E_CORRUPT: it was damaged and is only removed. BH_E_STATE: its destination is not there; it is
 * kept, and is the newest now. */
int bh_quarantine_release(struct bh_quarantine *q, uint64_t ord, uint64_t new_ord,
    bh_quarantine_dest_fn *dest_of, void *ctx, int64_t now_ms,
    struct bh_spool_row *row) BH_MUST_CHECK;

#endif
