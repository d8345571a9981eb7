/*
 * The record ends (record.h) of a source whose names come with its data: one for each pair of
 * tailer tags (who sent it) and application (what syslog says, spec/logs.md §11.4), made at first
 * use and shared by all connections that need them.
 *
 * Memory: those in use, and the BH_ENDS_IDLE_MAX that were used last.
 */
#ifndef BH_LOGS_ENDS_CACHE_H
#define BH_LOGS_ENDS_CACHE_H

#include <stddef.h>

#include "common/attrs.h"
#include "common/config.h"
#include "common/str.h"
#include "logs-agent/record.h"

#define BH_ENDS_IDLE_MAX 64
#define BH_ENDS_BUCKETS  256

struct bh_named_ends {
	struct bh_record_ends ends;
	unsigned refs;                       /* 0: idle */
	struct bh_named_ends *next;          /* of its bucket */
	struct bh_named_ends *newer, *older; /* while idle */
	size_t bucket;
	size_t tags_n, app_n;
	char key[]; /* tags, then app */
};

struct bh_ends_cache {
	const char *hostname;               /* borrowed */
	const struct bh_log_source *source; /* borrowed */
	struct bh_named_ends *buckets[BH_ENDS_BUCKETS];
	struct bh_named_ends *newest, *oldest; /* idle ones */
	size_t idle, all;
};

/* hostname and source outlive c. */
void bh_ends_cache_init(
    struct bh_ends_cache *c, const char *hostname, const struct bh_log_source *source);
/* All references are given back before. */
void bh_ends_cache_release(struct bh_ends_cache *c);

/* A reference to the ends for tags (joined by commas, may be empty) and app; app is service and
 * ddsource where the source says nothing itself. -ENOMEM, BH_E_LIMIT. */
int bh_ends_cache_get(struct bh_ends_cache *c, struct bh_str tags, struct bh_str app,
    struct bh_named_ends **out) BH_MUST_CHECK;
/* Gives a reference back; harmless for NULL. */
void bh_ends_cache_put(struct bh_ends_cache *c, struct bh_named_ends *e);

static inline struct bh_str bh_named_ends_app(const struct bh_named_ends *e)
{
	return (struct bh_str){e->key + e->tags_n, e->app_n};
}

#endif
