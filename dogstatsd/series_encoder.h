/*
 * One entry of a MetricPayload (series v2 protobuf, spec/intake.md §6.1): tag, length and
 * MetricSeries, ready to be laid behind other entries.
 *
 * A device: tag becomes a resource, dd.internal.resource:<type>:<name> likewise; all other tags
 * stay. Text is valid UTF-8 already (identity.h).
 */
#ifndef BH_DOGSTATSD_SERIES_ENCODER_H
#define BH_DOGSTATSD_SERIES_ENCODER_H

#include <stdint.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "dogstatsd/identity.h"

enum bh_series_type { BH_SERIES_COUNT = 1, BH_SERIES_RATE = 2, BH_SERIES_GAUGE = 3 };

struct bh_point {
	int64_t ts; /* seconds */
	double v;   /* finite */
};

/* Where a series comes from: Origin of the schema. */
#define BH_ORIGIN_PRODUCT_AGENT      10
#define BH_ORIGIN_CATEGORY_DOGSTATSD 10

struct bh_series {
	const struct bh_identity *id;
	struct bh_str suffix; /* behind the name */
	enum bh_series_type type;
	int64_t interval;          /* seconds; 0 = none */
	struct bh_str source_type; /* "" for DogStatsD, "System" for our own */
	uint32_t category;         /* BH_ORIGIN_CATEGORY_DOGSTATSD; 0 = none */
	const struct bh_point *points;
	size_t n;
};

/* Replaces the content of scratch; *item points into it. 0, -ENOMEM or BH_E_LIMIT. */
int bh_series_encode(
    const struct bh_series *s, struct bh_buf *scratch, struct bh_str *item) BH_MUST_CHECK;

#endif
