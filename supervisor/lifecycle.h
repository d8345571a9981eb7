/*
 * The life of one child as a table [state][event] → {action, next} (spec/supervision.md §2). Pure:
 * time and randomness are passed in, actions are returned for the caller to carry out, nothing is
 * logged.
 *
 * A cell that is not in the table is "no change, no action": the caller may log it.
 *
 * A killed child stays a process until it is reaped, so `alive` is kept beside the state and is
 * part of the event: BACKOFF never starts a second copy while the first one lives.
 *
 * Restart delay: a child that was READY restarts at once the first time, however short that was: a
 * single end is no reason to keep anybody waiting. After that one that had been READY for at least
 * 1 s waits 1 s; a failed start (never READY, or READY for less than 1 s) waits 1 s, doubled each
 * time up to 60 s; 60 s of READY make everything as at the beginning. All delays have ±10 % jitter.
 */
#ifndef BH_SUPERVISOR_LIFECYCLE_H
#define BH_SUPERVISOR_LIFECYCLE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/rng.h"

enum bh_life_state {
	BH_LIFE_STOPPED,
	BH_LIFE_STARTING,
	BH_LIFE_RUNNING,
	BH_LIFE_BACKOFF,
	BH_LIFE_DRAINING,
	BH_LIFE_STOPPING,
	BH_LIFE_EXITED,
	BH_LIFE_FATAL,
	BH_LIFE__N,
};

enum bh_life_event {
	BH_LIFE_EV_START,         /* start asked */
	BH_LIFE_EV_READY,         /* READY received */
	BH_LIFE_EV_TIMER,         /* the timer of the state ran out */
	BH_LIFE_EV_TIMER_ALIVE,   /* the same while a killed process is not reaped (BACKOFF only) */
	BH_LIFE_EV_BROKEN,        /* a message that is malformed or not allowed now */
	BH_LIFE_EV_STOP,          /* stop asked */
	BH_LIFE_EV_STOP_ALIVE,    /* the same while a killed process is not reaped (BACKOFF only) */
	BH_LIFE_EV_ACK,           /* DRAIN_ACK received */
	BH_LIFE_EV_KILL,          /* the drain's deadline passed, or an immediate stop */
	BH_LIFE_EV_EXIT,          /* the process ended, to be tried again */
	BH_LIFE_EV_EXIT_FATAL,    /* it ended for a cause that a retry does not cure */
	BH_LIFE_EV_EXIT_EXPECTED, /* it ended with 0, and its role may */
	BH_LIFE_EV__N,
};

enum bh_life_action {
	BH_LIFE_DO_NOTHING,
	BH_LIFE_DO_SPAWN,
	BH_LIFE_DO_KILL,  /* SIGKILL */
	BH_LIFE_DO_DRAIN, /* send DRAIN */
	BH_LIFE_DO_EXIT,  /* send EXIT */
};

enum bh_life_cause {
	BH_CAUSE_NONE,
	BH_CAUSE_REQUESTED,     /* asked to stop */
	BH_CAUSE_CRASH,         /* signal, or exit status other than 0 */
	BH_CAUSE_CLEAN,         /* exit 0 without being asked */
	BH_CAUSE_START_TIMEOUT, /* not READY in time */
	BH_CAUSE_HUNG,          /* heartbeats missing */
	BH_CAUSE_PROTOCOL,      /* broken control message */
	BH_CAUSE_DRAIN_TIMEOUT, /* killed at its deadline */
	BH_CAUSE_CONFIG,        /* exit 78 */
	BH_CAUSE_NOPERM,        /* exit 77 */
	BH_CAUSE_EXEC,          /* the executable did not start */
	BH_CAUSE_SANDBOX,       /* SIGSYS: a system call its role may not make */
	BH_CAUSE__N,
};

#define BH_LIFE_NEVER INT64_MAX

/* How a process ended. For an executable that did not start, exec_failed. */
struct bh_life_exit {
	int code;   /* exit status, -1 when killed by a signal */
	int signal; /* 0 when it exited */
	bool exec_failed;
};

struct bh_life {
	enum bh_life_state state;
	bool alive;          /* a process exists; kept by bh_life_step and bh_life_exited */
	uint32_t generation; /* counts spawns */
	int64_t since_ns;    /* mono time the state was entered */
	int64_t ready_ns;    /* mono time of READY; 0 when not READY in this generation */
	int64_t timer_ns;    /* when BH_LIFE_EV_TIMER is due; BH_LIFE_NEVER */
	int64_t delay_ns;    /* wait after the next failed start */
	bool overdue;        /* in BACKOFF: the wait is over, the killed process is not reaped */
	bool spent;          /* the restart without a wait was used */
	unsigned exec_failures;
	int64_t violations_ns[2];      /* mono times of the last deaths by SIGSYS, latest first */
	uint64_t restarts;             /* starts after the first one */
	enum bh_life_cause killed_for; /* set before a SIGKILL, taken as the cause at the exit */
	enum bh_life_cause last_cause;
	struct bh_life_exit last_exit;
};

struct bh_life_cell {
	enum bh_life_action action;
	enum bh_life_state next;
	bool known; /* false: the event means nothing in this state */
};

void bh_life_init(struct bh_life *l, int64_t now_ns);

/* The table itself, for the test that walks it. */
struct bh_life_cell bh_life_cell(enum bh_life_state state, enum bh_life_event event);

/*
 * Takes the step and returns the action. `limit_ns` is the time the next state may last, used for
 * STOP (deadline of the drain, absolute) and ignored otherwise. Not for exits: bh_life_exited.
 */
enum bh_life_action bh_life_step(struct bh_life *l, enum bh_life_event event, int64_t now_ns,
    int64_t limit_ns, struct bh_rng *rng);

/* The process is gone: finds the cause, takes the step, sets the restart delay. Returns the cause.
 */
enum bh_life_cause bh_life_exited(
    struct bh_life *l, const struct bh_life_exit *how, int64_t now_ns, struct bh_rng *rng);

/* A heartbeat arrived: it is not hung for the next 15 s. */
void bh_life_beat(struct bh_life *l, int64_t now_ns);

const char *bh_life_state_name(enum bh_life_state state); /* "RUNNING" */
int bh_life_state_code(enum bh_life_state state);         /* 20, as supervisord numbers them */
const char *bh_life_cause_name(enum bh_life_cause cause); /* "start-timeout"; "" for NONE */

#endif
