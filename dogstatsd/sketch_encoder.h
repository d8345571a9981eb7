/*
 * One entry of a SketchPayload (spec/intake.md §7): tag, length and Sketch. A payload ends with
 * BH_SKETCH_TAIL.
 */
#ifndef BH_DOGSTATSD_SKETCH_ENCODER_H
#define BH_DOGSTATSD_SKETCH_ENCODER_H

#include <stdint.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "dogstatsd/identity.h"
#include "dogstatsd/sketch.h"

/* An empty CommonMetadata, with which the Agent always ends a sketch payload. */
#define BH_SKETCH_TAIL BH_STR_LIT("\x12\x00")

struct bh_sketch_point {
	int64_t ts;                     /* seconds, start of the bucket */
	const struct bh_sketch *sketch; /* not empty */
};

/* extra: tags behind those of id (hosttags.h). Replaces the content of scratch; *item points into
 * it. 0, -ENOMEM or BH_E_LIMIT. */
int bh_sketch_encode(const struct bh_identity *id, struct bh_tags extra,
    const struct bh_sketch_point *points, size_t n, struct bh_buf *scratch,
    struct bh_str *item) BH_MUST_CHECK;

#endif
