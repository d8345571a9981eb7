/*
 * Samples that carry their own timestamp (spec/dogstatsd.md §10, "no aggregation"): each value
 * becomes a series of one point at once, kept as a finished payload entry until enough are there.
 * No context is made for them.
 */
#ifndef BH_DOGSTATSD_LATE_H
#define BH_DOGSTATSD_LATE_H

#include <stdint.h>

#include "dogstatsd/identity.h"
#include "dogstatsd/parser.h"
#include "dogstatsd/series_encoder.h"

#define BH_LATE_BYTES ((size_t)1 << 20) /* entries kept at most, about */

struct bh_late {
	struct bh_resolver *resolver; /* borrowed */
	const struct bh_series_format *format;
	uint32_t batch;        /* samples a payload is closed beyond */
	struct bh_buf entries; /* one after the other, each behind its length */
	struct bh_buf scratch;
	uint32_t points;   /* in entries */
	uint64_t received; /* points put into entries since the start */
};

/* batch: dogstatsd_no_aggregation_pipeline_batch_size. */
void bh_late_init(struct bh_late *l, struct bh_resolver *resolver,
    const struct bh_series_format *format, uint32_t batch);
void bh_late_release(struct bh_late *l);

struct bh_late_result {
	uint32_t added, nonfinite, rejected /* no memory */, unsupported /* h, ms, d, s */,
	    filtered;
};

/* m has a timestamp. */
struct bh_late_result bh_late_add(struct bh_late *l, const struct bh_metric *m);

static inline bool bh_late_full(const struct bh_late *l)
{
	return l->points > l->batch || l->entries.len > BH_LATE_BYTES;
}

/* Forgets all entries; returns how many there were. */
uint32_t bh_late_forget(struct bh_late *l);
/* Writes all entries as series payloads and forgets them. */
void bh_late_flush(struct bh_late *l, struct bh_payload_writer *w);

#endif
