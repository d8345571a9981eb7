/* Shared by dogstatsd.c (life), receive.c (samples in), flush.c (buckets out) and drain.c (the
 * end). */
#ifndef BH_DOGSTATSD_DOGSTATSD_INTERNAL_H
#define BH_DOGSTATSD_DOGSTATSD_INTERNAL_H

#include "common/rng.h"
#include "dogstatsd/census.h"
#include "dogstatsd/dogstatsd.h"
#include "dogstatsd/handover.h"
#include "dogstatsd/hosttags.h"
#include "dogstatsd/ingest.h"
#include "dogstatsd/listener.h"
#include "dogstatsd/outlet.h"
#include "dogstatsd/rate.h"
#include "dogstatsd/stats.h"
#include "dogstatsd/streams.h"

#define BH_DOGSTATSD "dogstatsd" /* component of its messages */

enum bh_dogstatsd_stage {
	BH_STAGE_RUNNING,
	BH_STAGE_READING,
	BH_STAGE_HANDING_OVER,
	BH_STAGE_DRAINED
};

struct bh_dogstatsd {
	struct bh_child *child;
	const struct bh_clock *clock;
	struct bh_rng rng;
	struct bh_naming naming;
	struct bh_host_tags host_tags;
	struct bh_sampler sampler;
	struct bh_late late;
	struct bh_notices notices;
	struct bh_ingest ingest;
	struct bh_outlet outlet;
	struct bh_batch batch;
	struct bh_listener *listeners;
	size_t listeners_n;
	struct bh_streams streams; /* zero without a stream socket */
	struct bh_tap tap;
	struct bh_timer flush_timer, step_timer, late_timer, drain_timer, deadline_timer;
	int64_t next_flush_ns, last_late_ns, read_until_ns;
	struct bh_census census;
	uint32_t census_id; /* of the question under way; 0 = none */
	struct bh_timer census_timer, capture_timer;
	struct bh_rate rate; /* zero without dogstatsd_stats_enable */
	struct bh_timer rate_timer;
	enum bh_dogstatsd_stage stage;
	enum bh_drain_mode mode;     /* of the drain */
	int handover_fd;             /* where open buckets go; -1 = nowhere */
	struct bh_handover handover; /* those of the process before, until they are read */
	struct bh_log_limit bad_line_limit, rejected_limit, truncated_limit, drops_limit,
	    frame_limit, behind_limit, memory_limit;
	uint64_t drops_logged;
	struct bh_fills fills;
};

static inline int64_t bh_dogstatsd_wall_s(const struct bh_dogstatsd *d)
{
	return bh_wall_ns(d->clock) / BH_NS_PER_S;
}

static inline bool bh_dogstatsd_has_streams(const struct bh_dogstatsd *d)
{
	return d->streams.cfg.name != NULL;
}

/* --- receive.c --- */
/* For the sockets of the loop. */
void bh_receive_readable(struct bh_watch *w, unsigned events);
void bh_receive_stream(void *owner, struct bh_stream *c);
/* One batch of one socket. Returns the number of datagrams. */
unsigned bh_receive_batch(struct bh_dogstatsd *d, struct bh_listener *l);
/* Looks at the buffers; the loop's end of a turn. */
void bh_receive_turn_end(void *ctx);
/* Waiting and accepted connections, one read each. Returns the bytes. */
size_t bh_receive_streams(struct bh_dogstatsd *d);

/* --- flush.c --- */
/* The samples with a timestamp that have come so far. */
void bh_flush_late(struct bh_dogstatsd *d);
/* The timer of the periodic flush. */
void bh_flush_tick(struct bh_timer *t);
/* All closed buckets, or all, at once: for the drain, when nobody waits for a socket. 0; -ENOMEM:
 * the buckets are still in the sampler. */
int bh_flush_to_the_end(struct bh_dogstatsd *d, bool all) BH_MUST_CHECK;

/* --- drain.c --- */
void bh_dogstatsd_drain(void *ctx, int64_t deadline_ns, enum bh_drain_mode mode);
/* The outlet's word that everything it was given is durable. */
void bh_dogstatsd_drained(void *ctx);

#endif
