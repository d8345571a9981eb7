/*
 * The ordered drain as a state machine (DESIGN §5, spec/supervision.md §5). Pure: facts go in
 * through the bh_drain_*() events, orders come out of bh_drain_next(), time is passed in.
 *
 *   PRODUCERS       DRAIN to dogstatsd and logs, side by side; 0.4 of the budget
 *   PRODUCERS_EXIT  both acknowledged or gone; they leave; 0.1
 *   FORWARDER       DRAIN to the forwarder; 0.3
 *   FORWARDER_EXIT  it leaves; 0.1
 *   DONE
 *
 * A phase ends at once when its children are through; none starts before the one in front ended, so
 * the order holds also when a child misses its deadline (it is killed and named) or crashes. A
 * producer that crashes is not started again. A forwarder that is down, or goes down, while
 * producers drain is started once more, spool only.
 *
 * drain.pml is the same machine for spin, with the children and crashes around it: `make model`.
 */
#ifndef BH_SUPERVISOR_DRAIN_H
#define BH_SUPERVISOR_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config.h"
#include "proto/control.h"

enum bh_drain_phase {
	BH_DRAIN_IDLE,
	BH_DRAIN_PRODUCERS,
	BH_DRAIN_PRODUCERS_EXIT,
	BH_DRAIN_FORWARDER,
	BH_DRAIN_FORWARDER_EXIT,
	BH_DRAIN_DONE,
};

enum bh_drain_result {
	BH_DRAIN_NOT_RUNNING, /* had no process, or was still starting: nothing to drain */
	BH_DRAIN_PENDING,
	BH_DRAIN_OK,
	BH_DRAIN_TIMEOUT, /* killed at its deadline */
	BH_DRAIN_CRASHED, /* ended without an acknowledgement */
};

/* What a child is when the drain begins. */
enum bh_drain_child { BH_DRAIN_ABSENT, BH_DRAIN_STARTING, BH_DRAIN_RUNNING };

struct bh_drain_role {
	bool alive;
	bool ready;   /* takes DRAIN; a child that is starting takes EXIT only */
	bool ordered; /* DRAIN sent in the present mode */
	bool acked;
	bool told_exit;
	bool gave_up; /* KILL was ordered; the life cycle repeats it */
	enum bh_drain_result result;
	int64_t began_ns, ended_ns; /* of its own drain; 0 = did not happen */
};

struct bh_drain {
	enum bh_drain_phase phase;
	enum bh_drain_mode mode;
	int64_t began_ns, ended_ns;
	int64_t end_ns;         /* began + budget */
	int64_t phase_limit_ns; /* when the phase's children are killed */
	int64_t budget_ns;
	bool hastened;
	bool may_restart;  /* a forwarder can be started at all */
	unsigned restarts; /* of the forwarder, spool only */
	struct bh_drain_role role[BH_ROLE__N];
};

enum bh_drain_do {
	BH_DRAIN_DO_DRAIN, /* send DRAIN with this deadline and mode */
	BH_DRAIN_DO_EXIT,  /* ask it to leave: it has nothing to drain (after an ACK the life cycle
			      does) */
	BH_DRAIN_DO_KILL,  /* SIGKILL: its deadline passed */
	BH_DRAIN_DO_START_SPOOL_ONLY,
};

struct bh_drain_order {
	enum bh_drain_do what;
	enum bh_role role;
	int64_t deadline_ns; /* DRAIN: absolute */
	enum bh_drain_mode mode;
};

/* child[role] for the three children; may_restart: the forwarder is configured and not FATAL. */
void bh_drain_begin(struct bh_drain *d, const enum bh_drain_child *child, bool may_restart,
    int64_t budget_ns, int64_t now_ns);

/* Events. Harmless in any phase. */
void bh_drain_acked(struct bh_drain *d, enum bh_role role, int64_t now_ns);
void bh_drain_ready(struct bh_drain *d, enum bh_role role); /* a child became READY */
void bh_drain_gone(struct bh_drain *d, enum bh_role role, int64_t now_ns);
/* Second request to stop: mode fast, at most left_ns more in all. Once only. */
void bh_drain_hasten(struct bh_drain *d, int64_t left_ns, int64_t now_ns);

/* Gives the next order; false when there is none now. Call after each event and at bh_drain_due(),
 * until it returns false. */
bool bh_drain_next(struct bh_drain *d, int64_t now_ns, struct bh_drain_order *order);

/* When to call bh_drain_next() at the latest: INT64_MAX = only after an event. */
int64_t bh_drain_due(const struct bh_drain *d);

const char *bh_drain_result_name(enum bh_drain_result result); /* "ok", "timeout", … */

#endif
