#include <criterion/criterion.h>
#include <stdlib.h>

#include "forwarder/quarantine.h"
#include "tests/unit/remove_tree.h"

static char dir[] = "/tmp/bh-quarantine-XXXXXX";
static struct bh_rng rng;
static struct bh_store *store;
static int64_t dests[3];
static const char *refuser; /* who refuses what is put */

static void open_store(void)
{
	const struct bh_store_config cfg = {
	    .dir = dir, .clock = &bh_clock_system, .rng = &rng, .max_size_bytes = 1 << 24};
	struct bh_err err = BH_ERR_INIT;

	cr_assert_eq(bh_store_open(&store, &cfg, &err), 0, "%s", err.text);
	cr_assert_eq(bh_store_destination(store, "logs/primary", 1, true, &dests[0]), 0);
	cr_assert_eq(bh_store_destination(store, "metrics/primary", 0, true, &dests[1]), 0);
	cr_assert_eq(bh_store_destination(store, "metrics/http://other#1", 0, true, &dests[2]), 0);
	refuser = "";
}

static void set_up(void)
{
	cr_assert(mkdtemp(dir) != NULL);
	bh_rng_seed(&rng, 1);
	open_store();
}

static void tear_down(void)
{
	bh_store_free(store);
	(void)remove_tree(dir);
}

TestSuite(quarantine, .init = set_up, .fini = tear_down);

static struct bh_quarantine opened(int64_t max_bytes, int64_t max_rows)
{
	struct bh_quarantine q;

	cr_assert_eq(bh_quarantine_open(&q, store, true, max_bytes, max_rows), 0);
	return q;
}

static void put(struct bh_quarantine *q, enum bh_kind kind, const char *body)
{
	const struct bh_spool_row row = {
	    .ord = 77,
	    .kind = kind,
	    .items = 2,
	    .created_ms = 5,
	    .origins = BH_STR_LIT("not kept"),
	    .body = bh_str_from(body),
	};
	uint64_t ord = 0;

	cr_assert_eq(bh_store_next_ord(store, &ord), 0);
	cr_assert_eq(bh_store_begin(store), 0);
	cr_assert_eq(bh_quarantine_put(q, &row, ord, 413, refuser), 0);
	cr_assert_eq(bh_store_commit(store), 0);
	bh_quarantine_refresh(q);
}

static const struct bh_spool_request every = {.older_s = -1};

static int64_t dest_of(void *ctx, enum bh_kind kind, const char *id, int64_t *ttl_ms)
{
	(void)ctx;
	*ttl_ms = 500;
	if (strcmp(id, "metrics/http://away#0") == 0)
		return 0;
	return *id ? dests[2] : dests[kind == BH_KIND_LOGS ? 0 : 1];
}

static void expect_first(struct bh_quarantine *q, const char *body)
{
	struct bh_spool_row row;
	void *block = NULL;
	uint64_t ord = 0;

	cr_assert_eq(bh_quarantine_next(q, &every, 0, &ord), 1);
	cr_assert_eq(bh_store_load(store, ord, &row, &block), 0);
	cr_expect(bh_str_eq(row.body, bh_str_from(body)), "%.*s", (int)row.body.n, row.body.p);
	cr_expect_str_eq(row.producer, BH_QUARANTINE_NAME);
	cr_expect_eq(row.epoch, 413);
	cr_expect_eq(row.seq, 77);
	cr_expect_eq(row.origins.n, 0, "its positions have moved already");
	free(block);
}

Test(quarantine, keeps_rows_over_a_restart)
{
	struct bh_quarantine q = opened(1000, 10);

	put(&q, BH_KIND_LOGS, "one");
	bh_store_free(store);
	open_store();
	q = opened(1000, 10);
	cr_expect_eq(q.rows, 1);
	cr_expect_eq(q.items, 2);
	cr_expect_eq(q.bytes, 3);
	expect_first(&q, "one");
}

Test(quarantine, the_oldest_make_room_for_rows_and_for_bytes)
{
	struct bh_quarantine q = opened(10, 2);

	put(&q, BH_KIND_LOGS, "1111");
	put(&q, BH_KIND_LOGS, "2222");
	put(&q, BH_KIND_LOGS, "3333");
	cr_expect_eq(q.rows, 2);
	expect_first(&q, "2222");
	put(&q, BH_KIND_LOGS, "444444444");
	cr_expect_eq(q.rows, 1);
	cr_expect_eq(q.pushed_out, 3);
	expect_first(&q, "444444444");
	put(&q, BH_KIND_LOGS, "larger than all");
	cr_expect_eq(q.not_kept, 1);
	expect_first(&q, "444444444");
}

Test(quarantine, a_released_row_is_owed_to_the_destination_of_its_class)
{
	struct bh_quarantine q = opened(1000, 10);
	struct bh_dest_counts counts = {0};

	put(&q, BH_KIND_LOGS, "log");
	put(&q, BH_KIND_SKETCHES, "sketch");
	for (size_t i = 0; i < 2; i++) {
		struct bh_spool_row row;
		uint64_t ord = 0, fresh = 0;

		cr_assert_eq(bh_quarantine_next(&q, &every, 0, &ord), 1);
		cr_assert_eq(bh_store_next_ord(store, &fresh), 0);
		cr_assert_eq(bh_store_begin(store), 0);
		cr_assert_eq(bh_quarantine_release(&q, ord, fresh, dest_of, NULL, 1000, &row), 0);
		cr_assert_eq(bh_store_commit(store), 0);
		cr_expect_eq(row.ord, fresh);
		cr_expect_eq(row.expires_ms, 1500);
		cr_assert_eq(bh_store_counts(store, dests[i], &counts), 0);
		cr_expect_eq(counts.pending_rows, 1);
	}
	bh_quarantine_refresh(&q);
	cr_expect_eq(q.rows, 0);
	cr_expect_eq(q.bytes, 0);
}

Test(quarantine, a_row_goes_back_to_the_destination_that_refused_it_and_to_no_other)
{
	struct bh_quarantine q = opened(1000, 10);
	struct bh_dest_counts counts = {0};
	static const struct {
		const char *refuser;
		int rc;
		unsigned owed[3];
	} cases[] = {
	    {"", 0, {0, 1, 0}},
	    {"metrics/http://other#1", 0, {0, 1, 1}},
	    {"metrics/http://away#0", BH_E_STATE, {0, 1, 1}},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		struct bh_spool_row row;
		uint64_t ord = 0, fresh = 0;

		refuser = cases[i].refuser;
		put(&q, BH_KIND_SKETCHES, "sketch");
		cr_assert_eq(bh_quarantine_next(&q, &every, 0, &ord), 1);
		cr_assert_eq(bh_store_next_ord(store, &fresh), 0);
		cr_assert_eq(bh_store_begin(store), 0);
		cr_expect_eq(
		    bh_quarantine_release(&q, ord, fresh, dest_of, NULL, 1000, &row), cases[i].rc);
		cr_assert_eq(bh_store_commit(store), 0);
		for (size_t d = 0; d < 3; d++) {
			cr_assert_eq(bh_store_counts(store, dests[d], &counts), 0);
			cr_expect_eq(counts.pending_rows, cases[i].owed[d], "%zu %zu", i, d);
		}
	}
	bh_quarantine_refresh(&q);
	cr_expect_eq(q.rows, 1, "what nobody is there for stays");
}

/* One is meant by its id, its class or its age; the search goes on behind the last one. */
Test(quarantine, only_what_is_meant_is_found)
{
	const struct bh_spool_request logs = {.class = BH_CLASS_LOGS, .older_s = -1};
	const struct bh_spool_request old = {.older_s = 1};
	struct bh_spool_request one = {.older_s = -1};
	struct bh_quarantine q;
	uint64_t ords[3], ord = 0;

	cr_assert_eq(bh_quarantine_open(&q, store, true, 1 << 20, 10), 0);
	put(&q, BH_KIND_SKETCHES, "a");
	put(&q, BH_KIND_LOGS, "b");
	put(&q, BH_KIND_LOGS, "c");
	for (size_t i = 0; i < 3; i++) {
		cr_assert_eq(bh_quarantine_next(&q, &every, 0, &ord), 1);
		ords[i] = ord;
	}
	cr_expect_eq(bh_quarantine_next(&q, &every, 0, &ord), 0);
	ord = 0;
	cr_assert_eq(bh_quarantine_next(&q, &logs, 0, &ord), 1);
	cr_expect_eq(ord, ords[1]);
	one.id = ords[2];
	ord = 0;
	cr_assert_eq(bh_quarantine_next(&q, &one, 0, &ord), 1);
	cr_expect_eq(ord, ords[2]);
	cr_expect_eq(bh_quarantine_next(&q, &one, 0, &ord), 0);
	one.id = ords[2] + 1;
	ord = 0;
	cr_expect_eq(bh_quarantine_next(&q, &one, 0, &ord), 0);
	ord = 0;
	cr_expect_eq(bh_quarantine_next(&q, &old, INT64_MIN / 2, &ord), 0, "all are younger");
}
