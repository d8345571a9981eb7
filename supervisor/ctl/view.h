/*
 * The supervisor's answers as text for people, never wider than 80 columns, but for the names of
 * files in the registry, which are never cut. Pure: parsed JSON in, text out. Fields that are
 * missing count as empty or zero.
 */
#ifndef BH_CTL_VIEW_H
#define BH_CTL_VIEW_H

#include <jansson.h>
#include <stdbool.h>

#include "common/buf.h"

/* Table of the children as supervisorctl prints it, then what waits, what
 * was lost and why, notes.
 */
void bh_view_status(const json_t *status, struct bh_buf *out);
/* The same with a line above, and the last ends of each process below. */
void bh_view_status_verbose(const json_t *status, struct bh_buf *out);
/* One row each listener, source, hand-over and destination. */
void bh_view_ledger(const json_t *ledger, struct bh_buf *out);
/* The drain report. */
void bh_view_report(const json_t *report, struct bh_buf *out);

/* One line a metric, the most frequent first. */
void bh_view_metrics(const json_t *answer, struct bh_buf *out);
/* Names by contexts, tag keys by values. */
void bh_view_contexts(const json_t *answer, struct bh_buf *out);
/* Processes by packets. */
void bh_view_senders(const json_t *answer, struct bh_buf *out);
/* The table of the children alone; head: with a line above. */
void bh_view_roles(const json_t *roles, bool head, struct bh_buf *out);
/* The last ends of each process, the latest first. */
void bh_view_deaths(const json_t *roles, struct bh_buf *out);
/* "PASS logs: runs", one line a component, and the whole. */
void bh_view_health(const json_t *answer, struct bh_buf *out);

/* "logs: restarted", one line a process; what failed is told elsewhere (bh_ctl_results_verdict). */
void bh_view_results(const json_t *answer, struct bh_buf *out);

/* "logs: 1 source added, 2 unchanged", one line a process; findings before, what needs a start
 * behind. */
void bh_view_reload(const json_t *answer, struct bh_buf *out);

/* One line a row of the registry, by path. */
void bh_view_registry(const json_t *answer, struct bh_buf *out);
/* Everything about each row. */
void bh_view_registry_show(const json_t *answer, struct bh_buf *out);
void bh_view_registry_import(const json_t *answer, struct bh_buf *out);
void bh_view_registry_forget(const json_t *answer, struct bh_buf *out);
/* What the intake refused for good, and what was sent again. */
void bh_view_quarantine(const json_t *answer, struct bh_buf *out);
void bh_view_replayed(const json_t *answer, struct bh_buf *out);
/* The Agent's registry.json, version 2 (spec/logs.md §16.2, §16.3): of each identifier the row of
 * the generation at its path, with what is delivered as its offset. */
void bh_view_registry_export(const json_t *answer, struct bh_buf *out);

/* Whether every role is RUNNING: exit status 0 of `status`, else 3. */
bool bh_view_all_running(const json_t *status);

#endif
