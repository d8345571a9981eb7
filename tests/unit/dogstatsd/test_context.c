#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>

#include "common/err.h"
#include "common/rng.h"
#include "dogstatsd/context.h"

static struct bh_resolver resolver;

static void setup(void)
{
	cr_assert_eq(bh_resolver_init(&resolver, 5, BH_STR_LIT("h"), NULL, NULL), 0);
}

static void teardown(void)
{
	bh_resolver_release(&resolver);
}

TestSuite(identity, .init = setup, .fini = teardown);

/* "name@host tag|tag" */
static const char *resolve(const char *name, struct bh_str tags, struct bh_key *key)
{
	static char out[512];
	struct bh_identity id;
	struct bh_tags rest;
	struct bh_str tag;
	size_t at;

	cr_assert_eq(bh_resolve(&resolver, bh_str_from(name), tags, BH_FOR_SAMPLE, &id, key), 0);
	at = (size_t)snprintf(
	    out, sizeof(out), "%.*s@%.*s ", (int)id.name.n, id.name.p, (int)id.host.n, id.host.p);
	for (rest = id.tags; bh_tags_next(&rest, &tag);)
		at += (size_t)snprintf(out + at, sizeof(out) - at, "[%.*s]", (int)tag.n, tag.p);
	return out;
}

static void expect(const char *tags, const char *want)
{
	struct bh_key key;
	const char *got = resolve("m", bh_str_from(tags), &key);

	cr_expect_str_eq(got, want, "%s gave %s", tags, got);
}

Test(identity, sorts_tags_and_keeps_each_once)
{
	expect("", "m@h ");
	expect("b,a", "m@h [a][b]");
	expect("b,a,b,a", "m@h [a][b]");
	expect("a,,b", "m@h [][a][b]");
	expect(",", "m@h []");
	expect("a:1,a", "m@h [a][a:1]");
}

Test(identity, takes_special_tags_out)
{
	expect("host:x,a", "m@x [a]");
	expect("host:x,host:y", "m@y ");
	expect("host:", "m@ ");
	expect("Host:x,hostname:x,host", "m@h [Host:x][host][hostname:x]");
	expect("dd.internal.entity_id:1,dd.internal.entity_id:2,a", "m@h [a]");
	expect("dd.internal.jmx_check_name:k,a", "m@h [a]");
	expect("dd.internal.card:low,dd.internal.card:high", "m@h [dd.internal.card:high]");
	expect("device:sda", "m@h [device:sda]");
}

Test(identity, repairs_invalid_utf8)
{
	struct bh_key key;

	expect("a:\xFF\xFE,b", "m@h [a:\xEF\xBF\xBD][b]");
	cr_expect_str_eq(resolve("n\xFF", BH_STR_LIT(""), &key), "n\xEF\xBF\xBD@h ");
	cr_expect_eq(resolver.sanitized, 2);
}

Test(identity, has_one_key_whatever_the_order_of_tags)
{
	struct bh_key a, b, c, d, e;

	(void)resolve("m", BH_STR_LIT("x,y,z"), &a);
	(void)resolve("m", BH_STR_LIT("z,x,y,x"), &b);
	(void)resolve("m", BH_STR_LIT("x,yz"), &c);
	(void)resolve("m", BH_STR_LIT("x,y,z,host:q"), &d);
	(void)resolve("n", BH_STR_LIT("x,y,z"), &e);
	cr_expect(bh_key_eq(a, b));
	cr_expect(!bh_key_eq(a, c) && !bh_key_eq(a, d) && !bh_key_eq(a, e));
}

Test(identity, adds_configured_tags_without_reading_them)
{
	char *words[] = {(char[]){"env:prod"}, (char[]){"host:no"}};
	struct bh_strlist extra = {words, 2};
	struct bh_key key;

	bh_resolver_release(&resolver);
	cr_assert_eq(bh_resolver_init(&resolver, 5, BH_STR_LIT("h"), &extra, NULL), 0);
	cr_expect_str_eq(
	    resolve("m", BH_STR_LIT("env:prod,zone:1"), &key), "m@h [env:prod][host:no][zone:1]");
}

Test(identity, packs_long_tags)
{
	static char tag[40000];
	struct bh_identity id;
	struct bh_tags rest;
	struct bh_str got;
	struct bh_key key;

	memset(tag, 'x', sizeof(tag));
	cr_assert_eq(bh_resolve(&resolver, BH_STR_LIT("m"), (struct bh_str){tag, sizeof(tag)},
			 BH_FOR_SAMPLE, &id, &key),
	    0);
	rest = id.tags;
	cr_assert(bh_tags_next(&rest, &got));
	cr_expect_eq(got.n, sizeof(tag));
	cr_expect_not(bh_tags_next(&rest, &got));
}

static struct bh_context *get(struct bh_contexts *c, const char *name, const char *tags)
{
	struct bh_context *ctx = NULL;

	cr_assert_eq(bh_contexts_get(c, bh_str_from(name), bh_str_from(tags), BH_FOR_SAMPLE,
			 BH_METRIC_GAUGE, &ctx),
	    0);
	return ctx;
}

Test(contexts, are_found_by_text_and_by_identity)
{
	struct bh_contexts c;
	struct bh_context *ctx;

	cr_assert_eq(bh_contexts_init(&c, 1, BH_STR_LIT("h"), NULL, NULL, 10), 0);
	ctx = get(&c, "m", "a,b");
	cr_expect_eq(get(&c, "m", "a,b"), ctx);
	cr_expect_eq(get(&c, "m", "b,a"), ctx);
	cr_expect_eq(get(&c, "m", "b,a,a,host:h"), ctx);
	cr_expect_neq(get(&c, "m", "a"), ctx);
	cr_expect_eq(bh_contexts_count(&c), 2);
	bh_contexts_release(&c);
}

Test(contexts, beyond_the_limit_are_refused_and_known_ones_stay)
{
	struct bh_contexts c;
	struct bh_context *ctx;

	cr_assert_eq(bh_contexts_init(&c, 1, BH_STR_LIT("h"), NULL, NULL, 1), 0);
	ctx = get(&c, "m", "");
	cr_expect_eq(bh_contexts_get(
			 &c, BH_STR_LIT("n"), BH_STR_LIT(""), BH_FOR_SAMPLE, BH_METRIC_GAUGE, &ctx),
	    BH_E_LIMIT);
	cr_expect_not_null(get(&c, "m", ""));
	bh_contexts_release(&c);
}

static struct bh_context *expire(
    struct bh_contexts *c, int64_t now, int64_t ttl, int64_t counter_ttl)
{
	struct bh_expiry e;
	size_t budget;

	bh_expiry_begin(&e, now, ttl, counter_ttl);
	do {
		budget = 1000;
	} while (!bh_expiry_step(&e, c, &budget));
	return e.list;
}

/* Many contexts come and go: those that should be there are, those that went are not. */
Test(contexts, survive_growth_and_expiry_of_others)
{
	struct bh_contexts c;
	struct bh_context *list;
	char name[32];
	size_t expired = 0;

	cr_assert_eq(bh_contexts_init(&c, 1, BH_STR_LIT("h"), NULL, NULL, 100000), 0);
	for (int i = 0; i < 20000; i++) {
		(void)snprintf(name, sizeof(name), "m%d", i);
		get(&c, name, "t")->last_seen = i % 10 ? 100 : 200;
	}
	list = expire(&c, 150, 10, 10);
	for (const struct bh_context *ctx = list; ctx; ctx = ctx->next)
		expired++;
	bh_context_list_free(list, &c.tags);
	cr_expect_eq(expired, 18000);
	cr_expect_eq(bh_contexts_count(&c), 2000);
	for (int i = 0; i < 20000; i += 10) {
		(void)snprintf(name, sizeof(name), "m%d", i);
		cr_assert_eq(get(&c, name, "t")->last_seen, 200);
	}
	cr_expect_eq(bh_contexts_count(&c), 2000);
	bh_contexts_release(&c);
}

Test(contexts, with_data_in_an_open_bucket_do_not_expire)
{
	struct bh_contexts c;

	cr_assert_eq(bh_contexts_init(&c, 1, BH_STR_LIT("h"), NULL, NULL, 10), 0);
	get(&c, "m", "")->open = 1;
	cr_expect_null(expire(&c, 1000, 10, 10));
	get(&c, "m", "")->open = 0;
	bh_context_list_free(expire(&c, 1000, 10, 10), &c.tags);
	cr_expect_eq(bh_contexts_count(&c), 0);
	bh_contexts_release(&c);
}

Test(contexts, remember_a_bounded_number_of_texts)
{
	struct bh_contexts c;
	struct bh_context *ctx;
	char tags[32];

	cr_assert_eq(bh_contexts_init(&c, 1, BH_STR_LIT("h"), NULL, NULL, 10), 0);
	ctx = get(&c, "m", "");
	for (int i = 0; i < 20000; i++) {
		(void)snprintf(tags, sizeof(tags), "host:%d,host:h", i);
		cr_assert_eq(get(&c, "m", tags), ctx);
	}
	cr_expect_lt(c.by_text.n, 5000);
	bh_contexts_release(&c);
}

static bool is_marked(struct bh_context *ctx, void *arg)
{
	(void)arg;
	return ctx->mark == 1;
}

/* Against a plain array: random adds and sweeps over keys that collide on purpose. */
Test(ctxmap, agrees_with_a_plain_array)
{
	static struct bh_context nodes[600];
	bool present[600] = {false};
	struct bh_ctxmap_sweep sweep;
	struct bh_ctxmap m;
	size_t budget;
	struct bh_rng rng;

	bh_rng_seed(&rng, 21);
	cr_assert_eq(bh_ctxmap_init(&m), 0);
	for (int round = 0; round < 200; round++) {
		for (int i = 0; i < 40; i++) {
			size_t k = bh_rng_u64(&rng) % 600;

			if (present[k])
				continue;
			/* 8 homes, at the end of the table so that runs wrap */
			cr_assert_eq(bh_ctxmap_add(&m, (struct bh_key){~(k % 8), k}, &nodes[k]), 0);
			present[k] = true;
		}
		for (size_t k = 0; k < 600; k++) {
			nodes[k].mark = bh_rng_u64(&rng) % 4 == 0;
			if (nodes[k].mark)
				present[k] = false;
		}
		sweep = (struct bh_ctxmap_sweep){.at = 0};
		do {
			budget = 1 + bh_rng_u64(&rng) % 300;
		} while (!bh_ctxmap_sweep_step(&m, &sweep, &budget, is_marked, NULL));
		for (size_t k = 0; k < 600; k++)
			cr_assert_eq(bh_ctxmap_find(&m, (struct bh_key){~(k % 8), k}),
			    present[k] ? &nodes[k] : NULL, "round %d key %zu", round, k);
	}
	bh_ctxmap_release(&m);
}

/* --- the table while it moves -------------------------------------------------------------------
 */

#define MODEL_KEYS 60000

struct model {
	struct bh_ctxmap map;
	struct bh_context *at[MODEL_KEYS]; /* what each key leads to; NULL = not there */
	size_t n;
	struct bh_rng rng;
};

static struct bh_context model_nodes[MODEL_KEYS];

/* Homes in clusters, so that runs are long and cross the end of the array. */
static struct bh_key model_key(size_t k)
{
	return (struct bh_key){(uint64_t)(k / 7) * 11 - 40, k};
}

static void model_add(struct model *m, size_t k)
{
	if (m->at[k])
		return;
	cr_assert_eq(bh_ctxmap_add(&m->map, model_key(k), &model_nodes[k]), 0);
	m->at[k] = &model_nodes[k];
	m->n++;
}

static void model_replace(struct model *m, size_t k)
{
	struct bh_context *other = &model_nodes[bh_rng_u64(&m->rng) % MODEL_KEYS];

	bh_ctxmap_replace(&m->map, model_key(k), other);
	if (m->at[k])
		m->at[k] = other;
}

static void model_check(struct model *m, size_t stride)
{
	cr_assert_eq(m->map.n, m->n);
	for (size_t k = bh_rng_u64(&m->rng) % stride; k < MODEL_KEYS; k += stride)
		cr_assert_eq(bh_ctxmap_find(&m->map, model_key(k)), m->at[k], "key %zu", k);
}

/* Removes what leads to a marked node, in steps between which keys are added and replaced; the
 * number of steps is bounded by what there is to look at. */
static void model_sweep(struct model *m, unsigned keep_of, unsigned adds_a_step)
{
	struct bh_ctxmap_sweep sweep = {.at = 0};
	size_t budget, steps = 0;

	for (size_t k = 0; k < MODEL_KEYS; k++)
		model_nodes[k].mark = bh_rng_u64(&m->rng) % keep_of != 0;
	do {
		for (unsigned i = 0; i < adds_a_step; i++) {
			size_t k = bh_rng_u64(&m->rng) % MODEL_KEYS;

			/* What comes while a sweep is under way need not be swept. */
			if (model_nodes[k].mark || m->at[k])
				continue;
			model_add(m, k);
			cr_assert_eq(bh_ctxmap_find(&m->map, model_key(k)), m->at[k]);
		}
		budget = 1 + bh_rng_u64(&m->rng) % 2000;
		cr_assert_lt(++steps, 4000, "the sweep does not end");
	} while (!bh_ctxmap_sweep_step(&m->map, &sweep, &budget, is_marked, NULL));
	for (size_t k = 0; k < MODEL_KEYS; k++) {
		if (m->at[k] && m->at[k]->mark) {
			m->at[k] = NULL;
			m->n--;
		}
	}
}

/* Against an array: the table grows from 1024 slots to 131072 and back, with every operation in
 * every phase of a move. */
Test(ctxmap, agrees_with_an_array_while_it_grows_and_shrinks)
{
	static struct model m;
	size_t moves = 0;

	bh_rng_seed(&m.rng, 99);
	cr_assert_eq(bh_ctxmap_init(&m.map), 0);
	for (int round = 0; round < 12; round++) {
		size_t adds = bh_rng_u64(&m.rng) % 120000;

		for (size_t i = 0; i < adds; i++) {
			model_add(&m, bh_rng_u64(&m.rng) % MODEL_KEYS);
			moves += m.map.old != NULL;
			if (i % 16 == 0)
				model_replace(&m, bh_rng_u64(&m.rng) % MODEL_KEYS);
			if (i % 1024 == 0)
				model_check(&m, 101);
		}
		model_check(&m, 1);
		model_sweep(&m, round % 3 == 0 ? 200 : 2, (unsigned)round % 4 * 50);
		model_check(&m, 1);
		cr_assert_null(m.map.old, "a sweep ends what moves");
		if (round % 5 == 4) {
			/* half a move forgotten */
			for (size_t k = 0; !m.map.old && k < MODEL_KEYS; k++)
				model_add(&m, k);
			bh_ctxmap_clear(&m.map);
			memset((void *)m.at, 0, sizeof(m.at));
			m.n = 0;
			model_check(&m, 1);
		}
	}
	cr_expect_gt(moves, 1000);
	bh_ctxmap_release(&m.map);
}

/* Adding moves a bounded number of slots, and the old array is empty before the new one is full. */
Test(ctxmap, moves_a_bounded_number_of_slots_with_each_add)
{
	static struct model m;
	size_t left = 0;
	bool moving = false;

	cr_assert_eq(bh_ctxmap_init(&m.map), 0);
	for (size_t k = 0; k < MODEL_KEYS; k++) {
		size_t mask = m.map.mask;

		/* spread homes: a run is short */
		cr_assert_eq(bh_ctxmap_add(&m.map,
				 (struct bh_key){k * UINT64_C(0x9e3779b97f4a7c15) >> 20, k},
				 &model_nodes[k]),
		    0);
		cr_assert(!moving || m.map.mask == mask, "grew with a move under way");
		if (moving && m.map.old)
			cr_assert_leq(left - m.map.old_left, m.map.pace + 64);
		moving = m.map.old != NULL;
		left = m.map.old_left;
	}
	bh_ctxmap_release(&m.map);
}

Test(ctxmap, gives_memory_back_after_a_sweep)
{
	struct bh_ctxmap_sweep sweep = {.at = 0};
	struct bh_ctxmap m;
	size_t budget;

	cr_assert_eq(bh_ctxmap_init(&m), 0);
	for (size_t k = 0; k < MODEL_KEYS; k++) {
		model_nodes[k].mark = k % 1000 != 0;
		cr_assert_eq(bh_ctxmap_add(&m, model_key(k), &model_nodes[k]), 0);
	}
	do {
		budget = 500;
	} while (!bh_ctxmap_sweep_step(&m, &sweep, &budget, is_marked, NULL));
	cr_expect_eq(m.n, MODEL_KEYS / 1000);
	cr_expect_eq(m.mask, 1023);
	cr_expect(!m.old && !m.scrap[0].p && !m.scrap[1].p);
	bh_ctxmap_release(&m);
}

/* Growth takes an entry from behind the place the sweep has come to, to before it. */
Test(ctxmap, sweeps_anew_when_it_grew)
{
	struct bh_ctxmap_sweep sweep = {.at = 0};
	struct bh_ctxmap m;
	size_t budget = 400;

	cr_assert_eq(bh_ctxmap_init(&m), 0);
	for (size_t k = 0; k < 682; k++) {
		model_nodes[k].mark = k == 681;
		cr_assert_eq(
		    bh_ctxmap_add(&m, (struct bh_key){k % 4 == 1 ? 100 : 1124, k}, &model_nodes[k]),
		    0);
	}
	cr_assert_not(bh_ctxmap_sweep_step(&m, &sweep, &budget, is_marked, NULL));
	cr_assert_eq(m.mask, 1023);
	cr_assert_eq(bh_ctxmap_add(&m, (struct bh_key){7, 7}, &model_nodes[7]), 0);
	cr_assert_eq(m.mask, 2047);
	do {
		budget = 10;
	} while (!bh_ctxmap_sweep_step(&m, &sweep, &budget, is_marked, NULL));
	cr_expect_null(bh_ctxmap_find(&m, (struct bh_key){100, 681}));
	cr_expect_eq(m.n, 682);
	bh_ctxmap_release(&m);
}

/* A flush, a census and a hand-over walk over the table while it moves: see their tests. */
Test(contexts, are_found_while_their_table_moves)
{
	struct bh_contexts c;
	char name[32];

	cr_assert_eq(bh_contexts_init(&c, 1, BH_STR_LIT("h"), NULL, NULL, 100000), 0);
	for (int i = 0; i < 3000 || !c.by_identity.old; i++) {
		(void)snprintf(name, sizeof(name), "m%d", i);
		get(&c, name, "t")->mark = (uint64_t)i;
	}
	for (int i = 0; i < 3000; i++) {
		(void)snprintf(name, sizeof(name), "m%d", i);
		cr_assert_eq(get(&c, name, "t")->mark, (uint64_t)i);
	}
	bh_contexts_release(&c);
}
