/*
 * The time sampler (spec/dogstatsd.md §9): samples go into 10 s buckets by their arrival time, one
 * aggregate per context and bucket; a flush takes the closed buckets out. Distributions live in
 * buckets of their own.
 *
 * Plain data in, plain data out: the time is an argument (wall clock, whole seconds; it may jump
 * either way), nothing is encoded here. A flush set is detached: no later sample changes it.
 *
 * In a bucket of sketches a context may have several aggregates: they count as one, and whoever
 * encodes the set merges them.
 *
 * Within one bucket the first sample of a context decides what the aggregate is; a later sample of
 * another type feeds it as it is (§9.3). Adding a sample allocates only for a context's first
 * sample in a bucket and for the growth of histograms, sets and sketches.
 */
#ifndef BH_DOGSTATSD_SAMPLER_H
#define BH_DOGSTATSD_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/attrs.h"
#include "dogstatsd/context.h"
#include "dogstatsd/histogram.h"
#include "dogstatsd/parser.h"
#include "dogstatsd/sketch.h"
#include "dogstatsd/valueset.h"

#define BH_BUCKET_S 10

/* The aggregate of one context in one bucket. */
struct bh_agg {
	struct bh_context *ctx;
	struct bh_agg *next; /* in a flush set: same context, a later bucket */
	union {
		double value; /* gauge; sum of a counter */
		struct bh_histogram *histogram;
		struct bh_valueset *set;
		struct bh_sketch *sketch;
	} u;
	int32_t slot;  /* start of its bucket / BH_BUCKET_S */
	uint8_t type;  /* enum bh_metric_type */
	bool follower; /* in a flush set: reached through next of another */
};

static inline int64_t bh_agg_start(const struct bh_agg *a)
{
	return (int64_t)a->slot * BH_BUCKET_S;
}

/* Aggregates stand in parts, each twice as large as the one before, so that none ever moves. */
#define BH_BUCKET_FIRST ((size_t)64) /* aggregates in the first part */
#define BH_BUCKET_PARTS 26           /* together more than any memory holds */

struct bh_bucket {
	struct bh_bucket *next;
	int64_t start; /* covers [start, start + 10) */
	uint64_t id;   /* never used again */
	size_t n;
	struct bh_agg *parts[BH_BUCKET_PARTS]; /* owned; NULL beyond what is in use */
};

/* In which part aggregate i stands, and where in it. */
static inline unsigned bh_bucket_part(size_t i, size_t *at)
{
	unsigned part = 63 - (unsigned)__builtin_clzl(i / BH_BUCKET_FIRST + 1);

	*at = i - (BH_BUCKET_FIRST << part) + BH_BUCKET_FIRST;
	return part;
}

/* Aggregate i, i < n. */
static inline struct bh_agg *bh_bucket_agg(const struct bh_bucket *b, size_t i)
{
	size_t at;
	unsigned part = bh_bucket_part(i, &at);

	return &b->parts[part][at];
}

/* What a flush took out; owns its buckets and the contexts that expired with it. Sets must be freed
 * in the order they were made: an earlier one may point at contexts a later one owns. */
struct bh_flush_set {
	int64_t now;
	struct bh_bucket *metrics;  /* ascending start */
	struct bh_bucket *sketches; /* ascending start */
	struct bh_context *expired;
	struct bh_tag_store *tags; /* of the sampler: of the expired contexts */
	struct bh_tags host_tags;  /* for whoever encodes it (hosttags.h); set by who got the set */
};

void bh_flush_set_free(struct bh_flush_set *set);

enum bh_store { BH_STORE_METRICS, BH_STORE_SKETCHES, BH_STORE__N };

struct bh_bucket_store {
	struct bh_bucket *list; /* ascending start */
	/* bucket of the latest sample; the places of contexts refer to it */
	struct bh_bucket *current;
};

/* A flush in progress (sampler_flush.c). */
struct bh_sampler_flush {
	enum { BH_FLUSH_IDLE, BH_FLUSH_ZEROS, BH_FLUSH_CHAINS, BH_FLUSH_EXPIRY } stage;
	struct bh_flush_set *set;
	struct bh_bucket *bucket; /* of the set, in work */
	size_t at;                /* next aggregate of it, or next slot of the contexts */
	size_t mask;              /* of the contexts, when at refers to it */
	bool marked, sketches;
	uint64_t chain_id;
	struct bh_expiry expiry;
};

struct bh_sampler_config {
	uint64_t seed;                 /* of hash keys */
	struct bh_str hostname;        /* borrowed for the life of the sampler */
	const struct bh_strlist *tags; /* dogstatsd_tags; borrowed likewise; NULL = none */
	struct bh_naming *naming;      /* borrowed likewise; NULL = names stay as they are */
	bool copy_histograms;          /* histogram_copy_to_distribution */
	bool count_samples;            /* dogstatsd_metrics_stats_enable */
	int64_t expiry_s;              /* dogstatsd_expiry_seconds; 0 = no zero filling */
	int64_t context_expiry_s;      /* dogstatsd_context_expiry_seconds */
	size_t context_limit;
};

struct bh_sampler {
	struct bh_contexts contexts;
	struct bh_bucket_store stores[BH_STORE__N];
	int64_t expiry_s, context_expiry_s;
	bool copy_histograms, count_samples;
	int64_t last_cutoff;
	uint64_t next_bucket_id, flushes;
	struct bh_sampler_flush flush;
};

int bh_sampler_init(struct bh_sampler *s, const struct bh_sampler_config *cfg) BH_MUST_CHECK;
/* Frees what was not flushed. All flush sets must have been freed before. */
void bh_sampler_release(struct bh_sampler *s);

struct bh_add_result {
	uint32_t added;       /* values taken */
	uint32_t nonfinite;   /* values ignored because they are NaN or infinite */
	uint32_t rejected;    /* values refused: context limit or no memory */
	uint32_t filtered;    /* values whose name the filter drops: all or none */
	uint32_t copies_lost; /* values whose copy was refused; the values themselves count above */
};

/* Adds all values of a metric (its timestamp is not looked at) at time now, and their copies. */
struct bh_add_result bh_sampler_add(struct bh_sampler *s, const struct bh_metric *m, int64_t now);

/* Buckets of sketches that copies with a timestamp may open, and aggregates they may add to those
 * there are, in limits of the contexts. */
#define BH_LATE_BUCKETS    64
#define BH_LATE_AGGREGATES 4

/*
 * The copy of a histogram that carries a timestamp (§10): it goes into the bucket of that time,
 * whether that has been flushed before or is still to come. The histogram itself is not added.
 * Nothing happens without copy_histograms, for other types, and for names that the filter drops.
 * Returns the values lost: the context limit, the limits above, no memory, or a time beyond any
 * bucket.
 */
uint32_t bh_sampler_add_late_copy(struct bh_sampler *s, const struct bh_metric *m, int64_t now);

/*
 * Flush at time now: every bucket with start + 10 <= now - now % 10, all of them when `all` (a
 * stop), with zeros for idle counters (§9.4); then contexts expire. `begin` takes the buckets out;
 * samples may be added between the steps that follow. 0; -ENOMEM (nothing was taken out);
 * BH_E_STATE while another flush is not done.
 */
int bh_sampler_flush_begin(struct bh_sampler *s, int64_t now, bool all) BH_MUST_CHECK;
/* Looks at about `budget` aggregates or contexts. The set once all is done (it may be empty), NULL
 * until then. */
struct bh_flush_set *bh_sampler_flush_step(struct bh_sampler *s, size_t budget);

/* In the buckets that no flush has taken out. */
uint64_t bh_sampler_aggregates(const struct bh_sampler *s);

static inline bool bh_sampler_flushing(const struct bh_sampler *s)
{
	return s->flush.stage != BH_FLUSH_IDLE;
}

/* Both in one. */
int bh_sampler_flush(
    struct bh_sampler *s, int64_t now, bool all, struct bh_flush_set **out) BH_MUST_CHECK;

#endif
