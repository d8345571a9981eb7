/*
 * What every child process shares: its start (descriptors, configuration, identity) and its side of
 * the control channel. The order of messages: HELLO at start, READY once it works, HEARTBEAT every
 * 5 s, then DRAIN → … → DRAIN_ACK → EXIT.
 *
 * Descriptors at exec (spec/supervision.md §1): 0 /dev/null, 1 and 2 the log stream, 3 the control
 * socket, 4 the sealed configuration, 5.. role descriptors announced in BULKHEAD_FDS="name:num,…"
 * (names: "udp:<addr>:<port>", "uds:<path>", "logs-tcp:<port>", "logs-udp:<port>",
 * "logs-run:stdout", "log-ring"). Environment: BULKHEAD_FDS, BULKHEAD_LOG (common/log.h),
 * BULKHEAD_GENERATION, BULKHEAD_RUN_ID (hex), BULKHEAD_STARTED (wall time in ns), BULKHEAD_RIGHTS
 * (common/sandbox_orders.h), BULKHEAD_UIDS (of dogstatsd, logs and forwarder, with commas between
 * them), BULKHEAD_DRAIN=spool-only for a forwarder restarted during a drain, BULKHEAD_PROBE for a
 * process of the self-test; nothing secret.
 *
 * Signals: all are blocked before the first library call and read by signalfd. TERM, INT, HUP are
 * ignored (logged once) while the control channel is open; QUIT leaves at once without a drain.
 * End-of-file on the control channel: the supervisor is gone; the child drains by itself within 10
 * s (ops->drain with BH_DRAIN_FULL) and exits 75 instead of waiting for EXIT; a forwarder first
 * waits for its producers (heartbeat's link_up) for at most 6 s of it.
 */
#ifndef BH_COMMON_CHILD_H
#define BH_COMMON_CHILD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "common/config.h"
#include "common/err.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/sandbox.h"
#include "proto/control.h"

#define BH_CHILD_FD_CONTROL 3
#define BH_CHILD_FD_CONFIG  4
#define BH_CHILD_FD_FIRST   5
#define BH_CHILD_FDS_MAX    68

/* Exit statuses (sysexits; spec/supervision.md §9.1). */
enum bh_exit {
	BH_EXIT_OK = 0,
	BH_EXIT_USAGE = 2,
	BH_EXIT_UNAVAILABLE = 69,
	BH_EXIT_INTERNAL = 70,
	BH_EXIT_UNPROVEN =
	    75, /* stopped with loss, or without proof; store locked by another forwarder */
	BH_EXIT_NOPERM = 77,
	BH_EXIT_CONFIG = 78,
};

struct bh_child_fd {
	char *name;
	int fd; /* owned by the child; it may take it by setting -1 here */
};

/* Given to ops->stats: call bh_child_stat_*; each is one message. */
struct bh_child;

struct bh_child_query {
	uint32_t id; /* for the answer */
	enum bh_query_what what;
	uint32_t limit;    /* rows of a kind */
	struct bh_str arg; /* at most BH_CTL_ARG_MAX bytes; empty = none */
	int fd;            /* -1 = none came along */
};

struct bh_child_ops {
	/* DRAIN: stop taking in, hand everything over; call bh_child_drained() when done or at the
	 * deadline. A second DRAIN with an earlier deadline or another mode may follow. */
	void (*drain)(void *ctx, int64_t deadline_mono_ns, enum bh_drain_mode mode);
	/* EXIT after a drain (or while starting): close what must be closed; the process then ends
	 * with 0. May be NULL. */
	void (*exit)(void *ctx);
	void (*peer_state)(void *ctx, enum bh_role role, bool running); /* may be NULL */
	void (*stats)(void *ctx, struct bh_child *c); /* give every row, number and note */
	void (*heartbeat)(void *ctx, struct bh_ctl_heartbeat *hb); /* rss is filled already */
	/* QUERY: answer with bh_child_row(), now or later, the last row of kind BH_ROW_END. NULL:
	 * this process has nothing to ask for. q is borrowed until return, its descriptor with it.
	 */
	void (*query)(void *ctx, const struct bh_child_query *q);
	/* CAPTURE: takes fd. NULL: this process captures nothing. */
	void (*capture)(void *ctx, int fd, uint32_t seconds);
	/* RELOAD: what next asks for, or r->restart when that takes a start. May move out of next.
	 * NULL: always a start. */
	void (*reload)(void *ctx, struct bh_config *next, struct bh_ctl_reloaded *r);
	/* LEDGER, FIGURES: borrowed until return; rows and figures one behind the other. NULL: not
	 * for this process. */
	void (*ledger)(void *ctx, struct bh_str rows);
	void (*figures)(void *ctx, struct bh_str figures);
	/* STREAM: takes fd. NULL: this process shows nothing. */
	void (*stream)(void *ctx, int fd, const struct bh_stream_filter *filter);
};

struct bh_child {
	enum bh_role role;
	uint32_t generation;
	uint64_t run_id;
	bool spool_only;
	int64_t run_started_ns; /* wall time of the supervisor's start; 0 = not told */
	uid_t uids[BH_ROLE__N]; /* users of the children; (uid_t)-1 = one's own */
	struct bh_sandbox_orders orders;
	struct bh_rights rights; /* in force; common/child_confine.h */
	struct bh_config config;
	struct bh_child_fd fds[BH_CHILD_FDS_MAX];
	size_t fds_n;
	struct bh_log log;
	struct bh_loop loop;
	/* private from here */
	const struct bh_child_ops *ops;
	void *ctx;
	struct bh_watch control;
	struct bh_watch signals;
	struct bh_timer beat;
	int memory_fd; /* its own statm: no file can be opened later */
	uint32_t stats_id;
	uint32_t arg_id; /* of the query arg belongs to */
	struct bh_buf arg;
	bool draining, drained, orphan, term_logged;
	int64_t orphan_until_ns; /* mono time by which an orphan has drained */
	int exit_code;           /* what main() returns after bh_child_run() */
};

/* First call of main(): blocks signals, reads environment, descriptors and configuration, sets up
 * log and loop. On error the text is for stderr and *exit_code says how to leave (2 when not
 * started by a supervisor, 70, 78). */
int bh_child_boot(
    struct bh_child *c, enum bh_role role, int *exit_code, struct bh_err *err) BH_MUST_CHECK;
/* Registers with the loop and says HELLO. ops and ctx are borrowed for the life of c. */
int bh_child_start(struct bh_child *c, const struct bh_child_ops *ops, void *ctx) BH_MUST_CHECK;
void bh_child_ready(struct bh_child *c);
/* Asks to be started again, for what only a start gives: rights, a store that can be written. */
void bh_child_again(struct bh_child *c);
/* An intake refuses the API key: the supervisor is to look whether there is another one. */
void bh_child_key_refused(struct bh_child *c);
/* Runs the loop until EXIT; returns the exit status for main(). After an orphan's drain it does not
 * return but ends the process. */
int bh_child_run(struct bh_child *c);
/* Ends the loop with this status (70 for an internal error, 75 …). */
void bh_child_fail(struct bh_child *c, int exit_code);

/* Sends the final stats (ops->stats), then DRAIN_ACK. Once only; later calls are ignored. */
void bh_child_drained(struct bh_child *c, const struct bh_ctl_drained *d);
void bh_child_progress(struct bh_child *c, uint64_t items, uint64_t bytes);

void bh_child_stat_ledger(struct bh_child *c, enum bh_ledger_kind kind, const char *name, size_t n,
    const struct bh_ledger *l);
/* The same row since the installation. */
void bh_child_stat_kept(struct bh_child *c, const struct bh_ledger_row *row);
void bh_child_stat_number(struct bh_child *c, const char *name, uint64_t v);
void bh_child_stat_note(struct bh_child *c, const char *name, const char *fmt, ...) BH_PRINTF(3, 4);

void bh_child_release(struct bh_child *c);

/* One row of the answer to a query. Strings are cut to what a row holds. */
void bh_child_row(struct bh_child *c, uint32_t id, enum bh_query_row_kind kind, const char *name,
    const char *text, uint64_t count, int64_t at);
/* The record of the row that follows, in as many messages as it takes. */
void bh_child_record(struct bh_child *c, uint32_t id, struct bh_str record);

#endif
