/*
 * A destination and what it is owed: the payloads in memory for it, its rows in the spool, its
 * breaker (spec/durability.md §6, intake.md §12). Each has all of these for itself: what one does
 * delays, repeats and starves nothing of another. Logs go in order, at most pace.slots of them
 * open, counted from the oldest; metrics go newest first.
 *
 * Three sorts:
 *
 * reliable: nothing is acknowledged before it has taken it or is owed it by a row.
 *
 * unreliable: nobody waits for it. Memory of queue_max payloads beside those under way; what finds
 * no room is dropped (queue_full), what is left at a stop too (shutdown). With
 * bulkhead.spool_unreliable it has rows as a reliable one has, but where room is short they go
 * first (spool_full).
 *
 * absent: has rows, but is not in the configuration any more: they wait for it to come back, until
 * their time is over; nothing new is for it.
 */
#ifndef BH_FORWARDER_DEST_H
#define BH_FORWARDER_DEST_H

#include <stdbool.h>
#include <stdint.h>

#include "common/ledger.h"
#include "common/log.h"
#include "common/loop.h"
#include "forwarder/backoff.h"
#include "forwarder/endpoints.h"
#include "forwarder/buffers.h"
#include "forwarder/pace.h"
#include "forwarder/payload.h"
#include "forwarder/rate.h"
#include "forwarder/spool_limits.h"
#include "forwarder/transport.h"

#define BH_DEST_QUEUE_MAX  ((uint64_t)16 << 20) /* of their bodies, bytes; one always may */
#define BH_DEST_CLAIMS_MAX ((uint64_t)2 << 20)  /* of bodies out of the spool, for all; ditto */
#define BH_DEST_LIVE_RUN   3                    /* newest first: then one out of the spool */
/* Statuses that refuse for good. */
enum bh_refusal { BH_REFUSAL_400, BH_REFUSAL_401, BH_REFUSAL_403, BH_REFUSAL_413, BH_REFUSALS__N };

struct bh_kept_row;

struct bh_dest {
	struct bh_target_name names; /* endpoints.h */
	const char *name;            /* names.name */
	char *url;                   /* logs: whole; metrics: base. Owned; "" when absent */
	const char *worker_url;      /* of series and sketches, borrowed; NULL = url */
	bool logs, spool_on, newest_first;
	bool reliable, absent;
	struct bh_spool_limits limits;
	bool full;                    /* its own bound is reached: no rows for now */
	unsigned key;                 /* of the transport */
	struct bh_key_check *check;   /* what is known about that key; NULL when absent */
	unsigned live_n;              /* newest first: sent since one out of the spool was */
	unsigned queue_max;           /* payloads that may wait for an unreliable one */
	struct bh_pace pace;          /* requests that may be under way */
	int64_t timeout_ms, reset_ms; /* of a request; endpoints.h */
	int64_t id;                   /* in the store */
	struct bh_backoff backoff;
	struct bh_timer retry;       /* end of a pause */
	struct bh_timer spool_timer; /* oldest payload in memory reaches spool_after */
	struct bh_payload *head, *tail;
	unsigned active_n, active_rows, sending_n;
	uint64_t rows, row_bytes, row_items; /* committed in the spool */
	uint64_t mem_items, mem_bytes;       /* in memory without a row */
	struct bh_ledger l;                  /* spooled and in_flight are filled when asked */
	struct bh_kept_row *kept;            /* the same since the installation */
	struct bh_buffer mem_buffer, disk_buffer;
	struct bh_rate rate; /* of what came for it */
	char error[BH_HTTP_TEXT_MAX +
		   64]; /* last failure in words; "" = none since the last success */
	int64_t last_ok_ms;
	uint64_t taken_n;      /* payloads since the start; metrics only */
	uint64_t cut_bytes;    /* memory of payloads that go in parts */
	uint64_t splits;       /* payloads that were cut since the start */
	unsigned too_large_n;  /* payloads in a row that were answered 413 whole */
	int64_t relay_said_ns; /* when the likely cause was last logged; 0 = never */
	int64_t refusal_said_ns[BH_REFUSALS__N]; /* one line a minute for each status */
	struct bh_log_limit limit;
	struct bh_custody *custody;
};

void bh_dest_insert(struct bh_dest *d, struct bh_payload *p); /* keeps the order of ord */
void bh_dest_remove(struct bh_dest *d, struct bh_payload *p);
bool bh_dest_holds(
    void *dest, uint64_t ord); /* is ord in memory? (skip function of bh_store_claim) */
/* Memory for one more payload that goes in parts? One always may. */
bool bh_dest_may_cut(const struct bh_dest *d, const struct bh_payload *p);
/* The payload to send next; NULL when none may start (order, window, all under way), or when a row
 * must be claimed before. */
struct bh_payload *bh_dest_next(const struct bh_dest *d);
/* Room for one more claimed row? claimed_bytes: of bodies out of the spool, for all destinations.
 */
bool bh_dest_wants_claim(const struct bh_dest *d, uint64_t claimed_bytes);
/* Newest first: is it the turn of a row, though newer ones wait in memory? */
bool bh_dest_owes_a_turn(const struct bh_dest *d);
/* Unreliable: is there room for a payload with such a body? */
bool bh_dest_has_place(const struct bh_dest *d, size_t body);
/* Nothing may be sent now, and nothing under way can change that: a pause, or a probe. */
bool bh_dest_rests(const struct bh_dest *d, int64_t now_ns);
/* Everything without a row is to be committed with the next group. */
void bh_dest_want_rows(struct bh_dest *d);
/* Full URL for a payload, into a caller's buffer. */
int bh_dest_url(const struct bh_dest *d, enum bh_kind kind, char *out, size_t cap) BH_MUST_CHECK;

#endif
