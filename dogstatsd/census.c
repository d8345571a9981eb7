#include "dogstatsd/census.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SEED 0 /* the rows live for moments, and only their reader is misled by a collision */

void bh_census_begin(struct bh_census *s, enum bh_query_what what, size_t limit)
{
	*s = (struct bh_census){
	    .what = what, .limit = BH_MAX(BH_MIN(limit, (size_t)BH_CENSUS_ROWS_MAX), (size_t)1)};
}

static void release_row(struct bh_census_row *r)
{
	/* The analyzer does not follow rows through the heap: each is released when it leaves it.
	 */
	free(r->name); /* NOLINT(clang-analyzer-unix.Malloc) */
	free(r->tags);
}

static void release_table(struct bh_census_table *t)
{
	for (size_t i = 0; i < t->cap && t->v; i++)
		release_row(&t->v[i]);
	free(t->v);
	*t = (struct bh_census_table){.n = 0};
}

void bh_census_release(struct bh_census *s)
{
	release_table(&s->metrics);
	release_table(&s->names);
	release_table(&s->tag_keys);
	release_table(&s->picked);
	bh_valueset_release(&s->tags);
}

#define FIRST_ROWS 256
#define GIVEN_BACK 16384 /* rows of a table at a time */

/* --- counting by text --------------------------------------------------------------------------
 */

static struct bh_census_row *slot_of(const struct bh_census_table *t, struct bh_key key)
{
	size_t i = key.lo & (t->cap - 1);

	while (t->v[i].name && !bh_key_eq(t->v[i].key, key))
		i = (i + 1) & (t->cap - 1);
	return &t->v[i];
}

static int resize(struct bh_census_table *t, size_t cap)
{
	struct bh_census_table old = *t;
	struct bh_census_row *v = calloc(cap, sizeof(*v));

	if (!v)
		return -ENOMEM;
	t->v = v;
	t->cap = cap;
	for (size_t i = 0; i < old.cap; i++) {
		if (old.v[i].name)
			*slot_of(t, old.v[i].key) = old.v[i];
	}
	free(old.v);
	return 0;
}

/* Room for as many rows as there can be, before the first: growing later would move all at once.
 * Pages that nobody writes to cost nothing; without memory it grows after all. */
static void make_room(struct bh_census_table *t, size_t n)
{
	size_t cap = FIRST_ROWS;

	while (n > cap / 3 * 2)
		cap *= 2;
	(void)!resize(t, cap);
}

static int count_text(struct bh_census_table *t, struct bh_str text)
{
	struct bh_key key = bh_key_of(text, SEED);
	struct bh_census_row *row;

	if ((t->n + 1) * 3 > t->cap * 2 && resize(t, t->cap ? 2 * t->cap : FIRST_ROWS))
		return -ENOMEM;
	row = slot_of(t, key);
	if (!row->name) {
		row->name = strndup(text.p, text.n);
		if (!row->name)
			return -ENOMEM;
		row->key = key;
		t->n++;
	}
	row->count++;
	return 0;
}

/* Each tag once, under what stands before its first colon. */
static int count_tags(struct bh_census *s, struct bh_tags tags)
{
	struct bh_str tag;
	int rc = 0;

	while (!rc && bh_tags_next(&tags, &tag)) {
		size_t before = s->tags.n;
		const char *colon = tag.n ? memchr(tag.p, ':', tag.n) : NULL;

		rc = bh_valueset_add(&s->tags, tag, SEED);
		if (!rc && s->tags.n > before)
			rc = count_text(&s->tag_keys,
			    (struct bh_str){tag.p, colon ? (size_t)(colon - tag.p) : tag.n});
	}
	return rc;
}

/* --- the largest rows: a heap with the smallest on top ------------------------------------------
 */

/* The order of the answer: most first, then by name. */
static int by_count(const void *va, const void *vb)
{
	const struct bh_census_row *a = va, *b = vb;

	if (a->count != b->count)
		return a->count < b->count ? 1 : -1;
	if (!a->name || !b->name) /* not in practice: the analyzer does not follow rows */
		return (b->name != NULL) - (a->name != NULL);
	return strcmp(a->name, b->name);
}

static void sink(struct bh_census_table *t, size_t i)
{
	for (;;) {
		size_t small = i;

		for (size_t c = 2 * i + 1; c <= 2 * i + 2 && c < t->n; c++) {
			if (by_count(&t->v[c], &t->v[small]) > 0)
				small = c;
		}
		if (small == i)
			return;
		struct bh_census_row row = t->v[i];

		t->v[i] = t->v[small];
		t->v[small] = row;
		i = small;
	}
}

/* Takes the row; the smallest one leaves when there are `limit`. 0 or -ENOMEM. */
static int offer(struct bh_census_table *t, size_t limit, struct bh_census_row row)
{
	struct bh_census_row least = row;

	if (!t->v) {
		t->v = calloc(limit, sizeof(*t->v));
		if (!t->v) {
			release_row(&row);
			return -ENOMEM;
		}
		t->cap = limit;
	}
	if (t->n < limit) {
		t->v[t->n++] = row;
		/* Only a full list needs its smallest on top. */
		for (size_t i = t->n == limit ? t->n / 2 + 1 : 0; i-- > 0;)
			sink(t, i);
		return 0;
	}
	if (by_count(&row, &t->v[0]) < 0) {
		least = t->v[0];
		t->v[0] = row;
		sink(t, 0);
	}
	release_row(&least);
	return 0;
}

static char *joined(struct bh_tags tags)
{
	struct bh_buf out = BH_BUF_INIT;
	size_t n;

	bh_tags_join(tags, ' ', &out);
	(void)bh_buf_u8(&out, 0);
	if (bh_buf_failed(&out)) {
		bh_buf_release(&out);
		return NULL;
	}
	return bh_buf_detach(&out, &n);
}

static int keep_metric(struct bh_census *s, const struct bh_context *ctx)
{
	struct bh_census_table *t = &s->metrics;
	struct bh_census_row row = {.count = ctx->samples, .last_seen = ctx->last_seen};

	if (t->n == s->limit && row.count <= t->v[0].count)
		return 0;
	row.name = strndup(ctx->id.name.p, ctx->id.name.n);
	row.tags = joined(ctx->id.tags);
	if (!row.name || !row.tags) {
		release_row(&row);
		return -ENOMEM;
	}
	return offer(t, s->limit, row);
}

/* --- the end -----------------------------------------------------------------------------------
 */

static void sort(struct bh_census_table *t)
{
	if (t->n)
		qsort(t->v, t->n, sizeof(*t->v), by_count);
}

/* Takes the rows out of a table, from its end, of which the largest are kept; memory goes back
 * meanwhile. True when they stand in the table in order. */
static bool pick(struct bh_census *s, struct bh_census_table *t, size_t *budget)
{
	for (; t->cap && *budget; --*budget) {
		struct bh_census_row row = t->v[--t->cap];

		if (row.name && offer(&s->picked, s->limit, row))
			s->failed = -ENOMEM;
		if (t->cap && t->cap % GIVEN_BACK == 0) {
			struct bh_census_row *less = realloc(t->v, t->cap * sizeof(*t->v));

			t->v = less ? less : t->v;
		}
	}
	if (t->cap)
		return false;
	free(t->v);
	*t = s->picked;
	s->picked = (struct bh_census_table){.n = 0};
	sort(t);
	return true;
}

static int count_context(struct bh_census *s, const struct bh_context *ctx)
{
	int rc;

	s->seen++;
	if (s->what == BH_QUERY_METRICS)
		return keep_metric(s, ctx);
	rc = count_text(&s->names, ctx->id.name);
	return rc ? rc : count_tags(s, ctx->id.tags);
}

/* False while contexts are on the move. */
static bool settled(struct bh_census *s, struct bh_contexts *contexts, size_t *budget)
{
	struct bh_ctxmap *map = &contexts->by_identity;
	size_t tags;

	if (!bh_ctxmap_settle(map, budget))
		return false;
	if (s->mask == map->mask)
		return true;
	bh_census_release(s);
	bh_census_begin(s, s->what, s->limit);
	s->mask = map->mask;
	if (s->what == BH_QUERY_METRICS)
		return true;
	tags = bh_tag_store_count(&contexts->tags);
	make_room(&s->names, bh_contexts_count(contexts));
	make_room(&s->tag_keys, tags);
	(void)!bh_valueset_reserve(&s->tags, tags);
	return true;
}

/* True when all contexts have been looked at. */
static bool count(struct bh_census *s, struct bh_contexts *contexts, size_t *budget)
{
	const struct bh_ctxmap *map = &contexts->by_identity;

	if (!settled(s, contexts, budget))
		return false;
	for (; s->at <= map->mask && *budget && !s->failed; s->at++, --*budget) {
		if (map->slots[s->at].ctx)
			s->failed = count_context(s, map->slots[s->at].ctx);
	}
	return s->at > map->mask || s->failed;
}

bool bh_census_step(struct bh_census *s, struct bh_contexts *contexts, size_t budget)
{
	if (s->stage == BH_CENSUS_COUNT && count(s, contexts, &budget)) {
		sort(&s->metrics);
		s->stage = BH_CENSUS_NAMES;
	}
	if (s->stage == BH_CENSUS_NAMES && pick(s, &s->names, &budget))
		s->stage = BH_CENSUS_TAG_KEYS;
	if (s->stage == BH_CENSUS_TAG_KEYS && pick(s, &s->tag_keys, &budget))
		s->stage = BH_CENSUS_DONE;
	return s->stage == BH_CENSUS_DONE;
}
