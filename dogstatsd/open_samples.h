/*
 * How many samples of one listener are in buckets that no flush has taken yet: "in flight" in its
 * ledger row, and lost with a process that is killed. Counted by the time buckets begin, so samples
 * with a timestamp and notices, which leave earlier, are among them until the next flush.
 */
#ifndef BH_DOGSTATSD_OPEN_SAMPLES_H
#define BH_DOGSTATSD_OPEN_SAMPLES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/ledger.h"
#include "dogstatsd/sampler.h"

struct bh_open_samples {
	int64_t bucket;     /* number of the bucket that samples went into last */
	uint64_t at_bucket; /* delivered when it began */
	uint64_t flushed;   /* of those delivered, taken by a flush */
};

/* Before samples of this second are counted as delivered. */
static inline void bh_open_samples_note(
    struct bh_open_samples *o, const struct bh_ledger *l, int64_t now)
{
	if (now / BH_BUCKET_S == o->bucket)
		return;
	o->bucket = now / BH_BUCKET_S;
	o->at_bucket = l->delivered;
}

/* A flush took the closed buckets of this second, or all. */
static inline void bh_open_samples_flush(
    struct bh_open_samples *o, const struct bh_ledger *l, int64_t now, bool all)
{
	uint64_t flushed = all || now / BH_BUCKET_S != o->bucket ? l->delivered : o->at_bucket;

	o->flushed = flushed > o->flushed ? flushed : o->flushed;
}

/* The row as it is to be shown. */
static inline struct bh_ledger bh_open_samples_row(
    const struct bh_open_samples *o, const struct bh_ledger *l)
{
	struct bh_ledger row = *l;

	row.in_flight += l->delivered - o->flushed;
	row.delivered = o->flushed;
	return row;
}

#endif
