#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "forwarder/store.h"
#include "forwarder/store_internal.h"
#include "tests/unit/forwarder/by_hand.h"
#include "tests/unit/remove_tree.h"

static char dir[] = "/tmp/bh-store-XXXXXX";
static struct bh_rng rng;
static struct bh_log *own_log; /* NULL: what is said is wrong */

static struct bh_store *reopen(void)
{
	const struct bh_store_config cfg = {.dir = dir,
	    .clock = &bh_clock_system,
	    .rng = &rng,
	    .log = own_log,
	    .max_size_bytes = 1 << 24};
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

static int count_origins(void *ctx, uint64_t ord, struct bh_str origins)
{
	(void)ord;
	(void)origins;
	++*(unsigned *)ctx;
	return 0;
}

static void expect_owers(struct bh_store *s, uint64_t ord, unsigned want, unsigned want_reliable)
{
	unsigned n = 99, reliable = 99, origins = 0;

	cr_assert_eq(bh_store_owers(s, ord, &n, &reliable), 0);
	cr_expect_eq(n, want);
	cr_expect_eq(reliable, want_reliable);
	/* What only unreliable ones are owed holds no position back. */
	cr_assert_eq(bh_store_each_origins(s, count_origins, &origins), 0);
	cr_expect_eq(origins, want_reliable > 0);
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
	expect_owers(s, 7, 1, 1);
	cr_assert_eq(bh_store_put_delivery(s, 7, row.body.n, b), 0);
	cr_assert_eq(bh_store_commit(s), 0);
	expect_owers(s, 7, 2, 1);
	cr_assert_eq(bh_store_remove(s, 7, a, BH_STORE_TAKEN), 0);
	cr_assert_eq(bh_store_remove(s, 7, a, BH_STORE_TAKEN), 0, "a repeated answer");
	expect_owers(s, 7, 1, 0);
	bh_store_free(s); /* as a crash would */
	s = reopen();
	expect_owed(s, "2 logs/http://x#0 1;");
	cr_assert_eq(bh_store_load(s, 7, &row, &block), 0);
	free(block);
	cr_assert_eq(bh_store_remove(s, 7, b, BH_STORE_TAKEN), 0);
	expect_owers(s, 7, 0, 0);
	cr_expect_eq(bh_store_load(s, 7, &row, &block), -ENOENT);
	bh_store_free(s);
}

/* --- without a file (spec/durability.md §8, §10.4) --- */

static struct bh_store *in_memory(void)
{
	struct bh_store *s = reopen(); /* for its settings alone */
	char path[64];

	bh_store_close_file(s, false);
	(void)snprintf(path, sizeof(path), "%s/spool.db", dir);
	(void)unlink(path);
	cr_assert_eq(bh_store_open_in_memory(s, -ENOSPC), 0);
	return s;
}

Test(store, what_was_in_memory_is_in_the_file_and_goes_on)
{
	struct bh_store *s = in_memory();
	uint64_t ord = 0, next = 0;
	int64_t dest = 0, again = 0;
	uint8_t id[BH_STORE_ID_BYTES];
	char path[64];
	FILE *f;

	memcpy(id, bh_store_id(s), sizeof(id));
	cr_assert_eq(bh_store_destination(s, "logs/a", 0, true, &dest), 0);
	cr_assert_eq(bh_store_begin(s), 0);
	cr_assert_eq(bh_store_next_ord(s, &ord), 0);
	put(s, "file:/a", 7, "10");
	cr_assert_eq(bh_store_commit(s), 0);
	cr_expect_eq(bh_store_without(s), -ENOSPC);
	cr_expect(!bh_store_ballasted(s));
	/* SQLite would put the new file back to what a journal of that name says. */
	(void)snprintf(path, sizeof(path), "%s/spool.db-journal", dir);
	f = fopen(path, "we");
	cr_assert_not_null(f);
	(void)fputs("left by a creation that failed", f);
	(void)fclose(f);

	cr_assert_eq(bh_store_land(s, 1 << 24), 0);
	cr_expect_eq(bh_store_without(s), 0);
	cr_expect(!bh_store_in_memory(s));
	cr_expect(bh_store_ballasted(s));
	cr_expect_neq(access(path, F_OK), 0);
	cr_assert_eq(bh_store_next_ord(s, &next), 0);
	cr_expect_eq(next, ord + 1);
	put(s, "file:/b", 8, "20");
	bh_store_free(s);
	s = reopen();
	expect_rows(s, "file:/a 7 10;file:/b 8 20;");
	cr_expect_arr_eq(bh_store_id(s), id, sizeof(id));
	cr_assert_eq(bh_store_destination(s, "logs/a", 0, true, &again), 0);
	cr_expect_eq(again, dest);
	bh_store_free(s);
}

/* What lies there is opened by the next start, without the marks that are too old by then. */
Test(store, a_store_of_before_is_not_written_over)
{
	struct bh_receiver mark = {.epoch = 5, .base = 9}, got = {0};
	struct bh_store *s = in_memory(), *before = reopen();

	put(before, "file:/a", 7, "10");
	cr_assert_eq(bh_store_producer(before, "logs", &mark), 0);
	bh_store_free(before);
	cr_expect_eq(bh_store_land(s, 1 << 24), BH_E_STATE);
	cr_expect(bh_store_in_memory(s));
	bh_store_free(s);
	s = reopen();
	expect_rows(s, "file:/a 7 10;");
	cr_assert_eq(bh_store_load_producer(s, "logs", &got), 0);
	cr_expect_eq(got.epoch, 0);
	bh_store_free(s);
}

Test(store, a_refused_seq_is_known_as_long_as_its_mark) /* LINK.md rule 7 */
{
	struct bh_receiver mark = {.epoch = 5, .base = 9, .refused = 8, .cause = BH_REFUSE_BAD_CRC};
	struct bh_receiver got;
	struct bh_store *s = reopen();

	cr_assert_eq(bh_store_producer(s, "logs", &mark), 0);
	cr_assert_eq(bh_store_refused(s, "logs", &mark), 0);
	bh_store_free(s);
	s = reopen();
	cr_assert_eq(bh_store_load_producer(s, "logs", &got), 0);
	cr_expect_eq(got.refused, 8);
	cr_expect_eq(got.cause, BH_REFUSE_BAD_CRC);
	cr_assert_eq(bh_store_load_producer(s, "dogstatsd", &got), 0);
	cr_expect_eq(got.refused, 0);
	mark.base = 0; /* of another store, as after a salvage */
	cr_assert_eq(bh_store_producer(s, "logs", &mark), 0);
	cr_assert_eq(bh_store_load_producer(s, "logs", &got), 0);
	cr_expect_eq(got.refused, 0);
	bh_store_free(s);
}

/* --- the WAL (§11, §15 I16) --- */

static unsigned times_in(const char *path, const char *words)
{
	char line[1024];
	unsigned n = 0;
	FILE *f = fopen(path, "re");

	while (f && fgets(line, sizeof(line), f))
		n += strstr(line, words) != NULL;
	if (f)
		(void)fclose(f);
	return n;
}

/* A group of 4 MiB, and the look after it; the largest WAL so far. */
static void push(struct bh_store *s, int64_t dest, uint64_t *most)
{
	static char body[1 << 20];
	struct bh_spool_row row = {.producer = "logs", .body = {body, sizeof(body)}};

	cr_assert_eq(bh_store_begin(s), 0);
	for (int i = 0; i < 4; i++) {
		cr_assert_eq(bh_store_next_ord(s, &row.ord), 0);
		cr_assert_eq(bh_store_put(s, &row, dest), 0);
	}
	cr_assert_eq(bh_store_commit(s), 0);
	*most = BH_MAX(*most, bh_store_wal_bytes(s));
	bh_store_tend(s, false);
}

Test(store, a_statement_held_open_does_not_let_the_wal_grow_for_ever)
{
	const uint64_t group = (uint64_t)5 << 20; /* with the pages around the bodies */
	struct bh_store *s = reopen();
	uint64_t most = 0;
	int64_t dest = 0;
	sqlite3_stmt *leaked = NULL;
	struct bh_log log;
	char path[64];

	(void)snprintf(path, sizeof(path), "%s/log", dir);
	bh_log_init(&log, &bh_clock_system, "test",
	    open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
	s->cfg.log = &log;
	cr_assert_eq(bh_store_destination(s, "logs/a", 0, true, &dest), 0);
	for (int i = 0; i < 8; i++)
		push(s, dest, &most);
	cr_expect_lt(most, (uint64_t)32 << 20, "without it a checkpoint keeps it small");
	cr_assert_eq(
	    sqlite3_prepare_v2(s->db, "SELECT ord FROM spool", -1, &leaked, NULL), SQLITE_OK);
	cr_assert_eq(sqlite3_step(leaked), SQLITE_ROW);
	for (int i = 0; i < 24; i++)
		push(s, dest, &most);
	cr_expect_gt(most, (uint64_t)64 << 20, "it did hold the WAL up");
	cr_expect_leq(most, ((uint64_t)64 << 20) + 2 * group);
	cr_expect_lt(bh_store_wal_bytes(s), (uint64_t)32 << 20);
	cr_expect_eq(times_in(path, "ERROR"), 1);
	cr_expect_eq(times_in(path, "SELECT ord FROM spool"), 1);
	cr_expect(!sqlite3_stmt_busy(leaked));
	(void)sqlite3_finalize(leaked);
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

/* spec/durability.md §9.3 */
Test(store, a_start_mends_counts_that_differ_from_the_rows_and_counts_that)
{
	static const char *const wrong[] = {
	    "UPDATE destination SET pending_rows=7 WHERE id=1",
	    "UPDATE destination SET pending_bytes=0 WHERE id<3",
	};
	struct bh_store *s = reopen();
	struct bh_dest_counts n = {0};
	struct bh_log log;
	int64_t dest = 0;

	bh_log_init(&log, &bh_clock_system, "test", open("/dev/null", O_WRONLY | O_CLOEXEC));
	own_log = &log;
	cr_assert_eq(bh_store_destination(s, "logs/a", 0, true, &dest), 0);
	cr_assert_eq(bh_store_destination(s, "logs/b", 0, true, &dest), 0);
	put_body(s, 1, 5000);
	cr_assert_eq(bh_store_begin(s), 0);
	cr_assert_eq(bh_store_put_delivery(s, 1, 5000, dest), 0);
	cr_assert_eq(bh_store_commit(s), 0);
	for (unsigned i = 0; i < BH_ARRAY_LEN(wrong); i++) {
		bh_store_free(s);
		change_by_hand(dir, wrong[i]);
		s = reopen();
		cr_expect_eq(bh_store_recounted(s), i + 1);
		cr_assert_eq(bh_store_counts(s, 1, &n), 0);
		cr_expect(n.pending_rows == 1 && n.pending_bytes == 5000);
	}
	bh_store_free(s);
	s = reopen();
	cr_expect_eq(bh_store_recounted(s), 0, "of this start alone");
	bh_store_free(s);
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

/* --- ten gigabytes are no reason to be slow (spec/durability.md §16) --- */

static int one_step_more(void *ctx)
{
	(*(unsigned *)ctx)++;
	return 0;
}

static int no_origins(void *ctx, uint64_t ord, struct bh_str origins)
{
	(void)ctx, (void)ord, (void)origins;
	return 0;
}

/* Tens of SQLite's own steps, with so many rows: to look at all of them, and to look one up. */
static void count_steps(unsigned rows, unsigned *all, unsigned *one)
{
	struct bh_store *s = reopen();
	int64_t dest = 0;
	unsigned steps = 0, owers = 0, reliable = 0;
	uint64_t ord = 0;

	cr_assert_eq(bh_store_destination(s, "logs/a", 0, true, &dest), 0);
	cr_assert_eq(bh_store_begin(s), 0);
	for (unsigned i = 0; i < rows; i++) {
		struct bh_spool_row row = {
		    .producer = "logs", .seq = i, .expires_ms = 1, .body = {"b", 1}};

		cr_assert_eq(bh_store_next_ord(s, &row.ord), 0);
		cr_assert_eq(bh_store_put(s, &row, dest), 0);
		ord = row.ord;
	}
	cr_assert_eq(bh_store_commit(s), 0);
	sqlite3_progress_handler(s->db, 10, one_step_more, &steps);
	cr_assert_eq(bh_store_each_origins(s, no_origins, NULL), 0);
	*all = steps;
	steps = 0;
	cr_assert_eq(bh_store_owers(s, ord, &owers, &reliable), 0);
	cr_assert_eq(bh_store_begin(s), 0);
	cr_assert_eq(bh_store_remove(s, ord, dest, BH_STORE_TAKEN), 0);
	cr_assert_eq(bh_store_commit(s), 0);
	*one = steps;
	sqlite3_progress_handler(s->db, 0, NULL, NULL);
	bh_store_free(s);
	cr_assert_eq(empty_tree(dir), 0);
}

Test(store, work_grows_with_the_rows_and_no_faster)
{
	unsigned all[2], one[2];

	count_steps(200, &all[0], &one[0]);
	count_steps(2000, &all[1], &one[1]);
	cr_expect_lt(all[1], 15 * all[0], "%u steps, then %u", all[0], all[1]);
	cr_expect_lt(one[1], 2 * one[0] + 10, "%u steps, then %u", one[0], one[1]);
}
