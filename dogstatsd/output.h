/*
 * From series and sketches to payload entries: drops points that are not finite, splits series of
 * too many points, counts every point (they are the items of the hand-over ledger).
 */
#ifndef BH_DOGSTATSD_OUTPUT_H
#define BH_DOGSTATSD_OUTPUT_H

#include "dogstatsd/payload_writer.h"
#include "dogstatsd/sampler.h"
#include "dogstatsd/series_encoder.h"
#include "dogstatsd/sketch_encoder.h"

struct bh_output {
	struct bh_payload_writer *writer;   /* borrowed */
	const struct bh_hist_outputs *hist; /* borrowed */
	uint64_t received;                  /* points given to it */
	uint64_t nonfinite;                 /* of these, dropped as NaN or infinite */
	uint64_t lost; /* of these, dropped for lack of memory before the writer */
	/* scratch */
	struct bh_buf entry;
	struct bh_point *points;
	struct bh_sketch_point *sketches;
	size_t points_cap, sketches_cap;
};

void bh_output_init(
    struct bh_output *o, struct bh_payload_writer *writer, const struct bh_hist_outputs *hist);
void bh_output_release(struct bh_output *o);

/* One series; the writer is within a series payload. Finite points only reach it. */
void bh_output_series(struct bh_output *o, const struct bh_series *s);

/* Everything of the set: series (§9.3, §9.5, grouped as §9.7 says), then sketches. The writer must
 * be within the right kind of payload. Histograms of the set get sorted. */
void bh_output_set_series(struct bh_output *o, const struct bh_flush_set *set);
void bh_output_set_sketches(struct bh_output *o, const struct bh_flush_set *set);

#endif
