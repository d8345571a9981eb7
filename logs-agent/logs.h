/*
 * The logs process: sources, their generations, the open batch, and what waits for the forwarder.
 * Reading begins when the link gave all registry rows, pauses while the forwarder gives no credit
 * (the files are the buffer), and ends at a drain: every complete line handed over and
 * acknowledged.
 */
#ifndef BH_LOGS_LOGS_H
#define BH_LOGS_LOGS_H

#include "common/child.h"
#include "logs-agent/grants.h"

struct bh_logs;

/* child is borrowed for life; grants, in force already, move into it. -errno, -ENOMEM, BH_E_NET
 * with text. */
int bh_logs_new(struct bh_logs **out, struct bh_child *child, struct bh_grants *grants,
    struct bh_err *err) BH_MUST_CHECK;
void bh_logs_free(struct bh_logs *l);

extern const struct bh_child_ops bh_logs_child_ops; /* ctx: struct bh_logs */

#endif
