/*
 * From series and sketches to payload entries: drops points that are not finite, splits series of
 * too many points, counts every point (they are the items of the hand-over ledger).
 */
#ifndef BH_DOGSTATSD_OUTPUT_H
#define BH_DOGSTATSD_OUTPUT_H

#include "dogstatsd/filter.h"
#include "dogstatsd/payload_writer.h"
#include "dogstatsd/sampler.h"
#include "dogstatsd/series_encoder.h"
#include "dogstatsd/sketch_encoder.h"

struct bh_output {
	struct bh_payload_writer *writer;    /* borrowed */
	const struct bh_hist_outputs *hist;  /* borrowed */
	const struct bh_filter *hist_filter; /* borrowed; drops single series of histograms */
	const struct bh_series_format *format;
	struct bh_tags extra; /* set by the owner: put behind the tags of all (hosttags.h) */
	uint64_t received;    /* points given to it */
	uint64_t nonfinite;   /* of these, dropped as NaN or infinite */
	uint64_t filtered;    /* of these, dropped by the filter (§8.4, second pass) */
	uint64_t lost;        /* of these, dropped for lack of memory before the writer */
	/* scratch */
	struct bh_buf entry, name;
	struct bh_point *points;
	struct bh_sketch_point *sketches;
	size_t points_cap, sketches_cap;
};

void bh_output_init(struct bh_output *o, struct bh_payload_writer *writer,
    const struct bh_hist_outputs *hist, const struct bh_filter *hist_filter,
    const struct bh_series_format *format);
void bh_output_release(struct bh_output *o);

/* The entries of the configured filter that name single series of histograms (§8.4, second pass).
 * 0 or -ENOMEM; released with bh_filter_release(). */
int bh_output_hist_filter(struct bh_filter *f, const struct bh_config *cfg,
    const struct bh_hist_outputs *hist) BH_MUST_CHECK;

/* One series; the writer is within a series payload. Finite points only reach it. */
void bh_output_series(struct bh_output *o, const struct bh_series *s);

/* What follows, until the writer's finish, are series. */
void bh_output_begin_series(struct bh_output *o);
/* Everything of the set: series (§9.3, §9.5, grouped as §9.7 says), between begin_series and the
 * writer's finish; sketches, with their payloads. Histograms of the set get sorted,
 * parts of a sketch merged. */
void bh_output_set_series(struct bh_output *o, const struct bh_flush_set *set);
void bh_output_set_sketches(struct bh_output *o, const struct bh_flush_set *set);

#endif
