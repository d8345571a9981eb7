/*
 * One child as the supervisor holds it: its life (lifecycle.h), its process, its control channel
 * and what it last said. Carries out the actions of the life cycle, checks every message against
 * the state before use (proto/CONTROL.md), and reports what happened to its owner.
 *
 * The owner is called back from within bh_kid_* functions and from the loop; it may call bh_kid_*
 * again, but must not release the kid there.
 */
#ifndef BH_SUPERVISOR_KID_H
#define BH_SUPERVISOR_KID_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/attrs.h"
#include "common/config.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/rng.h"
#include "proto/control.h"
#include "supervisor/rights.h"
#include "supervisor/lifecycle.h"
#include "supervisor/spawn.h"
#include "supervisor/stat_set.h"

struct bh_kid;

struct bh_kid_ops {
	/* The state is another one; the action that belongs to it follows. */
	void (*changed)(void *ctx, struct bh_kid *kid, enum bh_life_state from);
	void (*prepare)(void *ctx, struct bh_kid *kid); /* before a start: kid->fds may change */
	void (*started)(
	    void *ctx, struct bh_kid *kid); /* a process was made; it may be told things */
	void (*drained)(void *ctx, struct bh_kid *kid); /* kid->drained holds its answer */
	void (*gone)(
	    void *ctx, struct bh_kid *kid); /* its process ended; the state is the new one */
	void (*stats)(void *ctx, struct bh_kid *kid); /* its answer is complete in kid->stats */
	/* bytes of the record that the next row of the answer to query id closes; borrowed */
	void (*part)(void *ctx, struct bh_kid *kid, uint32_t id, struct bh_str part);
	/* one row of the answer to query id; borrowed until return */
	void (*row)(void *ctx, struct bh_kid *kid, uint32_t id, const struct bh_query_row *row);
	void (*ready)(void *ctx, struct bh_kid *kid); /* READY came: kid->rights hold */
	void (*again)(void *ctx, struct bh_kid *kid); /* it asks for a start */
	/* the answer to RELOAD id */
	void (*reloaded)(
	    void *ctx, struct bh_kid *kid, uint32_t id, const struct bh_ctl_reloaded *r);
	/* the forwarder's API key is refused */
	void (*key_refused)(void *ctx, struct bh_kid *kid);
};

/* Shared by all kids, borrowed for their lives. */
struct bh_kid_env {
	struct bh_loop *loop;
	struct bh_rng *rng;
	struct bh_log *log;
	uint64_t run_id;
	int64_t started_ns;            /* wall time of the supervisor's start */
	int log_fd;                    /* children's 1 and 2 */
	int lock_fd;                   /* inherited by every child; -1 = none */
	struct bh_rights_plans *plans; /* NULL: no rights are given up */
	const struct bh_kid_ops *ops;
	void *ctx;
};

struct bh_kid {
	enum bh_role role;
	bool enabled;
	bool spool_only; /* for the next start */
	const struct bh_kid_env *env;
	struct bh_life life;
	char *exe;                     /* owned */
	int config_fd;                 /* owned: the sealed configuration, for every start */
	const struct bh_spawn_fd *fds; /* borrowed */
	size_t fds_n;
	pid_t pid;      /* 0 when there is no process */
	pid_t last_pid; /* of the last process that ended; 0 when it never became one */
	int64_t spawned_wall_ns;
	struct bh_watch process;
	struct bh_watch control;
	struct bh_timer timer;
	int64_t beat_ns; /* mono time of the last heartbeat; 0 = none from this process */
	struct bh_ctl_heartbeat beat;
	bool has_rights; /* of this process or the last one that was READY */
	struct bh_rights rights;
	bool booked; /* the owner's: its last figures are in the books */
	bool has_drained;
	struct bh_ctl_drained drained;
	uint32_t asked_id;        /* of the last STATS; 0 = none */
	uint32_t incoming_id;     /* of the answer being received */
	bool answered;            /* the last STATS has its answer in stats */
	int64_t figures_ns;       /* mono time of that answer; 0 = none from this process */
	bool silent;              /* it did not answer the last STATS in time */
	int64_t quota, quota_ns;  /* messages it may send unasked; mono time of the last refill */
	int64_t figures_left;     /* messages of the answer it owes */
	int64_t rows_left;        /* the same of a query's */
	struct bh_stat_set stats; /* last complete answer of the present or last process */
	struct bh_stat_set incoming;
	char failure[BH_ERR_TEXT_MAX]; /* why the last start failed; "" = it did not */
};

/* config_fd moves into the kid; exe is owned by it. */
void bh_kid_init(struct bh_kid *k, enum bh_role role, const struct bh_kid_env *env);
void bh_kid_release(struct bh_kid *k);

/* Its process has ended, and was not reaped yet; harmless otherwise. */
void bh_kid_reap(struct bh_kid *k);

/* Feeds the life cycle and carries out the action. deadline_ns (absolute) and mode matter for STOP.
 */
void bh_kid_event(
    struct bh_kid *k, enum bh_life_event event, int64_t deadline_ns, enum bh_drain_mode mode);

/* false when there is no process to take it. */
bool bh_kid_signal(struct bh_kid *k, int signo);

/* STATS with this id (not 0). false when it is not in a state to answer. */
bool bh_kid_ask(struct bh_kid *k, uint32_t id);
void bh_kid_peer_state(struct bh_kid *k, enum bh_role peer, bool running);

/* A question to one child. */
struct bh_kid_query {
	uint32_t id; /* not 0 */
	enum bh_query_what what;
	uint32_t limit;
	struct bh_str arg; /* at most BH_CTL_ARG_MAX bytes; empty = none */
	int fd;            /* goes along, stays the caller's; -1 = none */
};

/* false when it does not run, or does not read what it is sent. */
bool bh_kid_query(struct bh_kid *k, const struct bh_kid_query *q);

/* CAPTURE into fd, which stays the caller's. false when it does not run. */
bool bh_kid_capture(struct bh_kid *k, int fd, uint32_t seconds);

/* RELOAD with the configuration it has from now on (config_fd); id is not 0. false when it does not
 * run. */
bool bh_kid_reload(struct bh_kid *k, uint32_t id);

/* LOG: it writes to fd from now on, which stays the caller's. false when there is nobody. */
bool bh_kid_log(struct bh_kid *k, int fd);

/* LEDGER or FIGURES: 1 to BH_CTL_PART_MAX bytes of it. false when it does not run, or does not read
 * what it is sent. */
bool bh_kid_tell(struct bh_kid *k, enum bh_ctl_type type, struct bh_str part);

/* STREAM into fd, which stays the caller's. false when it does not run. */
bool bh_kid_stream(struct bh_kid *k, int fd, const struct bh_stream_filter *filter);

#endif
