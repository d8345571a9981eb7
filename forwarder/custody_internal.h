/* Shared by custody.c (taking, life), custody_commit.c (groups) and custody_send.c (delivery). */
#ifndef BH_FORWARDER_CUSTODY_INTERNAL_H
#define BH_FORWARDER_CUSTODY_INTERNAL_H

#include "forwarder/custody.h"
#include "forwarder/dest.h"
#include "forwarder/positions.h"

#define BH_CUSTODY_DESTS 2
#define BH_TTL_MS        BH_STORE_TTL_MS
#define BH_FULL_LOOK_NS \
	(2 * BH_NS_PER_S) /* while full: look for room more often than each minute */

struct bh_custody {
	struct bh_custody_config cfg;
	struct bh_intake *intake;
	struct bh_transport *transport;
	struct bh_positions positions;
	struct bh_dest dests[BH_CUSTODY_DESTS]; /* logs, metrics */
	struct bh_payload *empties;             /* positions only: settled from the start */
	uint64_t fences[BH_ROLE__N];            /* seq to be answered with FENCE_ACK; 0 = none */
	bool fence_open[BH_ROLE__N];
	uint64_t new_epoch[BH_ROLE__N]; /* T4 under way: mark to write instead */
	bool force;                     /* commit what there is, without waiting for company */
	bool full;                      /* no room: no T1, producers that may wait get no credit */
	bool draining, drain_done, offline; /* offline: no network any more */
	int64_t drain_deadline_ns;
	struct bh_timer company; /* 20 ms for groups of positions only */
	struct bh_timer minute;  /* expiry, recovery from full */
	struct bh_timer idle;    /* 1 s after the last commit: checkpoint */
	struct bh_timer backup;  /* each minute: registry-backup.json */
	bool positions_moved;    /* since the last backup */
	bool leaving;            /* the store is damaged: the next start replaces it */
	struct bh_timer drain_timer;
	struct bh_log_limit limit;
	char registry_note[BH_ERR_TEXT_MAX]; /* why nothing was imported; "" = nothing to say */
};

/* Frees a payload that hangs nowhere any more. */
void bh_payload_free(struct bh_payload *p);

/* Commits one group when there is one (or everything that waits, with force). */
void bh_custody_commit(struct bh_custody *c);
/* Takes expired rows out of the low end. */
void bh_custody_expire(struct bh_custody *c);

/* The store's health (custody_guard.c). */
void bh_custody_guard_start(struct bh_custody *c);
void bh_custody_guard_turn(struct bh_custody *c); /* ends the process when the store is damaged */
void bh_custody_backup(struct bh_custody *c);     /* writes it now, when something changed */
void bh_custody_store_stats(struct bh_custody *c, struct bh_child *child);
/* The row that says when the store that was lost was written last; 0 rows when none was. */
int bh_custody_resume_lost(struct bh_custody *c, struct bh_resume_writer *w) BH_MUST_CHECK;

/* Starts what may be sent; claims rows into the window. */
void bh_custody_pump(struct bh_custody *c);
/* Cancels everything under way: nothing is being sent afterwards. */
void bh_custody_stop_network(struct bh_custody *c);
/* Ends a drain when nothing more can be reached. */
void bh_custody_check_drain(struct bh_custody *c);

#endif
