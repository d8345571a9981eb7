#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "forwarder/store.h"
#include "tests/unit/remove_tree.h"

static char dir[] = "/tmp/bh-store-XXXXXX";
static struct bh_rng rng;

static struct bh_store *reopen(void)
{
	const struct bh_store_config cfg = {
	    .dir = dir, .clock = &bh_clock_system, .rng = &rng, .max_size_bytes = 1 << 24};
	struct bh_err err = BH_ERR_INIT;
	struct bh_store *s = NULL;

	cr_assert_eq(bh_store_open(&s, &cfg, &err), 0, "%s", err.text);
	return s;
}

static void set_up(void)
{
	cr_assert(mkdtemp(dir) != NULL);
	bh_rng_seed(&rng, 1);
}

static void tear_down(void)
{
	(void)remove_tree(dir);
}

TestSuite(store, .init = set_up, .fini = tear_down);

static struct bh_origin row(const char *identifier, uint64_t gen, const char *offset)
{
	return (struct bh_origin){
	    .identifier = bh_str_from(identifier),
	    .gen = gen,
	    .offset_first = bh_str_from(offset),
	    .offset_last = bh_str_from(offset),
	    .fp_value = UINT64_MAX,
	};
}

static void put(struct bh_store *s, const char *identifier, uint64_t gen, const char *offset)
{
	struct bh_origin o = row(identifier, gen, offset);
	struct bh_position p = bh_position_of(&o, 1, 1);

	cr_assert_eq(bh_store_position(s, &p), 0);
}

/* "identifier gen offset;" of every row. */
static int note(void *ctx, const struct bh_position *p)
{
	const struct bh_origin *o = &p->row;

	return bh_buf_printf(ctx, "%.*s %llu %.*s;", (int)o->identifier.n, o->identifier.p,
	    (unsigned long long)o->gen, (int)o->offset_last.n, o->offset_last.p);
}

static void expect_rows(struct bh_store *s, const char *want)
{
	struct bh_buf got = BH_BUF_INIT;

	cr_assert_eq(bh_store_each_position(s, note, &got), 0);
	cr_expect_str_eq(got.data ? got.data : "", want);
	bh_buf_release(&got);
}

Test(store, a_source_is_kept_in_a_table_of_its_own_and_comes_back_as_a_row)
{
	struct bh_store *s = reopen();

	cr_assert_eq(bh_store_begin(s), 0);
	put(s, "file:/a", 7, "10");
	put(s, "source:00fF3", 1, "1700000000123");
	put(s, "source:xyz", 9, "5"); /* no digits: an ordinary row */
	cr_assert_eq(bh_store_commit(s), 0);
	put(s, "source:00fF3", 1, "1700000000999");
	bh_store_free(s); /* as a crash would */
	s = reopen();
	expect_rows(s, "file:/a 7 10;source:xyz 9 5;source:00fF3 1 1700000000999;");
	bh_store_free(s);
}

Test(store, a_forgotten_row_goes_with_its_transaction_or_stays)
{
	struct bh_store *s = reopen();

	put(s, "file:/a", 7, "10");
	put(s, "file:/a", 8, "20");
	put(s, "source:01", 1, "3");
	cr_assert_eq(bh_store_begin(s), 0);
	cr_assert_eq(bh_store_forget(s, BH_STR_LIT("file:/a"), 7), 0);
	cr_assert_eq(bh_store_forget(s, BH_STR_LIT("source:01"), 1), 0);
	bh_store_free(s); /* before its commit */
	s = reopen();
	expect_rows(s, "file:/a 7 10;file:/a 8 20;source:01 1 3;");
	cr_assert_eq(bh_store_begin(s), 0);
	cr_assert_eq(bh_store_forget(s, BH_STR_LIT("file:/a"), 7), 0);
	cr_assert_eq(bh_store_forget(s, BH_STR_LIT("source:01"), 1), 0);
	cr_assert_eq(bh_store_forget(s, BH_STR_LIT("file:/never"), 1), 0);
	cr_assert_eq(bh_store_commit(s), 0);
	bh_store_free(s);
	s = reopen();
	expect_rows(s, "file:/a 8 20;");
	bh_store_free(s);
}

Test(store, a_source_whose_time_is_no_number_was_never_looked_through)
{
	static const char *const texts[] = {"", "x", "-5", "1.5", "99999999999999999999"};
	struct bh_store *s = reopen();

	for (size_t i = 0; i < BH_ARRAY_LEN(texts); i++) {
		put(s, "source:aa", 1, texts[i]);
		expect_rows(s, "source:aa 1 0;");
	}
	bh_store_free(s);
}

Test(store, meta_remembers)
{
	struct bh_store *s = reopen();
	int64_t v = 0;

	cr_expect_eq(bh_store_meta_get(s, "imported", &v), 0);
	cr_assert_eq(bh_store_meta_set(s, "imported", 1), 0);
	bh_store_free(s);
	s = reopen();
	cr_expect_eq(bh_store_meta_get(s, "imported", &v), 1);
	cr_expect_eq(v, 1);
	bh_store_free(s);
}

/* --- several destinations -----------------------------------------------------------------------
 */

static int note_owed(void *ctx, int64_t id, const char *key, int kind)
{
	return bh_buf_printf(ctx, "%lld %s %d;", (long long)id, key, kind);
}

static void expect_owed(struct bh_store *s, const char *want)
{
	struct bh_buf got = BH_BUF_INIT;

	cr_assert_eq(bh_store_each_owed(s, note_owed, &got), 0);
	cr_expect_str_eq(got.data ? got.data : "", want);
	bh_buf_release(&got);
}

static void expect_owers(struct bh_store *s, uint64_t ord, unsigned want)
{
	unsigned n = 99;

	cr_assert_eq(bh_store_owers(s, ord, &n), 0);
	cr_expect_eq(n, want);
}

/* One row and one body, whatever the number of destinations; the last one takes them along. */
Test(store, a_row_stays_until_nobody_is_owed_it)
{
	struct bh_store *s = reopen();
	struct bh_spool_row row = {.ord = 7,
	    .producer = "logs",
	    .kind = BH_KIND_LOGS,
	    .items = 3,
	    .body = BH_STR_LIT("body")};
	int64_t a = 0, b = 0, again = 0;
	void *block = NULL;

	cr_assert_eq(bh_store_destination(s, "logs/primary", 1, true, &a), 0);
	cr_assert_eq(bh_store_destination(s, "logs/http://x#0", 1, true, &b), 0);
	cr_assert_eq(bh_store_destination(s, "logs/http://x#0", 1, false, &again), 0);
	cr_expect_eq(b, again, "a destination is the same, reliable or not");
	cr_assert_neq(a, b);
	expect_owed(s, "");
	cr_assert_eq(bh_store_begin(s), 0);
	cr_assert_eq(bh_store_put(s, &row, a), 0);
	expect_owers(s, 7, 1);
	cr_assert_eq(bh_store_put_delivery(s, 7, row.body.n, b), 0);
	cr_assert_eq(bh_store_commit(s), 0);
	expect_owers(s, 7, 2);
	cr_assert_eq(bh_store_remove(s, 7, a, BH_STORE_TAKEN), 0);
	cr_assert_eq(bh_store_remove(s, 7, a, BH_STORE_TAKEN), 0, "a repeated answer");
	expect_owers(s, 7, 1);
	bh_store_free(s); /* as a crash would */
	s = reopen();
	expect_owed(s, "2 logs/http://x#0 1;");
	cr_assert_eq(bh_store_load(s, 7, &row, &block), 0);
	free(block);
	cr_assert_eq(bh_store_remove(s, 7, b, BH_STORE_TAKEN), 0);
	expect_owers(s, 7, 0);
	cr_expect_eq(bh_store_load(s, 7, &row, &block), -ENOENT);
	bh_store_free(s);
}

static uint64_t file_bytes(void)
{
	char path[64];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/spool.db", dir);
	cr_assert_eq(stat(path, &st), 0);
	return (uint64_t)st.st_size;
}

static void put_body(struct bh_store *s, uint64_t seq, size_t bytes)
{
	static const char body[300000];
	struct bh_spool_row row = {.producer = "logs",
	    .seq = seq,
	    .encoding = BH_ENC_ZSTD,
	    .expires_ms = 1,
	    .body = {body, bytes}};

	cr_assert_eq(bh_store_next_ord(s, &row.ord), 0);
	cr_assert_eq(bh_store_begin(s), 0);
	cr_assert_eq(bh_store_put(s, &row, 1), 0);
	cr_assert_eq(bh_store_commit(s), 0);
	bh_store_tend(s, false);
}

/* spec/durability.md §11; the limit of this store makes the threshold 1 MiB. */
Test(store, the_wal_is_written_back_when_much_of_it_is_used_not_when_it_is_long)
{
	struct bh_store *s = reopen();
	uint64_t at[3];

	put_body(s, 1, 300000);
	put_body(s, 2, 300000);
	cr_expect_gt(bh_store_wal_used(s), 600000);
	at[0] = file_bytes();
	put_body(s, 3, 300000);
	cr_expect_eq(bh_store_wal_used(s), 0);
	at[1] = file_bytes();
	cr_expect_gt(at[1], at[0] + 900000);
	put_body(s, 4, 300000);
	at[2] = file_bytes();
	cr_expect_eq(at[2], at[1], "its length stayed, and is no reason");
	cr_expect_gt(bh_store_wal_bytes(s), 1 << 20);
	bh_store_free(s);
	s = reopen();
	cr_expect_gt(bh_store_wal_used(s), 300000, "left by the one before");
	bh_store_tend(s, true);
	cr_expect_eq(bh_store_wal_used(s), 0);
	bh_store_free(s);
}
