/*
 * Questions that one child answers with rows: dogstatsd's most frequent metrics and what makes the
 * contexts, the forwarder's registry and what is to be done with it (proto/CONTROL.md QUERY). One
 * at a time for each child; the rows become one JSON answer, bounded in rows and in bytes.
 */
#ifndef BH_SUPERVISOR_QUERY_H
#define BH_SUPERVISOR_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/config.h"
#include "common/loop.h"
#include "proto/control.h"
#include "supervisor/ctl_server.h"

#define BH_QUERY_ROWS          500    /* of each kind */
#define BH_QUERY_REGISTRY_ROWS 250000 /* more than a registry holds (spec/logs.md §16.4) */
#define BH_QUERY_BYTES_MAX     ((size_t)128 << 20) /* of rows as JSON */
#define BH_QUERY_COUNTS        8
#define BH_QUERY_NS            (60 * BH_NS_PER_S) /* then whoever waits is told */

struct bh_supervisor;

struct bh_query {
	uint32_t id; /* of the one under way or the last one */
	bool open;
	enum bh_verb verb;
	unsigned rows[BH_ROW__N];      /* received of each kind */
	struct bh_buf json[BH_ROW__N]; /* array elements */
	struct bh_query_row counts[BH_QUERY_COUNTS];
	size_t counts_n;
	struct bh_buf record;             /* of the row that comes next, as far as it has come */
	struct bh_supervisor *supervisor; /* while it is open, for the timer */
	enum bh_role role;
	struct bh_timer timer; /* it is given up when it runs out */
	const char *fault;     /* what is wrong with the answer; NULL = nothing */
	struct bh_buf subject; /* what was asked about, for people: the name of a file */
};

void bh_query_take(struct bh_supervisor *s, struct bh_ctl_conn *conn);
void bh_query_part(struct bh_supervisor *s, enum bh_role role, uint32_t id, struct bh_str part);
void bh_query_row(
    struct bh_supervisor *s, enum bh_role role, uint32_t id, const struct bh_query_row *row);
/* That child is not RUNNING any more: who waits for it is told. */
void bh_query_give_up(struct bh_supervisor *s, enum bh_role role);
void bh_query_release(struct bh_query *q);

#endif
