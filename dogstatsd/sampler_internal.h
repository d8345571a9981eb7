/* Shared by sampler.c (samples in) and sampler_flush.c (buckets out). */
#ifndef BH_DOGSTATSD_SAMPLER_INTERNAL_H
#define BH_DOGSTATSD_SAMPLER_INTERNAL_H

#include "dogstatsd/sampler.h"

/* Start of the bucket that t falls in. */
int64_t bh_bucket_floor(int64_t t);
/* NULL without memory. */
struct bh_bucket *bh_sampler_new_bucket(struct bh_sampler *s, int64_t start);
/* An aggregate for a context that has none in b. 0 or -ENOMEM. */
int bh_bucket_append(struct bh_bucket *b, struct bh_context *ctx, enum bh_metric_type type,
    enum bh_store which) BH_MUST_CHECK;

#endif
