/*
 * Questions that dogstatsd answers with rows: the most frequent metrics, and what makes the
 * contexts. One at a time; the rows become one JSON answer, bounded by the number asked for.
 */
#ifndef BH_SUPERVISOR_QUERY_H
#define BH_SUPERVISOR_QUERY_H

#include <stdint.h>

#include "common/buf.h"
#include "common/jsonw.h"
#include "proto/control.h"
#include "supervisor/ctl_server.h"

#define BH_QUERY_ROWS 500 /* of each kind */

struct bh_supervisor;

struct bh_query {
	uint32_t id; /* of the one under way or the last one */
	bool open;
	enum bh_verb verb;
	unsigned rows[BH_ROW_END];      /* received of each kind */
	struct bh_buf json[BH_ROW_END]; /* array elements */
};

void bh_query_take(struct bh_supervisor *s, struct bh_ctl_conn *conn);
void bh_query_row(struct bh_supervisor *s, uint32_t id, const struct bh_query_row *row);
/* dogstatsd is not RUNNING any more: who waits is told. */
void bh_query_give_up(struct bh_supervisor *s);
void bh_query_release(struct bh_query *q);

#endif
