/*
 * A flush in steps, so that the loop receives between them. Detaching the closed buckets is the
 * first thing and costs nothing; what follows looks at each aggregate and each context once:
 *
 *   IDLE ─begin─▶ ZEROS (mark, fill; per bucket) ─▶ CHAINS (metrics, sketches) ─▶ EXPIRY ─▶ IDLE
 */
#include <errno.h>
#include <stdlib.h>

#include "common/err.h"
#include "dogstatsd/sampler_internal.h"

/* Takes the buckets that are closed at cutoff (all of them when `all`) off the front of the list.
 */
static struct bh_bucket *detach(struct bh_bucket_store *store, int64_t cutoff, bool all)
{
	struct bh_bucket *first = store->list, **link = &store->list;

	while (*link && (all || (*link)->start + BH_BUCKET_S <= cutoff)) {
		if (*link == store->current)
			store->current = NULL;
		link = &(*link)->next;
	}
	if (link == &store->list)
		return NULL;
	store->list = *link;
	*link = NULL;
	return first;
}

/* §9.4: which buckets get zeros. */
static struct bh_bucket *zero_buckets(
    struct bh_sampler *s, struct bh_flush_set *set, bool had_bucket, int64_t cutoff)
{
	if (s->expiry_s <= 0)
		return NULL;
	if (!had_bucket && s->last_cutoff + BH_BUCKET_S <= cutoff)
		set->metrics = bh_sampler_new_bucket(s, cutoff - BH_BUCKET_S);
	return set->metrics;
}

int bh_sampler_flush_begin(struct bh_sampler *s, int64_t now, bool all)
{
	int64_t cutoff = bh_bucket_floor(now);
	bool had_bucket = s->stores[BH_STORE_METRICS].list != NULL;
	struct bh_flush_set *set;

	if (s->flush.stage != BH_FLUSH_IDLE)
		return BH_E_STATE;
	set = calloc(1, sizeof(*set));
	if (!set)
		return -ENOMEM;
	set->now = now;
	set->metrics = detach(&s->stores[BH_STORE_METRICS], cutoff, all);
	set->sketches = detach(&s->stores[BH_STORE_SKETCHES], cutoff, all);
	s->contexts.generation++;
	s->flush = (struct bh_sampler_flush){.stage = BH_FLUSH_ZEROS, .set = set};
	s->flush.bucket = zero_buckets(s, set, had_bucket, cutoff);
	s->last_cutoff = cutoff;
	bh_expiry_begin(
	    &s->flush.expiry, now, s->context_expiry_s, s->context_expiry_s + s->expiry_s);
	return 0;
}

/* --- zeros -------------------------------------------------------------------------------------
 */

/* A live counter that has nothing in b, and was there when the flush began. */
static bool wants_zero(
    const struct bh_sampler *s, const struct bh_bucket *b, const struct bh_context *ctx)
{
	return ctx && ctx->type == BH_METRIC_COUNTER && ctx->mark != b->id &&
	       ctx->born < s->contexts.generation && ctx->last_seen + s->expiry_s > b->start;
}

/* Lack of memory only leaves zeros out. */
static void add_zero(struct bh_bucket *b, struct bh_context *ctx)
{
	struct bh_place kept = ctx->places[BH_STORE_METRICS];

	if (bh_bucket_append(b, ctx, BH_METRIC_COUNTER, BH_STORE_METRICS))
		return;
	ctx->mark = b->id;
	ctx->places[BH_STORE_METRICS] = kept; /* an open bucket may be the current one */
}

/* Marks the contexts that have an aggregate, then gives zeros to the others. True at the end. */
static bool zeros_step(struct bh_sampler *s, size_t *budget)
{
	struct bh_sampler_flush *f = &s->flush;
	struct bh_ctxmap *map = &s->contexts.by_identity;
	struct bh_bucket *b = f->bucket;

	if (!f->marked) {
		for (; f->at < b->n && *budget; f->at++, --*budget)
			bh_bucket_agg(b, f->at)->ctx->mark = b->id;
		if (f->at < b->n)
			return false;
		f->marked = true;
		f->at = 0;
		f->mask = map->mask;
	}
	if (!bh_ctxmap_settle(map, budget))
		return false;
	if (f->mask != map->mask) {
		/* The table grew: contexts are elsewhere. Those that have their zero are marked. */
		f->at = 0;
		f->mask = map->mask;
	}
	for (; f->at <= map->mask && *budget; f->at++, --*budget) {
		if (wants_zero(s, b, map->slots[f->at].ctx))
			add_zero(b, map->slots[f->at].ctx);
	}
	return f->at > map->mask;
}

static void zeros(struct bh_sampler *s, size_t *budget)
{
	struct bh_sampler_flush *f = &s->flush;

	while (f->bucket && zeros_step(s, budget)) {
		f->bucket = f->bucket->next;
		f->marked = false;
		f->at = 0;
	}
	if (f->bucket)
		return;
	f->stage = BH_FLUSH_CHAINS;
	f->bucket = f->set->metrics;
	f->sketches = false;
	f->chain_id = ++s->flushes;
}

/* --- chains ------------------------------------------------------------------------------------
 */

/* Links the aggregates of one context through the buckets, oldest first. */
static void link_one(struct bh_agg *a, uint64_t chain_id)
{
	struct bh_context *ctx = a->ctx;

	ctx->open--;
	if (ctx->chain_id == chain_id) {
		ctx->chain_tail->next = a;
		a->follower = true;
	}
	ctx->chain_id = chain_id;
	ctx->chain_tail = a;
}

static void chains(struct bh_sampler *s, size_t *budget)
{
	struct bh_sampler_flush *f = &s->flush;

	for (;;) {
		struct bh_bucket *b = f->bucket;

		for (; b && f->at < b->n && *budget; f->at++, --*budget)
			link_one(bh_bucket_agg(b, f->at), f->chain_id);
		if (b && f->at < b->n)
			return;
		f->at = 0;
		if (b) {
			f->bucket = b->next;
		} else if (!f->sketches) {
			f->sketches = true;
			f->bucket = f->set->sketches;
			f->chain_id = ++s->flushes;
		} else {
			f->stage = BH_FLUSH_EXPIRY;
			return;
		}
	}
}

struct bh_flush_set *bh_sampler_flush_step(struct bh_sampler *s, size_t budget)
{
	struct bh_sampler_flush *f = &s->flush;
	struct bh_flush_set *set = f->set;

	if (f->stage == BH_FLUSH_ZEROS)
		zeros(s, &budget);
	if (f->stage == BH_FLUSH_CHAINS)
		chains(s, &budget);
	if (f->stage != BH_FLUSH_EXPIRY || !bh_expiry_step(&f->expiry, &s->contexts, &budget))
		return NULL;
	set->expired = f->expiry.list;
	set->tags = &s->contexts.tags;
	*f = (struct bh_sampler_flush){.stage = BH_FLUSH_IDLE};
	return set;
}

int bh_sampler_flush(struct bh_sampler *s, int64_t now, bool all, struct bh_flush_set **out)
{
	int rc = bh_sampler_flush_begin(s, now, all);

	if (rc)
		return rc;
	do {
		*out = bh_sampler_flush_step(s, SIZE_MAX);
	} while (!*out);
	return 0;
}
