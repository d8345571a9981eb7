/*
 * Rows of the spool given up on a person's command (spec/durability.md §4 T3, §6): they count as
 * dropped, reason "purged", and the positions of their sources pass over them in the same
 * transaction, as for every drop; else `delivered` of those sources could never move again. A slice
 * at a time, so that payloads do not wait. What is being sent at that moment is left to its answer.
 */
#ifndef BH_FORWARDER_SPOOL_PURGE_H
#define BH_FORWARDER_SPOOL_PURGE_H

#include "forwarder/custody.h"
#include "forwarder/spool_view.h"

#define BH_PURGE_DESTS 64

struct bh_purge {
	const struct bh_spool_request *request; /* borrowed */
	int64_t now_ms;
	int64_t dests[BH_PURGE_DESTS]; /* of those the request means, the unconfigured ones too */
	size_t dests_n, at;
	uint64_t after;            /* ord, within dests[at] */
	struct bh_spool_walk gone; /* what was purged so far */
	uint64_t under_way;        /* payloads left alone because they are being sent */
};

/* 0 or the store's errors; BH_E_STATE after a drain. */
int bh_custody_purge_begin(
    struct bh_custody *c, const struct bh_spool_request *r, struct bh_purge *p) BH_MUST_CHECK;
/* 1 = there is more, 0 = all is done, else as begin: what was done before stays done. */
int bh_custody_purge_slice(struct bh_custody *c, struct bh_purge *p) BH_MUST_CHECK;

/* Ends the pauses of the destinations the request means, so that their rows are sent now; *waiting
 * is what they are owed. */
void bh_custody_replay_rows(
    struct bh_custody *c, const struct bh_spool_request *r, struct bh_spool_walk *waiting);

#endif
