/* The figures of this process for status, ledger and diagnosis: one ledger row per socket, the
 * hand-over row "metrics", and numbers named as in spec/dogstatsd.md §13. */
#ifndef BH_DOGSTATSD_STATS_H
#define BH_DOGSTATSD_STATS_H

#include "common/child.h"
#include "common/fill.h"
#include "dogstatsd/ingest.h"
#include "dogstatsd/listener.h"
#include "dogstatsd/outlet.h"
#include "dogstatsd/rate.h"
#include "dogstatsd/streams.h"

/* Buffers of intake.md §16.3, looked at once a turn of the loop. */
struct bh_fills {
	struct bh_fill packets; /* datagrams the turn took out of the sockets */
	struct bh_fill ipc;     /* payloads in the window of the link */
	uint64_t datagrams;     /* of all sockets, at the last look */
};

struct bh_stats_source { /* all borrowed */
	struct bh_listener *listeners;
	size_t listeners_n;
	struct bh_streams *streams; /* NULL = no stream socket */
	const struct bh_tap *tap;
	const struct bh_ingest *ingest;
	const struct bh_sampler *sampler;
	const struct bh_outlet *outlet;
	const struct bh_late *late;
	const struct bh_notices *notices;
	const struct bh_fills *fills;
	const struct bh_rate *rate; /* NULL = not counted */
};

/* Gives every figure to the supervisor; brings the kernel's drop counters up to date first. */
void bh_stats_report(const struct bh_stats_source *s, struct bh_child *child);

#endif
