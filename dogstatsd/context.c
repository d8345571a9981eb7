#include "dogstatsd/context.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"

/* Texts remembered per context (orders of tags, mostly 1) before the alias table starts anew. */
#define TEXTS_PER_CONTEXT 2
#define TEXTS_MIN         4096

static struct bh_str copy(char **w, struct bh_str s)
{
	struct bh_str at = {*w, s.n};

	if (s.n)
		memcpy(*w, s.p, s.n);
	*w += s.n;
	return at;
}

static struct bh_context *new_context(
    struct bh_tag_store *tags, const struct bh_identity *id, enum bh_metric_type type)
{
	struct bh_context *ctx;
	size_t size;
	char *w;

	size = sizeof(*ctx) + id->tags.n * sizeof(struct bh_tag *) + id->name.n + id->host.n;
	size = (size + BH_CACHE_LINE - 1) / BH_CACHE_LINE * BH_CACHE_LINE;
	ctx = aligned_alloc(BH_CACHE_LINE, size);
	if (!ctx)
		return NULL;
	*ctx = (struct bh_context){.type = (uint8_t)type};
	if (bh_tag_store_share(tags, id->tags, ctx->room, &ctx->id.tags)) {
		free(ctx);
		return NULL;
	}
	w = (char *)(ctx->room + id->tags.n);
	ctx->id.name = copy(&w, id->name);
	ctx->id.host = copy(&w, id->host);
	return ctx;
}

static void free_context(struct bh_context *ctx, struct bh_tag_store *tags)
{
	bh_tag_store_give_back(tags, ctx->id.tags);
	free(ctx);
}

int bh_contexts_init(struct bh_contexts *c, uint64_t seed, struct bh_str host,
    const struct bh_strlist *extra, struct bh_naming *naming, size_t limit)
{
	const struct bh_identity nothing = {.name = {NULL, 0}};
	int rc;

	*c = (struct bh_contexts){.limit = limit};
	rc = bh_resolver_init(&c->resolver, seed, host, extra, naming);
	if (rc == 0)
		rc = bh_tag_store_init(&c->tags, seed);
	if (rc == 0)
		rc = bh_ctxmap_init(&c->by_identity);
	if (rc == 0)
		rc = bh_ctxmap_init(&c->by_text);
	if (rc == 0) {
		c->filtered = new_context(&c->tags, &nothing, BH_METRIC_GAUGE);
		rc = c->filtered ? 0 : -ENOMEM;
	}
	if (c->filtered)
		c->filtered->open = 1;
	if (rc < 0)
		bh_contexts_release(c);
	return rc;
}

void bh_contexts_release(struct bh_contexts *c)
{
	size_t all = SIZE_MAX;

	(void)bh_ctxmap_settle(&c->by_identity, &all);
	for (size_t i = 0; c->by_identity.slots && i <= c->by_identity.mask; i++) {
		if (c->by_identity.slots[i].ctx)
			free_context(c->by_identity.slots[i].ctx, &c->tags);
	}
	bh_ctxmap_release(&c->by_identity);
	bh_ctxmap_release(&c->by_text);
	free(c->filtered);
	bh_tag_store_release(&c->tags);
	bh_resolver_release(&c->resolver);
}

static int add_context(struct bh_contexts *c, const struct bh_identity *id, struct bh_key key,
    enum bh_metric_type type, struct bh_context **out)
{
	struct bh_context *ctx;
	int rc;

	if (bh_contexts_count(c) >= c->limit)
		return BH_E_LIMIT;
	ctx = new_context(&c->tags, id, type);
	if (!ctx)
		return -ENOMEM;
	ctx->born = c->generation;
	rc = bh_ctxmap_add(&c->by_identity, key, ctx);
	if (rc < 0) {
		free_context(ctx, &c->tags);
		return rc;
	}
	*out = ctx;
	return 0;
}

/* The context a new text stands for. */
static int find_or_add(struct bh_contexts *c, struct bh_str name, struct bh_str raw_tags,
    enum bh_purpose purpose, enum bh_metric_type type, struct bh_context **out)
{
	struct bh_identity id;
	struct bh_key key;
	int rc = bh_resolve(&c->resolver, name, raw_tags, purpose, &id, &key);

	if (rc < 0)
		return rc;
	if (rc == BH_FILTERED) {
		*out = c->filtered;
		return 0;
	}
	*out = bh_ctxmap_find(&c->by_identity, key);
	return *out ? 0 : add_context(c, &id, key, type, out);
}

int bh_contexts_restore(struct bh_contexts *c, const struct bh_identity *id,
    enum bh_metric_type type, struct bh_context **out)
{
	struct bh_key key = bh_identity_key(id, c->resolver.seed);

	return bh_ctxmap_find(&c->by_identity, key) ? BH_E_FORMAT
						    : add_context(c, id, key, type, out);
}

static void remember_text(struct bh_contexts *c, struct bh_key text, struct bh_context *ctx)
{
	if (c->by_text.n > TEXTS_MIN + TEXTS_PER_CONTEXT * bh_contexts_count(c))
		bh_ctxmap_clear(&c->by_text);
	/* Without room for the alias the context is only slower to find. */
	if (bh_ctxmap_add(&c->by_text, text, ctx) < 0)
		c->aliases_lost++;
}

int bh_contexts_get(struct bh_contexts *c, struct bh_str name, struct bh_str raw_tags,
    enum bh_purpose purpose, enum bh_metric_type type, struct bh_context **out)
{
	struct bh_key text = bh_raw_key(&c->resolver, name, raw_tags, purpose);
	struct bh_context *known = bh_ctxmap_find(&c->by_text, text);
	int rc;

	*out = known;
	if (!known || known->dead) {
		rc = find_or_add(c, name, raw_tags, purpose, type, out);
		if (rc < 0)
			return rc;
		if (known)
			bh_ctxmap_replace(&c->by_text, text, *out);
		else
			remember_text(c, text, *out);
	}
	return *out == c->filtered ? BH_FILTERED : 0;
}

/* Takes out what has expired; it stays where it is until no text leads to it any more. */
static bool die(struct bh_context *ctx, void *arg)
{
	struct bh_expiry *e = arg;
	int64_t ttl = ctx->type == BH_METRIC_COUNTER ? e->counter_ttl : e->ttl, end;

	if (ctx->open || __builtin_add_overflow(ctx->last_seen, ttl, &end) || end >= e->now)
		return false;
	ctx->dead = true;
	ctx->next = e->list;
	e->list = ctx;
	return true;
}

static bool is_dead(struct bh_context *ctx, void *arg)
{
	(void)arg;
	return ctx->dead;
}

void bh_expiry_begin(struct bh_expiry *e, int64_t now, int64_t ttl, int64_t counter_ttl)
{
	*e = (struct bh_expiry){.now = now, .ttl = ttl, .counter_ttl = counter_ttl};
}

bool bh_expiry_step(struct bh_expiry *e, struct bh_contexts *c, size_t *budget)
{
	if (e->stage == BH_EXPIRY_CONTEXTS &&
	    bh_ctxmap_sweep_step(&c->by_identity, &e->sweep, budget, die, e)) {
		/* Nobody expired: no text can lead astray. */
		e->stage = e->list ? BH_EXPIRY_TEXTS : BH_EXPIRY_DONE;
		e->sweep = (struct bh_ctxmap_sweep){.at = 0};
	}
	if (e->stage == BH_EXPIRY_TEXTS &&
	    bh_ctxmap_sweep_step(&c->by_text, &e->sweep, budget, is_dead, NULL))
		e->stage = BH_EXPIRY_DONE;
	return e->stage == BH_EXPIRY_DONE;
}

void bh_context_list_free(struct bh_context *list, struct bh_tag_store *tags)
{
	while (list) {
		struct bh_context *next = list->next;

		free_context(list, tags);
		list = next;
	}
}

_Static_assert(offsetof(struct bh_context, chain_id) <= BH_CACHE_LINE,
    "what a sample touches lies in one cache line");
