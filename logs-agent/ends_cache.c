#include "logs-agent/ends_cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/crc.h"

void bh_ends_cache_init(
    struct bh_ends_cache *c, const char *hostname, const struct bh_log_source *source)
{
	*c = (struct bh_ends_cache){.hostname = hostname, .source = source};
}

static void drop(struct bh_ends_cache *c, struct bh_named_ends *e)
{
	struct bh_named_ends **at = &c->buckets[e->bucket];

	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	c->all--;
	bh_record_ends_release(&e->ends);
	free(e);
}

static void take_from_idle(struct bh_ends_cache *c, struct bh_named_ends *e)
{
	*(e->newer ? &e->newer->older : &c->newest) = e->older;
	*(e->older ? &e->older->newer : &c->oldest) = e->newer;
	e->newer = e->older = NULL;
	c->idle--;
}

void bh_ends_cache_release(struct bh_ends_cache *c)
{
	while (c->oldest) {
		struct bh_named_ends *e = c->oldest;

		take_from_idle(c, e);
		drop(c, e);
	}
}

static size_t bucket_of(struct bh_str tags, struct bh_str app)
{
	uint64_t h = bh_crc64(bh_crc64(tags.n, tags.p, tags.n), app.p, app.n);

	return (size_t)(h % BH_ENDS_BUCKETS);
}

static struct bh_named_ends *find(
    struct bh_ends_cache *c, size_t bucket, struct bh_str tags, struct bh_str app)
{
	struct bh_named_ends *e = c->buckets[bucket];

	while (e && !(bh_str_eq((struct bh_str){e->key, e->tags_n}, tags) &&
			bh_str_eq(bh_named_ends_app(e), app)))
		e = e->next;
	return e;
}

static int fill(
    const struct bh_ends_cache *c, struct bh_named_ends *e, struct bh_str tags, struct bh_str app)
{
	const struct bh_log_source *src = c->source;
	const struct bh_record_names names = {
	    .hostname = bh_str_from(c->hostname),
	    .service = src->service[0] ? bh_str_from(src->service) : app,
	    .source = src->source[0] ? bh_str_from(src->source) : app,
	    .sourcecategory = bh_str_from(src->sourcecategory),
	    .tailer_tags = tags,
	    .tags = &src->tags,
	};

	return bh_record_ends_make(&e->ends, &names);
}

static int make(struct bh_ends_cache *c, size_t bucket, struct bh_str tags, struct bh_str app,
    struct bh_named_ends **out)
{
	struct bh_named_ends *e = calloc(1, sizeof(*e) + tags.n + app.n);
	int rc = e ? fill(c, e, tags, app) : -ENOMEM;

	if (rc) {
		free(e);
		return rc;
	}
	e->tags_n = tags.n;
	e->app_n = app.n;
	if (tags.n)
		memcpy(e->key, tags.p, tags.n);
	if (app.n)
		memcpy(e->key + tags.n, app.p, app.n);
	e->bucket = bucket;
	e->next = c->buckets[bucket];
	c->buckets[bucket] = e;
	c->all++;
	*out = e;
	return 0;
}

int bh_ends_cache_get(
    struct bh_ends_cache *c, struct bh_str tags, struct bh_str app, struct bh_named_ends **out)
{
	size_t bucket = bucket_of(tags, app);
	struct bh_named_ends *e = find(c, bucket, tags, app);
	int rc = 0;

	if (!e)
		rc = make(c, bucket, tags, app, &e);
	else if (e->refs == 0)
		take_from_idle(c, e);
	if (rc)
		return rc;
	e->refs++;
	*out = e;
	return 0;
}

void bh_ends_cache_put(struct bh_ends_cache *c, struct bh_named_ends *e)
{
	if (!e || --e->refs > 0)
		return;
	e->older = c->newest;
	*(c->newest ? &c->newest->newer : &c->oldest) = e;
	c->newest = e;
	if (++c->idle > BH_ENDS_IDLE_MAX) {
		e = c->oldest;
		take_from_idle(c, e);
		drop(c, e);
	}
}
