/*
 * bulkheadctl's part of our own log: opening it again after a rotation, and its last lines. The
 * lines of each role stand in a ring of memory (common/log_ring.h) that outlives its processes.
 */
#ifndef BH_SUPERVISOR_LOG_SERVE_H
#define BH_SUPERVISOR_LOG_SERVE_H

#include "common/attrs.h"
#include "common/config.h"
#include "common/log_ring.h"
#include "supervisor/ctl_server.h"

struct bh_supervisor;

struct bh_log_rings {
	int fd[BH_ROLE__N]; /* -1 = there is none */
	struct bh_log_ring *map[BH_ROLE__N];
};

void bh_log_rings_init(struct bh_log_rings *r);
/* One for each role. What cannot be had costs `tail` the lines of that role, nothing else. */
void bh_log_rings_open(struct bh_log_rings *r);
void bh_log_rings_release(struct bh_log_rings *r);

/* Opens the log once more, under the same number here, and gives it to every child. The old one
 * goes on when that fails. conn: who waits for the answer; NULL = nobody (USR1). */
void bh_log_reopen(struct bh_supervisor *s, struct bh_ctl_conn *conn);
/* Now and then: a system log that was restarted is connected again. */
void bh_log_repair(struct bh_supervisor *s);
/* The lines of each role from conn->from on, and the positions behind them. */
void bh_log_answer_tail(struct bh_supervisor *s, struct bh_ctl_conn *conn);

#endif
