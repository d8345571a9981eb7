/*
 * The answers of `status` and `ledger` as JSON, from what the supervisor holds. Reads only; the
 * figures of children are those of their last answer.
 */
#ifndef BH_SUPERVISOR_STATUS_VIEW_H
#define BH_SUPERVISOR_STATUS_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/config.h"
#include "supervisor/books.h"
#include "supervisor/deaths.h"
#include "supervisor/kid.h"

struct bh_status_view {
	const char *state; /* of the whole: "STARTING", "RUNNING", "DRAINING", "STOPPED" */
	bool ready;        /* every enabled role is RUNNING */
	int64_t mono_ns, wall_ns;
	int64_t started_mono_ns;
	const struct bh_kid *kids;       /* BH_ROLE__N of them, by role; [0] is unused */
	const struct bh_books *books;    /* of the ledger */
	const struct bh_deaths *deaths;  /* the same; NULL: without them */
	const struct bh_strlist *notes;  /* of the supervisor: sockets, configuration */
	const struct bh_strlist *limits; /* protections that are missing */
};

/* Whether the child's figures are its present ones: it answered, or said its last at a drain. */
bool bh_kid_figures_known(const struct bh_kid *k);

/* One JSON object each, appended to out. */
void bh_status_json(const struct bh_status_view *v, struct bh_buf *out);
void bh_ledger_json(const struct bh_status_view *v, struct bh_buf *out);

#endif
