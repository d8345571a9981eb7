/* Shared by custody.c (taking, life), custody_commit.c (groups), custody_send.c (delivery),
 * custody_answer.c (what came back), custody_key.c (checks of the API key) and
 * custody_quarantine.c. */
#ifndef BH_FORWARDER_CUSTODY_INTERNAL_H
#define BH_FORWARDER_CUSTODY_INTERNAL_H

#include "forwarder/custody.h"
#include "forwarder/dest.h"
#include "forwarder/kept.h"
#include "forwarder/key.h"
#include "forwarder/quarantine.h"
#include "forwarder/positions.h"
#include "forwarder/spool_limits.h"

#define BH_CUSTODY_DESTS 2
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
	uint64_t disk_reserve;          /* bytes of the disk left to others; 0 = no ratio */
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
	struct bh_key key;
	char *key_url; /* owned */
	struct bh_timer key_timer;
	int64_t key_told_ns; /* when the supervisor was told of refusals; 0 = not of this key */
	int64_t key_said_ns; /* when the refused key was last logged; 0 = never */
	struct bh_quarantine quarantine;
	struct bh_kept kept;                 /* the ledger since the installation */
	char registry_note[BH_ERR_TEXT_MAX]; /* why nothing was imported; "" = nothing to say */
};

/* Frees a payload that hangs nowhere any more. */
void bh_payload_free(struct bh_payload *p);

/* Commits one group when there is one (or everything that waits, with force). */
void bh_custody_commit(struct bh_custody *c);
/* May the store grow by so many bytes without hurting what it must keep room for? */
bool bh_custody_has_room(struct bh_custody *c, uint64_t bytes);
/* Takes expired rows out of the low end. */
void bh_custody_expire(struct bh_custody *c);
/* These rows are purged: they end without delivery, in one transaction with the positions they
 * carry (T3); *items of them. dest: whose they are in the store; d: the same one, NULL when it is
 * not configured. Rows that d holds in memory must not be among them. 0 or the store's errors:
 * nothing happened then. */
int bh_custody_retire(struct bh_custody *c, int64_t dest, struct bh_dest *d, const uint64_t *ords,
    size_t n, uint64_t *items) BH_MUST_CHECK;
/* Is a class without room for rows, or the whole store? */
bool bh_custody_is_full(const struct bh_custody *c);

/* The store's health (custody_guard.c). */
void bh_custody_guard_start(struct bh_custody *c);
void bh_custody_guard_turn(struct bh_custody *c); /* ends the process when the store is damaged */
void bh_custody_backup(struct bh_custody *c);     /* writes it now, when something changed */
void bh_custody_store_stats(struct bh_custody *c, struct bh_child *child);
/* The row that says when the store that was lost was written last; 0 rows when none was. */
int bh_custody_resume_lost(struct bh_custody *c, struct bh_resume_writer *w) BH_MUST_CHECK;

/* Starts what may be sent; claims rows into the window. */
void bh_custody_pump(struct bh_custody *c);
/* The destination answers with an error: its breaker, its text; what it owes goes to the spool. */
void bh_custody_failed(
    struct bh_custody *c, struct bh_dest *d, const char *text, int64_t at_least_ns);
/* The end of a payload is known; the next group records it. */
void bh_custody_settle(struct bh_payload *p, enum bh_store_end end, enum bh_drop reason);
/* Refused for good by status: the end of a payload, with a copy for the quarantine. */
void bh_custody_refuse(
    struct bh_custody *c, struct bh_payload *p, enum bh_drop reason, long status);
/* A payload answered 413 whole gets its parts. false: it has none, and has ended. -ENOMEM is an
 * error of the destination: it is tried again. */
bool bh_custody_cut(struct bh_custody *c, struct bh_payload *p);
/* What was not sent of the payloads that go in parts becomes their body: a stop, not a crash. */
void bh_custody_keep_rests(struct bh_custody *c);

int bh_custody_key_init(struct bh_custody *c) BH_MUST_CHECK;
void bh_custody_key_done(struct bh_custody *c, const struct bh_http_result *result);
/* Asks when it is time. */
void bh_custody_key_look(struct bh_custody *c);
void bh_custody_key_stats(struct bh_custody *c, struct bh_child *child);

/* Writes the copy of a payload that ends, inside the group's transaction. */
int bh_custody_quarantine(struct bh_custody *c, const struct bh_payload *p) BH_MUST_CHECK;
void bh_custody_quarantine_stats(struct bh_custody *c, struct bh_child *child);

/* Cancels everything under way: nothing is being sent afterwards. */
void bh_custody_stop_network(struct bh_custody *c);
/* Ends a drain when nothing more can be reached. */
void bh_custody_check_drain(struct bh_custody *c);

#endif
