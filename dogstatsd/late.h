/*
 * Samples that carry their own timestamp (spec/dogstatsd.md §10, "no aggregation"): each value
 * becomes a series of one point at once, kept as a finished payload entry until enough are there.
 * No context is made for them. The copy of a histogram with a timestamp is not made here: that is
 * an aggregate like others (bh_sampler_add_late_copy).
 */
#ifndef BH_DOGSTATSD_LATE_H
#define BH_DOGSTATSD_LATE_H

#include <stdint.h>

#include "dogstatsd/identity.h"
#include "dogstatsd/parser.h"
#include "dogstatsd/series_encoder.h"

#define BH_LATE_BYTES ((size_t)1 << 20) /* entries kept at most, about */

/* Finished entries, one after the other, each behind its length. */
struct bh_late_batch {
	struct bh_buf entries;
	uint32_t points;
};

void bh_late_batch_release(struct bh_late_batch *b);

struct bh_late {
	struct bh_resolver *resolver; /* borrowed */
	const struct bh_series_format *format;
	uint32_t full;        /* samples a payload is closed beyond */
	struct bh_tags extra; /* set by the owner: put behind the tags of all (hosttags.h) */
	struct bh_late_batch batch;
	struct bh_buf scratch;
	uint64_t received; /* points put into entries since the start */
};

/* full: dogstatsd_no_aggregation_pipeline_batch_size. */
void bh_late_init(struct bh_late *l, struct bh_resolver *resolver,
    const struct bh_series_format *format, uint32_t full);
void bh_late_release(struct bh_late *l);

struct bh_late_result {
	uint32_t added, nonfinite, rejected /* no memory */, unsupported /* h, ms, d, s */,
	    filtered;
};

/* m has a timestamp. */
struct bh_late_result bh_late_add(struct bh_late *l, const struct bh_metric *m);

static inline bool bh_late_full(const struct bh_late *l)
{
	return l->batch.points > l->full || l->batch.entries.len > BH_LATE_BYTES;
}

/* Moves everything out: l is empty then. */
struct bh_late_batch bh_late_take(struct bh_late *l);

/* Writes all entries as series payloads. */
void bh_late_write(const struct bh_late_batch *b, const struct bh_series_format *format,
    struct bh_payload_writer *w);

#endif
