/*
 * The drain report: what each child said at its end, whether both sides agree, and the verdict
 * (DESIGN §5.4, spec/supervision.md §5). Pure: figures in, JSON and text out.
 *
 * The verdict is "accounted for" when every child acknowledged its drain, every producer's last
 * sequence number is covered by the forwarder's durable one, every ledger row closes, nothing is
 * left that cannot be read again, and nothing valid was dropped. Input that never was a sample or a
 * line (malformed, unsupported, filtered, empty) is counted and reported, and does not
 * change the verdict.
 */
#ifndef BH_SUPERVISOR_REPORT_H
#define BH_SUPERVISOR_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/config.h"
#include "proto/control.h"
#include "supervisor/drain.h"
#include "supervisor/stat_set.h"

struct bh_report_role {
	bool enabled;
	enum bh_drain_result result;
	int64_t ms; /* of its own drain */
	bool has_drained;
	struct bh_ctl_drained drained;   /* when has_drained */
	const struct bh_stat_set *stats; /* its last figures; borrowed */
};

struct bh_report {
	const char *cause; /* "SIGTERM", "shutdown", "drain"; a literal */
	bool fast;
	int64_t began_wall_ns, ended_wall_ns;
	int64_t ms;
	bool unread;                 /* a client's datagrams stayed in the Unix socket */
	unsigned forwarder_restarts; /* spool only, within the drain */
	struct bh_report_role role[BH_ROLE__N];
};

/* Whether the producer's stream is durable according to both sides. */
bool bh_report_fence_match(const struct bh_report *r, enum bh_role producer);

bool bh_report_accounted(const struct bh_report *r);

/* One JSON object, appended to out. */
void bh_report_json(const struct bh_report *r, struct bh_buf *out);
/* Some lines for people, at most 80 columns each, appended to out. */
void bh_report_text(const struct bh_report *r, struct bh_buf *out);

/* RFC 3339, UTC, milliseconds. out has at least 32 bytes. */
void bh_rfc3339(int64_t wall_ns, char *out);

#endif
