/*
 * A series as one entry of a payload, ready to be laid behind other entries: series v2 protobuf
 * (spec/intake.md §6.1), or v1 JSON for sites that ask for it.
 *
 * In v2 a device: tag becomes a resource, dd.internal.resource:<type>:<name> likewise; all other
 * tags stay. Text is valid UTF-8 already (identity.h).
 */
#ifndef BH_DOGSTATSD_SERIES_ENCODER_H
#define BH_DOGSTATSD_SERIES_ENCODER_H

#include <stdint.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "dogstatsd/identity.h"
#include "dogstatsd/payload_writer.h"

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
	struct bh_tags extra; /* tags behind those of id (hosttags.h) */
	struct bh_str suffix; /* behind the name */
	enum bh_series_type type;
	int64_t interval;          /* seconds; 0 = none */
	struct bh_str source_type; /* "" for DogStatsD, "System" for our own */
	uint32_t category;         /* BH_ORIGIN_CATEGORY_DOGSTATSD; 0 = none */
	const struct bh_point *points;
	size_t n;
};

/* How series leave: the kind of payload, its frame, and the encoder of one entry. An encoder
 * replaces the content of scratch; *item points into it. 0, -ENOMEM or BH_E_LIMIT. */
struct bh_series_format {
	enum bh_kind kind;
	struct bh_joint joint;
	struct bh_str tail;
	int (*encode)(const struct bh_series *s, struct bh_buf *scratch, struct bh_str *item);
};

extern const struct bh_series_format bh_series_v2; /* protobuf */
extern const struct bh_series_format bh_series_v1; /* JSON, spec/intake.md §6.2 */

/* True for a device: tag or a dd.internal.resource: tag, with the resource it names. */
bool bh_series_resource(struct bh_str tag, struct bh_str *type, struct bh_str *name);

#endif
