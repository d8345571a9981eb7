/* Giving space back (spec/durability.md §11): when, how much, and what must not change. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "forwarder/spool_copy.h"
#include "forwarder/store.h"
#include "forwarder/store_internal.h"
#include "tests/unit/remove_tree.h"

#define MIB      ((uint64_t)1 << 20)
#define MINUTE   (60 * BH_NS_PER_S)
#define BODY_MAX (2 * MIB)
#define ROWS     256
#define FILES    20

static char dir[] = "/tmp/bh-space-XXXXXX";
static struct bh_rng rng;
static struct bh_store *s;
static int64_t dest;
static char body[BODY_MAX];
static uint64_t lengths[ROWS + 1]; /* by ord; 0 = there is no such row */
static uint64_t owed, last;        /* ord */

static void set_up(void)
{
	static struct bh_log log;
	struct bh_store_config cfg = {.dir = dir,
	    .clock = &bh_clock_system,
	    .rng = &rng,
	    .log = &log,
	    .max_size_bytes = 1 << 30,
	    .fsync_off = true};
	struct bh_err err = BH_ERR_INIT;

	cr_assert(mkdtemp(dir) != NULL);
	bh_log_init(&log, &bh_clock_system, "test", open("/dev/null", O_WRONLY | O_CLOEXEC));
	bh_rng_seed(&rng, 11);
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (char)bh_rng_u64(&rng);
	cr_assert_eq(bh_store_open(&s, &cfg, &err), 0, "%s", err.text);
	cr_assert_eq(bh_store_destination(s, "logs/a", 0, true, &dest), 0);
}

static void tear_down(void)
{
	bh_store_free(s);
	(void)remove_tree(dir);
}

TestSuite(space, .init = set_up, .fini = tear_down);

static uint64_t upto(uint64_t n)
{
	return bh_rng_u64(&rng) % n;
}

static struct bh_str body_of(uint64_t ord)
{
	return (struct bh_str){body + ord, lengths[ord]};
}

static void put(uint64_t bytes)
{
	struct bh_spool_row row = {.producer = "logs", .encoding = BH_ENC_ZSTD, .expires_ms = 1};

	cr_assert_eq(bh_store_next_ord(s, &row.ord), 0);
	cr_assert_leq(row.ord, ROWS);
	last = row.ord;
	owed += lengths[last] = bytes;
	row.body = body_of(last);
	cr_assert_eq(bh_store_begin(s), 0);
	cr_assert_eq(bh_store_put(s, &row, dest), 0);
	cr_assert_eq(bh_store_commit(s), 0);
	bh_store_tend(s, false);
}

/* The row at or below this one, if there is any. */
static void settle(uint64_t ord)
{
	while (ord && !lengths[ord])
		ord--;
	if (!ord)
		return;
	cr_assert_eq(bh_store_begin(s), 0);
	cr_assert_eq(bh_store_remove(s, ord, dest, BH_STORE_TAKEN), 0);
	cr_assert_eq(bh_store_commit(s), 0);
	owed -= lengths[ord];
	lengths[ord] = 0;
	bh_store_tend(s, false);
}

static void move_position(unsigned file, uint64_t ord)
{
	char id[24], at[24];
	struct bh_origin o = {.identifier.p = id, .gen = 7, .offset_first.p = at};
	struct bh_position p;

	o.identifier.n = (size_t)snprintf(id, sizeof(id), "file:/%u", file);
	o.offset_first.n = (size_t)snprintf(at, sizeof(at), "%llu", (unsigned long long)ord * 10);
	o.offset_last = o.offset_first;
	p = bh_position_of(&o, ord, ord);
	cr_assert_eq(bh_store_position(s, &p), 0);
}

static int sum(void *ctx, const struct bh_position *p)
{
	uint64_t *h = ctx;
	char at[24] = "";

	memcpy(at, p->row.offset_last.p, p->row.offset_last.n);
	*h = *h * 31 + strtoull(at, NULL, 10) + p->row.identifier.n;
	return 0;
}

static uint64_t positions(void)
{
	uint64_t h = 0;

	cr_assert_eq(bh_store_each_position(s, sum, &h), 0);
	return h;
}

static void expect_rows(void)
{
	sqlite3_int64 rows = 0, want = 0, whole = 0, version = 0, application = 0, mode = 0;

	for (uint64_t ord = 1; ord <= last; ord++) {
		struct bh_spool_row row;
		void *block = NULL;

		if (!lengths[ord])
			continue;
		want++;
		cr_assert_eq(
		    bh_store_load(s, ord, &row, &block), 0, "row %llu", (unsigned long long)ord);
		cr_assert_eq(row.body.n, lengths[ord]);
		cr_assert_eq(memcmp(row.body.p, body_of(ord).p, row.body.n), 0);
		free(block);
	}
	cr_assert_eq(bh_store_scalar(s, "SELECT count(*) FROM delivery", &rows), 0);
	cr_expect_eq(rows, want);
	cr_assert_eq(bh_store_scalar(s,
			 "SELECT count(*) FROM pragma_integrity_check WHERE "
			 "integrity_check<>'ok'",
			 &whole),
	    0);
	cr_expect_eq(whole, 0);
	cr_assert_eq(bh_store_scalar(s, "PRAGMA user_version", &version), 0);
	cr_assert_eq(bh_store_scalar(s, "PRAGMA application_id", &application), 0);
	cr_assert_eq(bh_store_scalar(s, "PRAGMA auto_vacuum", &mode), 0);
	cr_expect(version == BH_STORE_VERSION && application == BH_STORE_APPLICATION_ID);
	cr_expect_eq(mode, 2);
}

static uint64_t file_bytes(void)
{
	struct stat st;

	cr_assert_eq(stat(s->path, &st), 0);
	return (uint64_t)st.st_size;
}

/* Whether it gave anything back. */
static bool offer(int64_t quiet_ns, bool pressed)
{
	uint64_t before = bh_store_free_bytes(s);

	(void)bh_store_give_back(s, quiet_ns, pressed);
	return bh_store_free_bytes(s) != before;
}

/* Until there is no more to give: how often that was. */
static unsigned give_all(void)
{
	unsigned n = 0;

	while (bh_store_give_back(s, MINUTE, false) >= 0)
		cr_assert_lt(++n, 1000);
	return n;
}

static void fill(uint64_t bytes)
{
	while (owed < bytes)
		put(MIB / 2 + upto(MIB));
}

static void drain(uint64_t bytes)
{
	while (owed > bytes)
		settle(1 + upto(last));
	bh_store_tend(s, true);
}

Test(space, it_goes_back_after_a_minute_without_rows_or_a_second_when_the_disk_is_full)
{
	fill(90 * MIB);
	cr_expect_eq(bh_store_give_back(s, MINUTE, true), -1, "nothing is free");
	drain(12 * MIB);
	cr_expect_eq(bh_store_give_back(s, 0, false), MINUTE);
	cr_expect_eq(bh_store_give_back(s, MINUTE - 5, false), 5);
	cr_expect(!offer(MINUTE - 1, false));
	cr_expect(!offer(BH_NS_PER_S - 1, true));
	cr_expect(offer(BH_NS_PER_S, true));
	cr_expect(offer(MINUTE, false));
	expect_rows();
}

/* A slice is all that comes between a row and its commit. */
Test(space, a_slice_is_small)
{
	uint64_t before;

	fill(90 * MIB);
	drain(12 * MIB);
	before = file_bytes();
	(void)bh_store_give_back(s, MINUTE, false);
	cr_expect_eq(before - file_bytes(), 2 * MIB);
	cr_expect_gt(give_all(), 2);
	cr_expect_leq(bh_store_free_bytes(s), 64 * MIB);
	cr_expect_gt(bh_store_free_bytes(s), 60 * MIB, "what is left is for the next outage");
	expect_rows();
}

Test(space, a_small_store_gives_all_of_it_at_once)
{
	uint64_t at;

	for (unsigned f = 0; f < FILES; f++)
		move_position(f, f + 1);
	fill(90 * MIB);
	drain(5 * MIB);
	at = positions();
	cr_expect_eq(give_all(), 1);
	cr_expect_lt(file_bytes(), 8 * MIB);
	cr_expect_eq(bh_store_wal_bytes(s), 0);
	expect_rows();
	cr_expect_eq(positions(), at);
	put(MIB);
	expect_rows();
}

/* A copy is made page by page, and what is under it moves. */
Test(space, a_copy_under_way_is_whole)
{
	struct bh_spool_copy *copy = NULL;
	struct bh_err err = BH_ERR_INIT;
	int more;

	fill(80 * MIB);
	drain(7 * MIB);
	cr_assert_eq(bh_spool_copy_begin(&copy, s, &err), 0, "%s", err.text);
	cr_assert_eq(bh_spool_copy_step(copy), 1);
	cr_expect_eq(give_all(), 1);
	do {
		more = bh_spool_copy_step(copy);
	} while (more == 1);
	cr_expect_eq(more, 0);
	bh_spool_copy_free(copy);
	expect_rows();
}

/* A statement that is open would make the whole one fail. */
Test(space, an_open_statement_is_left_alone)
{
	sqlite3_stmt *open = NULL;

	fill(80 * MIB);
	drain(7 * MIB);
	cr_assert_eq(
	    sqlite3_prepare_v2(s->db, "SELECT ord FROM spool", -1, &open, NULL), SQLITE_OK);
	cr_assert_eq(sqlite3_step(open), SQLITE_ROW);
	cr_expect_gt(bh_store_give_back(s, MINUTE, false), 0);
	cr_expect(!bh_store_failed(s));
	cr_expect_eq(sqlite3_step(open), SQLITE_ROW);
	(void)sqlite3_finalize(open);
	expect_rows();
}

/* Any order of rows, ends, positions and idle time. */
Test(space, whatever_comes_between_bodies_and_positions_stay)
{
	int64_t quiet_ns = 0;
	unsigned given = 0;

	fill(100 * MIB);
	drain(14 * MIB);
	for (unsigned i = 0; i < 300; i++) {
		switch (upto(6)) {
		case 0:
			put(1 + upto(BODY_MAX / 8));
			quiet_ns = 0;
			break;
		case 1:
			if (owed > 12 * MIB)
				settle(1 + upto(last));
			break;
		case 2:
			move_position((unsigned)upto(FILES), ROWS + i);
			break;
		case 3:
			quiet_ns += (int64_t)upto(MINUTE);
			break;
		default: {
			uint64_t at = positions();
			bool gave = offer(quiet_ns, false);

			cr_assert(
			    !gave || quiet_ns >= MINUTE, "after %lld ns", (long long)quiet_ns);
			cr_assert_eq(positions(), at);
			given += gave;
		}
		}
	}
	cr_expect_gt(given, 3);
	expect_rows();
}
