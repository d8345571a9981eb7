/*
 * What happened, for `bulkheadctl events`: state changes, ends of processes, drops, rows of the
 * ledger that do not close, drains, orders. The last 256 are kept; who follows gets each as it
 * happens, one JSON object a datagram (spec/supervision.md §9).
 *
 * An event is an object with "seq" (counts up without holes), "time" and "event", then what the
 * kind has:
 *   state   role, pid, from, to, generation
 *   exit    role, pid, cause, code, signal
 *   drop    role, reason, count (since the last one), total (since the role's start)
 *   gap     role, name (of the row), gap
 *   drain   phase ("begin", "end"), cause; at the end accounted
 *   request verb, uid, pid
 *   limit   text
 *
 * A follower that does not read has what it missed counted and is told {"missed":N} when it reads
 * again; nobody waits for it. At most 4 follow.
 */
#ifndef BH_SUPERVISOR_EVENTS_H
#define BH_SUPERVISOR_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "common/loop.h"
#include "supervisor/ctl_server.h"
#include "supervisor/kid.h"

#define BH_EVENTS_KEPT      256
#define BH_EVENTS_FOLLOWERS 4
#define BH_EVENT_MAX        512 /* bytes of one, its end included */

struct bh_event_follower {
	struct bh_watch watch; /* owns the descriptor */
	uint64_t missed;
};

struct bh_events {
	struct bh_loop *loop;
	char ring[BH_EVENTS_KEPT][BH_EVENT_MAX]; /* JSON text */
	uint64_t n;                              /* ever; the sequence number of the last one */
	struct bh_event_follower follower[BH_EVENTS_FOLLOWERS];
	uint64_t dropped[BH_ROLE__N][BH_DROP__N]; /* as last told */
	bool open_row[BH_ROLE__N];                /* told that a row does not close */
	uint32_t generation[BH_ROLE__N];          /* these two are about */
};

void bh_events_init(struct bh_events *e, struct bh_loop *loop);
void bh_events_release(struct bh_events *e);

void bh_event_state(struct bh_events *e, const struct bh_kid *k, enum bh_life_state from);
void bh_event_exit(struct bh_events *e, const struct bh_kid *k, pid_t pid);
/* New figures of this child: what was dropped since the last ones, rows that do not close. */
void bh_event_figures(struct bh_events *e, const struct bh_kid *k);
void bh_event_drain_begin(struct bh_events *e, const char *cause);
void bh_event_drain_end(struct bh_events *e, const char *cause, bool accounted);
void bh_event_request(struct bh_events *e, const struct bh_ctl_conn *c);
void bh_event_limit(struct bh_events *e, const char *text);

/* The events kept, the oldest first: {"schema":1,"events":[...]}. */
void bh_events_json(const struct bh_events *e, struct bh_buf *out);
/* One more follower: a descriptor of SOCK_SEQPACKET to read from, the caller's; BH_E_LIMIT when
 * there are as many as may be, or -errno. */
int bh_events_follow(struct bh_events *e) BH_MUST_CHECK;

/* Answers events and events-follow. */
void bh_events_take(struct bh_events *e, struct bh_ctl_conn *c);

#endif
