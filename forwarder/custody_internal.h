/* Shared by custody.c (taking, life), custody_dests.c (destinations), custody_commit.c (groups),
 * custody_room.c (what leaves the spool undelivered), custody_send.c (delivery), custody_lend.c
 * (bodies that are only in the spool meanwhile), custody_rows.c (who gets a row besides),
 * custody_capacity.c (how long an outage may be), custody_answer.c (what came back), custody_key.c
 * (checks of the API keys), custody_clock.c (this host's clock), custody_guard.c (the store's
 * health) and custody_quarantine.c. */
#ifndef BH_FORWARDER_CUSTODY_INTERNAL_H
#define BH_FORWARDER_CUSTODY_INTERNAL_H

#include "forwarder/custody.h"
#include "forwarder/dest.h"
#include "forwarder/kept.h"
#include "forwarder/key.h"
#include "forwarder/quarantine.h"
#include "forwarder/positions.h"
#include "forwarder/spool_limits.h"

#define BH_CUSTODY_DESTS_MAX (BH_DESTS_CONFIGURED + BH_STORE_DESTS_MAX)
#define BH_FULL_LOOK_NS \
	(2 * BH_NS_PER_S) /* while full: look for room more often than each minute */

/* One API key at the place where it is checked; destinations share it (custody_key.c). */
struct bh_key_check {
	struct bh_key key;
	unsigned index; /* of the transport */
	char *url;      /* owned */
	struct bh_timer timer;
	int64_t said_ns; /* when the refused key was last logged; 0 = never */
	int64_t told_ns; /* when the supervisor was told of refusals; 0 = not of this key */
};

struct bh_custody {
	struct bh_custody_config cfg;
	struct bh_intake *intake;
	struct bh_transport *transport;
	struct bh_positions positions;
	struct bh_dest *dests; /* logs, metrics, the additional ones, the absent ones */
	size_t dests_n;
	struct bh_contents contents;
	struct bh_payload *empties;  /* positions only: settled from the start */
	uint64_t used[BH_ROLE__N];   /* of the producer's window, in percent: not proven yet */
	uint64_t fences[BH_ROLE__N]; /* seq to be answered with FENCE_ACK; 0 = none */
	bool fence_open[BH_ROLE__N];
	uint64_t new_epoch[BH_ROLE__N]; /* T4 under way: mark to write instead */
	bool force;                     /* commit what there is, without waiting for company */
	uint64_t disk_reserve;          /* bytes of the disk left to others; 0 = no ratio */
	bool full;                      /* no room: no T1, producers that may wait get no credit */
	bool draining, drain_done, offline; /* offline: no network any more */
	int64_t drain_deadline_ns;
	struct bh_timer company; /* 20 ms for groups of positions only */
	struct bh_timer minute;  /* expiry, recovery from full */
	/* The wall clock decides about ages only while it goes on as the other one does (§7). */
	int64_t wall_high_ms;   /* rows are created at this time or later; as committed, or above */
	int64_t looked_ms[2];   /* wall and mono at the last look; 0 = none yet */
	int64_t expires_ns;     /* mono: nothing expires before */
	struct bh_timer idle;   /* 1 s after the last commit: checkpoint */
	struct bh_timer slice;  /* the next one of free pages is given back */
	int64_t row_ns;         /* when the last row came, or the start */
	struct bh_timer backup; /* each minute: registry-backup.json */
	struct bh_timer landing; /* in memory: looks whether there can be a file by now */
	int64_t landing_ns;      /* its last pause */
	bool positions_moved;    /* since the last backup */
	bool leaving;            /* the store is damaged: the next start replaces it */
	struct bh_timer drain_timer;
	struct bh_log_limit limit;
	bool clock_known;      /* an intake has said what time it is */
	int64_t clock_off_s;   /* this clock is so far ahead of it; negative: behind */
	int64_t clock_said_ns; /* when that was last complained of; 0 = never */
	struct bh_key_check checks[BH_DESTS_CONFIGURED];
	size_t checks_n;
	struct bh_quarantine quarantine;
	struct bh_kept kept;                 /* the ledger since the installation */
	char registry_note[BH_ERR_TEXT_MAX]; /* why nothing was imported; "" = nothing to say */
};

/* What one destination, or none, is owed of a content; NULL: no memory. Hangs nowhere yet. */
struct bh_payload *bh_payload_hold(struct bh_content *content, struct bh_dest *d);
/* Frees a payload that hangs nowhere any more, and its hold of the content. */
void bh_payload_free(struct bh_custody *c, struct bh_payload *p);

/* Destinations (custody_dests.c). */
int bh_custody_make_dests(struct bh_custody *c, struct bh_err *err) BH_MUST_CHECK;
void bh_custody_free_dests(struct bh_custody *c);
void bh_custody_dest_stats(struct bh_custody *c, struct bh_child *child);
/* Numbers "retry_queue/DOMAIN/…" (supervisor/figures.h), for metrics that came lately. */
void bh_custody_capacity_stats(struct bh_custody *c, struct bh_child *child);
/* What is in its buffers now (buffers.h). */
struct bh_buffer_count bh_custody_memory_size(const struct bh_dest *d);
struct bh_buffer_count bh_custody_disk_size(const struct bh_dest *d);
/* A destination of this class that is in the configuration: new payloads are for it. */
static inline bool bh_custody_is_for(const struct bh_dest *d, bool logs)
{
	return d->logs == logs && !d->absent;
}

/* Commits one group when there is one (or everything that waits, with force). */
void bh_custody_commit(struct bh_custody *c);
/* Is there room for rows of d, and of every other destination that must get them with it? */
bool bh_custody_may_have_rows(const struct bh_custody *c, const struct bh_dest *d);
/* Before a group: which payloads become rows along with those that want to (custody_rows.c). */
void bh_custody_spread_rows(struct bh_custody *c);
/* What unreliable destinations are done with leaves memory: no commit has to tell of it. */
void bh_custody_end_unreliable(struct bh_custody *c);
/* May the store grow by so many bytes without hurting what it must keep room for? */
bool bh_custody_has_room(struct bh_custody *c, uint64_t bytes);
/* When what arrives now was created: never before what is in a row, so that ages are in the order
 * of ord. */
int64_t bh_custody_created_ms(struct bh_custody *c);
int bh_custody_keep_wall_high(struct bh_custody *c) BH_MUST_CHECK;
int bh_custody_load_wall_high(struct bh_custody *c) BH_MUST_CHECK;
/* Metrics without a spool: no more in memory than configured for one that fails
 * (spec/intake.md §13.4). */
void bh_custody_bound_memory(struct bh_custody *c);
/* Takes expired rows out of the low end. */
void bh_custody_expire(struct bh_custody *c);
/* The same before room is denied or made at the cost of others (§7), for the destinations that lack
 * it, until they do not; not inside begin … commit. true: rows that are in memory have ended too,
 * their room is there after the next commit. */
bool bh_custody_room_by_age(
    struct bh_custody *c, bool (*lacks)(const void *arg, const struct bh_dest *d), const void *arg);
/* Leaves the state of a full spool, when there is room again. */
void bh_custody_set_full(struct bh_custody *c, bool full);
void bh_custody_answer(struct bh_custody *c, enum bh_role producer);

/* Rows that one destination loses in a transaction, to be counted after COMMIT. */
struct bh_retired {
	uint64_t rows, items, bytes;
};
/* Makes room for so many bytes by policy. only: this destination loses its oldest rows, of its own
 * bytes. NULL: of the class the one that is owed most does, until so many bytes are nobody's any
 * more; freed: these, added. gone: one for each destination of c. */
int bh_custody_drop_oldest(struct bh_custody *c, const struct bh_dest *only, bool logs,
    uint64_t need, struct bh_retired *gone, uint64_t *freed) BH_MUST_CHECK;
/* Into its row since the installation, for the transaction under way. */
void bh_custody_keep_retired(
    const struct bh_dest *d, const struct bh_retired *gone, enum bh_drop reason);
/* Told to the producer with the group's acknowledgements, or when it is over. */
void bh_custody_set_dest_full(struct bh_custody *c, struct bh_dest *d, bool full);
void bh_custody_count_retired(
    struct bh_dest *d, const struct bh_retired *gone, enum bh_drop reason);
int bh_custody_write_position(void *store, const struct bh_position *p) BH_MUST_CHECK;
bool bh_custody_disk_has_room(struct bh_custody *c, uint64_t bytes);
/* Is the disk fuller than the configured share? */
bool bh_custody_disk_pressed(const struct bh_custody *c);
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
/* In memory: a file is tried for now. */
void bh_custody_land(struct bh_custody *c);
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

/* What the Date of an answer says of this host's clock (custody_clock.c); 0 = there was none. */
void bh_custody_look_at_clock(struct bh_custody *c, int64_t date_s);
void bh_custody_clock_stats(const struct bh_custody *c, struct bh_child *child);

/* The check of a destination's key: one there is, or a new one. NULL: no memory. */
struct bh_key_check *bh_custody_key_of(
    struct bh_custody *c, const struct bh_endpoint_dest *e, const char *text);
/* false: the token is none of a check's. */
bool bh_custody_key_done(
    struct bh_custody *c, const void *token, const struct bh_http_result *result);
/* Asks when it is time. */
void bh_custody_key_look(struct bh_custody *c);
void bh_custody_key_stats(struct bh_custody *c, struct bh_child *child);

/* A body is in memory while somebody needs it there (custody_lend.c): */
extern const struct bh_http_lender bh_custody_lender;
/* When all who hold it were sent it and have it as a row, it goes. */
void bh_custody_rest(struct bh_custody *c, struct bh_payload *p);
/* The answer is there, or is not waited for any more. */
void bh_custody_wake(struct bh_payload *p);
/* The body is in memory afterwards. The errors of bh_store_load(). */
int bh_custody_bring_back(struct bh_custody *c, struct bh_content *content) BH_MUST_CHECK;

/* Writes the copy of a payload that ends, inside the group's transaction. */
int bh_custody_quarantine(struct bh_custody *c, const struct bh_payload *p) BH_MUST_CHECK;
void bh_custody_quarantine_stats(struct bh_custody *c, struct bh_child *child);

/* Cancels everything under way: nothing is being sent afterwards. */
void bh_custody_stop_network(struct bh_custody *c);
/* Ends a drain when nothing more can be reached. */
void bh_custody_check_drain(struct bh_custody *c);

#endif
