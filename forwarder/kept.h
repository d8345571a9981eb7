/*
 * The ledger since the installation, kept in the store (table `ledger`) so that it outlives every
 * process: one row for each destination, counted here, and the rows of the producers, which the
 * supervisor adds up and passes on (proto/CONTROL.md LEDGER).
 *
 * A destination's row is written in the transaction that ends or stores what it counts, so in every
 * committed state
 *
 *     received = delivered + dropped + items in the destination's spool rows
 *
 * holds, and is checked against the rows themselves at every start (bh_kept_dest). What is in
 * memory without a row is not in it: its producer still has it, and it is received again after a
 * crash. Rows of producers are numbers as they came; they are written along with whatever group is
 * committed next, never alone but at a stop.
 *
 *     bh_kept_add(row, &ends)  …  bh_kept_write()  COMMIT  bh_kept_apply()     or  bh_kept_undo()
 */
#ifndef BH_FORWARDER_KEPT_H
#define BH_FORWARDER_KEPT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/child.h"
#include "common/ledger.h"
#include "forwarder/store.h"

#define BH_KEPT_ROWS 2048 /* of producers and destinations together; more are not kept, counted */

struct bh_kept_row {
	struct bh_kept_row *next;
	struct bh_ledger_row row; /* committed; spooled and in_flight of a destination are 0 */
	struct bh_ledger owed;    /* happened, and goes along with the next transaction */
	struct bh_ledger staged;  /* of the transaction under way */
	struct bh_ledger put; /* of a producer: the numbers to write instead; valid with is_put */
	bool is_put;
	bool stored; /* has a row in the table */
};

struct bh_kept {
	struct bh_store *store; /* borrowed */
	struct bh_kept_row *head;
	size_t n;
	uint64_t refused; /* rows beyond BH_KEPT_ROWS or without memory */
	int64_t since_ms; /* wall clock of the first row */
};

/* Loads the table. 0 or the store's errors, -ENOMEM. */
int bh_kept_open(struct bh_kept *k, struct bh_store *store, int64_t now_ms) BH_MUST_CHECK;
void bh_kept_release(struct bh_kept *k);

/* The row of a destination with so many items in spool rows now; made when there is none, with
 * these as received. After a replacement of the store (replaced) the items that did not come back
 * are dropped as corrupt; otherwise a difference stays, and shows as a gap. NULL without memory. */
struct bh_kept_row *bh_kept_dest(
    struct bh_kept *k, const char *name, uint64_t spooled_items, bool replaced);

/* To be part of the transaction under way: received, delivered and dropped of `more` are added. */
void bh_kept_add(struct bh_kept_row *row, const struct bh_ledger *more);
/* The same, when none is under way: with the next one. */
void bh_kept_owe(struct bh_kept_row *row, const struct bh_ledger *more);

/* A producer's row, as it is from now on. */
void bh_kept_put(struct bh_kept *k, const struct bh_ledger_row *row);
/* Rows one behind the other (bh_ledger_row_encode), up to the first that does not decode. */
void bh_kept_put_all(struct bh_kept *k, struct bh_str rows);

bool bh_kept_waits(const struct bh_kept *k); /* something is not written yet */
int bh_kept_write(struct bh_kept *k) BH_MUST_CHECK;
void bh_kept_apply(struct bh_kept *k);
void bh_kept_undo(struct bh_kept *k);
/* All that waits, in a transaction of its own: for the end. Errors leave it waiting. */
int bh_kept_flush(struct bh_kept *k);

/* The row of a destination as it stands, what is in memory included. */
struct bh_ledger bh_kept_now(
    const struct bh_kept_row *row, uint64_t spooled_items, uint64_t in_memory_items);
/* The rows of producers and ledger.since_ms, for the supervisor; destinations are their owner's. */
void bh_kept_stats(const struct bh_kept *k, struct bh_child *child);

#endif
