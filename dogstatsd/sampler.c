#include "dogstatsd/sampler_internal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "common/err.h"

int64_t bh_bucket_floor(int64_t t)
{
	int64_t rest = t % BH_BUCKET_S;

	return t - (rest < 0 ? rest + BH_BUCKET_S : rest);
}

static void free_aggregate(struct bh_agg *a)
{
	switch ((enum bh_metric_type)a->type) {
	case BH_METRIC_GAUGE:
	case BH_METRIC_COUNTER:
		return;
	case BH_METRIC_HISTOGRAM:
		bh_histogram_release(a->u.histogram);
		free(a->u.histogram);
		return;
	case BH_METRIC_SET:
		bh_valueset_release(a->u.set);
		free(a->u.set);
		return;
	case BH_METRIC_DISTRIBUTION:
		bh_sketch_release(a->u.sketch);
		free(a->u.sketch);
		return;
	}
}

static void free_buckets(struct bh_bucket *list)
{
	while (list) {
		struct bh_bucket *next = list->next;

		for (size_t i = 0; i < list->n; i++)
			free_aggregate(bh_bucket_agg(list, i));
		for (size_t i = 0; i < BH_BUCKET_PARTS && list->parts[i]; i++)
			free(list->parts[i]);
		free(list);
		list = next;
	}
}

void bh_flush_set_free(struct bh_flush_set *set)
{
	if (!set)
		return;
	free_buckets(set->metrics);
	free_buckets(set->sketches);
	bh_context_list_free(set->expired, set->tags);
	free(set);
}

int bh_sampler_init(struct bh_sampler *s, const struct bh_sampler_config *cfg)
{
	*s = (struct bh_sampler){
	    .expiry_s = cfg->expiry_s,
	    .context_expiry_s = cfg->context_expiry_s,
	    .copy_histograms = cfg->copy_histograms,
	    .count_samples = cfg->count_samples,
	    .next_bucket_id = 1,
	};
	return bh_contexts_init(
	    &s->contexts, cfg->seed, cfg->hostname, cfg->tags, cfg->naming, cfg->context_limit);
}

void bh_sampler_release(struct bh_sampler *s)
{
	for (int i = 0; i < BH_STORE__N; i++)
		free_buckets(s->stores[i].list);
	bh_flush_set_free(s->flush.set);
	bh_context_list_free(s->flush.expiry.list, &s->contexts.tags);
	bh_contexts_release(&s->contexts);
	*s = (struct bh_sampler){0};
}

uint64_t bh_sampler_aggregates(const struct bh_sampler *s)
{
	uint64_t n = 0;

	for (int i = 0; i < BH_STORE__N; i++) {
		for (const struct bh_bucket *b = s->stores[i].list; b; b = b->next)
			n += b->n;
	}
	return n;
}

struct bh_bucket *bh_sampler_new_bucket(struct bh_sampler *s, int64_t start)
{
	struct bh_bucket *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->start = start;
	b->id = s->next_bucket_id++;
	return b;
}

/* The clock went back to a bucket that is still here: contexts must find their aggregates in it. */
static void adopt(struct bh_bucket *b, enum bh_store which)
{
	for (size_t i = 0; i < b->n; i++)
		bh_bucket_agg(b, i)->ctx->places[which] = (struct bh_place){b->id, i};
}

static struct bh_bucket *bucket_at(struct bh_sampler *s, enum bh_store which, int64_t start)
{
	struct bh_bucket_store *store = &s->stores[which];
	struct bh_bucket **link = &store->list, *b;

	while (*link && (*link)->start < start)
		link = &(*link)->next;
	b = *link;
	if (b && b->start == start) {
		/* A sketch that is not found there is only another part of the same. */
		if (which == BH_STORE_METRICS)
			adopt(b, which);
	} else {
		b = bh_sampler_new_bucket(s, start);
		if (!b)
			return NULL;
		b->next = *link;
		*link = b;
	}
	store->current = b;
	return b;
}

/* Gives the aggregate its storage. */
static int init_aggregate(struct bh_agg *a)
{
	switch ((enum bh_metric_type)a->type) {
	case BH_METRIC_GAUGE:
	case BH_METRIC_COUNTER:
		a->u.value = 0;
		return 0;
	case BH_METRIC_HISTOGRAM:
		a->u.histogram = calloc(1, sizeof(*a->u.histogram));
		return a->u.histogram ? 0 : -ENOMEM;
	case BH_METRIC_SET:
		a->u.set = calloc(1, sizeof(*a->u.set));
		return a->u.set ? 0 : -ENOMEM;
	case BH_METRIC_DISTRIBUTION:
		a->u.sketch = calloc(1, sizeof(*a->u.sketch));
		return a->u.sketch ? 0 : -ENOMEM;
	}
	return BH_E_STATE;
}

/* Room for one more; NULL without memory. */
static struct bh_agg *room_in(struct bh_bucket *b)
{
	size_t at;
	unsigned part = bh_bucket_part(b->n, &at);

	if (part >= BH_BUCKET_PARTS)
		return NULL;
	if (!b->parts[part])
		b->parts[part] = malloc((BH_BUCKET_FIRST << part) * sizeof(**b->parts));
	return b->parts[part] ? &b->parts[part][at] : NULL;
}

int bh_bucket_append(
    struct bh_bucket *b, struct bh_context *ctx, enum bh_metric_type type, enum bh_store which)
{
	struct bh_agg *a = room_in(b);
	int rc;

	if (!a)
		return -ENOMEM;
	*a = (struct bh_agg){.ctx = ctx,
	    .slot = (int32_t)(b->start / BH_BUCKET_S), /* the kernel's clock ends in 2262 */
	    .type = (uint8_t)type};
	rc = init_aggregate(a);
	if (rc < 0)
		return rc;
	ctx->places[which] = (struct bh_place){b->id, b->n++};
	ctx->open++;
	return 0;
}

/* The rate of a counter: NaN and <= 0 count as 1; above 1 it is applied as written. */
static double counted(double v, double rate)
{
	return rate > 0 ? v * (1 / rate) : v;
}

static int update(struct bh_sampler *s, struct bh_agg *a, const struct bh_metric *m, double v)
{
	switch ((enum bh_metric_type)a->type) {
	case BH_METRIC_GAUGE:
		a->u.value = v;
		return 0;
	case BH_METRIC_COUNTER:
		a->u.value += counted(v, m->rate);
		return 0;
	case BH_METRIC_HISTOGRAM:
		return bh_histogram_add(a->u.histogram, v, m->rate);
	case BH_METRIC_SET:
		/* Only set samples carry a string; others that fall on a set count as the empty
		 * one. */
		return bh_valueset_add(a->u.set,
		    m->type == BH_METRIC_SET ? m->raw : (struct bh_str){NULL, 0},
		    s->contexts.resolver.seed);
	case BH_METRIC_DISTRIBUTION:
		return bh_sketch_add(a->u.sketch, v, m->rate);
	}
	return BH_E_STATE;
}

static int add_value(struct bh_sampler *s, struct bh_bucket *b, enum bh_store which,
    struct bh_context *ctx, const struct bh_metric *m, double v)
{
	const struct bh_place *place = &ctx->places[which];

	if (place->bucket != b->id) {
		int rc = bh_bucket_append(b, ctx, m->type, which);

		if (rc < 0)
			return rc;
	}
	return update(s, bh_bucket_agg(b, place->index), m, v);
}

/* b NULL: there is no memory for a bucket. */
static inline struct bh_add_result add_to(struct bh_sampler *s, struct bh_bucket *b,
    const struct bh_metric *m, enum bh_purpose purpose, enum bh_store which, int64_t now)
{
	struct bh_add_result r = {0};
	struct bh_context *ctx;
	int rc;

	rc = b ? bh_contexts_get(&s->contexts, m->name, m->tags, purpose, m->type, &ctx) : -ENOMEM;
	if (rc) {
		*(rc == BH_FILTERED ? &r.filtered : &r.rejected) = (uint32_t)m->values_n;
		return r;
	}
	ctx->last_seen = now;
	if (s->count_samples)
		ctx->samples += m->values_n;
	for (size_t i = 0; i < m->values_n; i++) {
		double v = m->values[i];

		if (!isfinite(v))
			r.nonfinite++;
		else if (add_value(s, b, which, ctx, m, v) < 0)
			r.rejected++;
		else
			r.added++;
	}
	return r;
}

static struct bh_add_result add(struct bh_sampler *s, const struct bh_metric *m,
    enum bh_purpose purpose, enum bh_store which, int64_t now)
{
	struct bh_bucket *b = s->stores[which].current;

	/* One comparison in the common case: the sample falls in the bucket of the one before. */
	if (!b || now < b->start || now - b->start >= BH_BUCKET_S)
		b = bucket_at(s, which, bh_bucket_floor(now));
	return add_to(s, b, m, purpose, which, now);
}

/* A histogram's samples once more, as a distribution (§9.8). */
static uint32_t add_copy(struct bh_sampler *s, const struct bh_metric *m, int64_t now)
{
	struct bh_metric copy = *m;

	copy.type = BH_METRIC_DISTRIBUTION;
	return add(s, &copy, BH_FOR_COPY, BH_STORE_SKETCHES, now).rejected;
}

struct bh_add_result bh_sampler_add(struct bh_sampler *s, const struct bh_metric *m, int64_t now)
{
	enum bh_store which =
	    m->type == BH_METRIC_DISTRIBUTION ? BH_STORE_SKETCHES : BH_STORE_METRICS;
	struct bh_add_result r = add(s, m, BH_FOR_SAMPLE, which, now);

	if (s->copy_histograms && m->type == BH_METRIC_HISTOGRAM && !r.filtered)
		r.copies_lost = add_copy(s, m, now);
	return r;
}

/* The bucket of sketches that begins at start, made when there is none. The current one stays. NULL
 * without memory and at the limits. */
static struct bh_bucket *late_bucket(struct bh_sampler *s, int64_t start)
{
	struct bh_bucket **link = &s->stores[BH_STORE_SKETCHES].list, *b;
	size_t buckets = 0, aggregates = 0;

	for (b = *link; b; b = b->next) {
		buckets++;
		aggregates += b->n;
		if (b->start < start)
			link = &b->next;
	}
	if (aggregates / BH_LATE_AGGREGATES >= s->contexts.limit)
		return NULL;
	b = *link;
	if (b && b->start == start)
		return b;
	b = buckets < BH_LATE_BUCKETS ? bh_sampler_new_bucket(s, start) : NULL;
	if (b) {
		b->next = *link;
		*link = b;
	}
	return b;
}

uint32_t bh_sampler_add_late_copy(struct bh_sampler *s, const struct bh_metric *m, int64_t now)
{
	struct bh_metric copy = *m;
	struct bh_bucket *b = NULL;
	struct bh_identity id;
	struct bh_key key;

	if (!s->copy_histograms || m->type != BH_METRIC_HISTOGRAM ||
	    bh_resolve(&s->contexts.resolver, m->name, m->tags, BH_FOR_SAMPLE, &id, &key) ==
		BH_FILTERED)
		return 0;
	if (m->timestamp / BH_BUCKET_S < INT32_MAX)
		b = late_bucket(s, bh_bucket_floor(m->timestamp));
	copy.type = BH_METRIC_DISTRIBUTION;
	return add_to(s, b, &copy, BH_FOR_COPY, BH_STORE_SKETCHES, now).rejected;
}
