/*
 * What came over the link, or out of a row of the spool: once in memory, however many destinations
 * it is for. Each destination that is to get it holds a struct bh_payload that borrows from here;
 * the last one that lets go frees it. So too in the store: one row, one body, and one line for each
 * destination that is owed it.
 *
 * Two questions are answered here for a group of changes before it is committed
 * (spec/durability.md §1, DESIGN §4):
 *
 *   is it proven?  Each reliable destination has taken it, or has dropped it for a counted reason,
 *                  or is owed it by a committed row. Then the producer gets its ack. Unreliable
 *                  destinations have no say.
 *   which level?   How far its positions are (positions.h).
 *
 * Pure: no store, no clock.
 */
#ifndef BH_FORWARDER_CONTENT_H
#define BH_FORWARDER_CONTENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config.h"
#include "common/ipc.h"
#include "forwarder/positions.h"
#include "forwarder/store.h"

struct bh_content {
	struct bh_content *prev, *next; /* in its list */
	uint64_t ord;
	enum bh_role producer;
	uint64_t epoch, seq;
	enum bh_kind kind;
	enum bh_encoding encoding;
	uint32_t items;
	uint64_t raw_len;
	int64_t created_ms, last_ts_ms;
	int64_t taken_ns;            /* mono, arrival: spool_after counts from here */
	struct bh_str origins, body; /* borrowed from msg or block */
	struct bh_ipc_msg *msg;      /* one of the two owns the bytes */
	void *block;
	unsigned holders;  /* payloads that borrow from it */
	unsigned resting;  /* those that need no body for now: a row has it, and it was sent */
	bool gone;         /* the body is only in the row; body.n stays */
	unsigned unproven; /* reliable destinations without a committed end or row */
	unsigned ended;    /* and those with a committed end */
	bool claimed;      /* read from the spool: counts for the bound of such memory */
	bool stored;       /* there was a row of it, and may still be */
	bool taken;        /* by a reliable destination; committed, and since it is in memory */
	/* of the group that is being written */
	bool touched;
	unsigned proving; /* reliable destinations that become proven with it */
	unsigned ending;  /* and those where it ends */
	bool taking;      /* one of them takes it */
};

struct bh_contents {
	struct bh_content *head, *tail;
	uint64_t claimed_bytes; /* of bodies */
};

/* Into the list; c was made by the caller with calloc and holds what it owns. */
void bh_content_insert(struct bh_contents *l, struct bh_content *c);
/* The one with that ord; NULL. */
struct bh_content *bh_content_find(const struct bh_contents *l, uint64_t ord);
/* Is a destination without so much as a row, while another one is done with it? */
bool bh_content_lags(const struct bh_content *c);
/* One holder less; frees it with the last. */
void bh_content_release(struct bh_contents *l, struct bh_content *c);

/* All holders rest: the body leaves memory. Does nothing when there is no memory for the origins.
 */
void bh_content_let_go(struct bh_contents *l, struct bh_content *c);
/* It was gone, and was read from its row again. Takes the block that row's strings are in. */
void bh_content_bring_back(
    struct bh_contents *l, struct bh_content *c, const struct bh_spool_row *row, void *block);

/* A change to c for one destination is part of the group; once for each destination. was_row: it
 * was a committed row before. */
enum bh_content_change { BH_CONTENT_ROW, BH_CONTENT_TAKEN, BH_CONTENT_DROPPED };
void bh_content_touch(
    struct bh_content *c, bool reliable, bool was_row, enum bh_content_change change);
/* After the touches: will all reliable destinations be proven with this commit? */
bool bh_content_proven(const struct bh_content *c);
/* owers: destinations that a row owes it to after this commit. */
enum bh_part_level bh_content_level(const struct bh_content *c, unsigned owers);
/* Memory follows the commit; or the group was rolled back, and all is as before. */
void bh_content_committed(struct bh_content *c);
void bh_content_undo(struct bh_content *c);

#endif
