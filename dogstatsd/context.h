/*
 * The live contexts of a sampler (spec/dogstatsd.md §9.2): one per identity, with what must be
 * remembered between buckets. Found by the text of a line (the alias table, no tag is looked at)
 * or, when that text is new, by the resolved identity.
 *
 * A context lives at one address until an expiry takes it out; then the caller owns it.
 */
#ifndef BH_DOGSTATSD_CONTEXT_H
#define BH_DOGSTATSD_CONTEXT_H

#include <stdint.h>

#include "dogstatsd/ctxmap.h"
#include "dogstatsd/identity.h"
#include "dogstatsd/parser.h"

struct bh_agg;

/* Where a context's aggregate is in the bucket that took its latest sample. */
struct bh_place {
	uint64_t bucket; /* id; 0 = none */
	size_t index;
};

#define BH_CACHE_LINE 64

/* Allocated on a cache line: what each sample reads and writes stands first. */
struct bh_context {
	int64_t last_seen;         /* wall clock, whole seconds */
	struct bh_place places[2]; /* metric store, sketch store */
	uint8_t type;              /* enum bh_metric_type at first sight */
	bool dead;                 /* expired: texts that still lead here are to be resolved anew */
	uint32_t open;             /* aggregates in buckets that were not flushed: no expiry */
	uint64_t mark;             /* bucket id of the zero-fill pass that met this context */
	uint64_t chain_id;         /* flush that last linked an aggregate of it … */
	struct bh_agg *chain_tail; /* … and the last one linked */
	struct bh_context *next;   /* list of expired contexts */
	uint64_t samples;          /* counted with dogstatsd_metrics_stats_enable only */
	uint64_t born;             /* generation of the contexts (bh_contexts) it was made in */
	struct bh_identity id;     /* points into room */
	struct bh_tag *room[];     /* the tags, then name and host */
};

struct bh_contexts {
	struct bh_resolver resolver;
	struct bh_tag_store tags;
	struct bh_ctxmap by_identity;
	struct bh_ctxmap by_text;
	struct bh_context *filtered; /* what texts lead to that the filter drops; never expires */
	size_t limit;
	uint64_t generation;   /* moved by the owner, once a flush */
	uint64_t aliases_lost; /* texts not remembered for lack of memory */
};

/* See bh_resolver_init(). */
int bh_contexts_init(struct bh_contexts *c, uint64_t seed, struct bh_str host,
    const struct bh_strlist *extra, struct bh_naming *naming, size_t limit) BH_MUST_CHECK;
/* Frees the contexts too. */
void bh_contexts_release(struct bh_contexts *c);

/* The context of this text, made when there is none (its type is then `type`). 0; BH_FILTERED;
 * BH_E_LIMIT when a new one would pass the limit; -ENOMEM. */
int bh_contexts_get(struct bh_contexts *c, struct bh_str name, struct bh_str raw_tags,
    enum bh_purpose purpose, enum bh_metric_type type, struct bh_context **out) BH_MUST_CHECK;

/* A context that another process had resolved with the same seed. 0; BH_E_FORMAT when it is there
 * already; BH_E_LIMIT; -ENOMEM. */
int bh_contexts_restore(struct bh_contexts *c, const struct bh_identity *id,
    enum bh_metric_type type, struct bh_context **out) BH_MUST_CHECK;

static inline size_t bh_contexts_count(const struct bh_contexts *c)
{
	return c->by_identity.n;
}

/*
 * Takes out every context with last_seen + ttl < now that has no open aggregate; ttl is counter_ttl
 * for counters. In steps, between which contexts may be looked up and made: first the contexts
 * leave their table and are marked dead, then the texts that lead to them are forgotten.
 */
struct bh_expiry {
	int64_t now, ttl, counter_ttl;
	struct bh_ctxmap_sweep sweep;
	enum { BH_EXPIRY_CONTEXTS, BH_EXPIRY_TEXTS, BH_EXPIRY_DONE } stage;
	struct bh_context *list; /* linked by next; the caller frees it once all is done */
};

void bh_expiry_begin(struct bh_expiry *e, int64_t now, int64_t ttl, int64_t counter_ttl);
/* Looks at about *budget entries (less one for each). True when all is done. */
bool bh_expiry_step(struct bh_expiry *e, struct bh_contexts *c, size_t *budget);
/* By any thread; tags: of the bh_contexts that they were made in. */
void bh_context_list_free(struct bh_context *list, struct bh_tag_store *tags);

#endif
