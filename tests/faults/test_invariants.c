/*
 * Invariants of spec/durability.md §15 that no single death shows, and where each row of the spec's
 * tables has its test. Suites kills, errors and invariants are of this executable
 * (build/tests/unit-faults), other names are files below tests/. check.c asks for I1 to I7 and I9
 * at every start, with one destination of logs and with two, along the script of world.c;
 * unreliable/ (and every third run of errors/) has one beside them that nobody waits for.
 *
 * §15
 *   I1   kills/at_any_operation*, in_the_middle*, a_power_cut*, at_each_named_point*; errors/
 *   I2   errors/one_operation_that_fails*, a_disk_that_fails_for_good*; kills/at_each_named*
 *   I3   check.c "I3": what is complete is what has no row before it; kills/
 *   I4   check.c "I4 pending_*", "a destination's kept row and its spool"; kills/, errors/
 *   I5   check.c "I5 *"; kills/
 *   I6   check.c "I6"; kills/one_after_the_other*; unit/forwarder/test_positions.c
 *   I7   check.c "I7"; kills/at_each_named_point* (after_2xx_before_commit)
 *   I8   check.c "§13" counts what comes again, and rows that came back would; kills/
 *   I9   check.c "I9"; kills/of_two_destinations_none*
 *   I10  crash/test_link.py an_old_end_that_wakes_up*; kills/at_each_named_point* (in_fence)
 *   I11  world.c resume() "I11"; kills/at_each_named_point* (before_welcome, in_resume)
 *   I12  invariants/lines_of_a_destination*; e2e/test_outage.py first_in_first_out
 *   I13  errors/a_disk_that_is_full*, space_that_returns*; e2e/test_disk_full.py
 *   I14  unit/forwarder/test_salvage.c (SALVAGE_ROUNDS); kills/while_a_damaged_store*;
 *        e2e/test_damaged_store.py
 *   I15  invariants/a_bad_body*; e2e/test_spool.py a_damaged_row*
 *   I16  e2e/test_spool.py a_class_has_its_own_bound*; invariants/free_pages*;
 *        unit/forwarder/test_store_space.c
 *   I17  invariants/one_forwarder_alone*; e2e/test_faults.py a_second_supervisor*
 *   I18  kills/while_a_file_of_version_1*, at_each_named_point* (in_migration)
 *
 * proto/LINK.md rule 7
 *   invariants/a_refusal_outlives*; unit/forwarder/test_refuse.c; crash/test_link.py
 *
 * §17
 *   vector#25570                            kills/while_a_damaged_store*
 *   vector#25639, #22489, nats-server#7564  kills/a_power_cut*
 *   vector#16231, #17644, #18336, #19759    unit/forwarder/test_salvage.c damage_anywhere*; I15
 *   vector#24949                            e2e/test_spool.py a_stop_with_a_full_spool*
 *   fluent-bit#10952                        kills/at_any_operation*, in_the_middle*
 *   fluent-bit#5265, #11847, #1950, #4278   I15
 *   fluent-bit#11416                        I17
 *   rsyslog#5771, #868, #921, #1269         e2e/test_damaged_store.py (the WAL is removed);
 *                                           kills/at_each_named_point* (ballast_unlinked)
 *   rsyslog#2655, #2654, #5364              fuzz/fuzz_link.c; invariants/a_hundred_stops*
 *   syslog-ng#4069, #4578                   invariants/a_hundred_stops*
 *   syslog-ng#4430, #5714, #1734            the script's second outage; e2e/test_outage.py
 *   litestream#724, sui#5815                I16
 *   flux-core#6169                          I13
 *   on_disk_retry_queue.go                  I1 and I12, whose deaths fall into the replay
 *   worker.go and diskretry                 kills/of_two_destinations*; e2e/test_destinations.py
 *   mail_stream.c, qmgr                     I2; unit/forwarder/test_salvage.c the_newest_two_sets*;
 *                                           unit/forwarder/test_dest.c claims_are_bounded*
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/rng.h"
#include "forwarder/store.h"
#include "tests/faults/fork.h"
#include "tests/faults/doubles.h"

static struct truth *t;

static void set_up(void)
{
	t = world_new();
}

static void tear_down(void)
{
	world_free(t);
}

TestSuite(invariants, .init = set_up, .fini = tear_down);

static void begin_outage(void)
{
	t->pause = WORLD_OUTAGE;
	cr_assert_eq(world_run(t, NULL, false, WORLD_PAUSE), 0, "%s", t->wrong);
	t->pause = 0;
}

Test(invariants, lines_of_a_destination_keep_their_order_over_any_death) /* I12 */
{
	for (unsigned at = 1; at < 400; at += 23) {
		const struct fault_plan plan = {
		    .ops = FAULT_ANY, .files = FAULT_FILES, .at = at, .n = 1, .act = FAULT_KILL};

		world_reset(t);
		t->in_order = true;
		begin_outage();
		(void)world_run(t, &plan, true, WORLD_PAUSE);
		cr_assert(!t->wrong[0], "operation %u: %s", at, t->wrong);
		cr_assert_eq(world_run(t, NULL, false, WORLD_FINISH), 0, "operation %u", at);
		cr_assert(!t->wrong[0], "operation %u: %s", at, t->wrong);
	}
}

/* Dead behind each commit in turn: the next one still says what the commit had refused, before it
 * says what the commit made durable (doubles.c note_acked()). */
Test(invariants, a_refusal_outlives_the_forwarder) /* LINK.md rule 7 */
{
	unsigned passage = 0;
	int status = SIGKILL;

	while (status == SIGKILL) {
		world_reset(t);
		t->pause = WORLD_REFUSAL;
		cr_assert_eq(world_run(t, NULL, false, WORLD_PAUSE), 0, "%s", t->wrong);
		t->pause = 0;
		t->point = POINT_AFTER_COMMIT_BEFORE_ACK;
		t->passage = ++passage;
		status = world_run(t, NULL, false, WORLD_PAUSE);
		t->point = POINT_NONE;
		cr_assert_eq(
		    world_run(t, NULL, false, WORLD_FINISH), 0, "%u: %s", passage, t->wrong);
		cr_assert_str_empty(t->wrong, "%u: %s", passage, t->wrong);
	}
	cr_expect_eq(status, 0);
	cr_expect_gt(passage, 2);
}

static void drop(struct truth *truth, struct fate *f, unsigned dest)
{
	(void)truth;
	(void)dest;
	f->dropped = 1;
}

static sqlite3 *open_by_hand(void)
{
	char path[128];
	sqlite3 *db = NULL;

	(void)snprintf(path, sizeof(path), "%s/spool.db", t->dir);
	cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
	return db;
}

Test(invariants, a_bad_body_stops_nobody_and_is_counted) /* I15 */
{
	sqlite3_stmt *st = NULL;
	sqlite3 *db;

	begin_outage();
	db = open_by_hand();
	cr_assert_eq(sqlite3_prepare_v2(db,
			 "SELECT body FROM spool_body WHERE ord=(SELECT min(ord) FROM spool)", -1,
			 &st, NULL),
	    SQLITE_OK);
	cr_assert_eq(sqlite3_step(st), SQLITE_ROW);
	each_line(t,
	    (struct bh_str){sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0)}, 0,
	    drop);
	(void)sqlite3_finalize(st);
	cr_assert_eq(sqlite3_exec(db,
			 "UPDATE spool SET body_crc=body_crc+1 WHERE ord=(SELECT min(ord) FROM "
			 "spool)",
			 NULL, NULL, NULL),
	    SQLITE_OK);
	cr_assert_eq(sqlite3_close(db), SQLITE_OK);
	t->bad_rows = t->no_fatal = true;
	cr_assert_eq(world_run(t, NULL, false, WORLD_FINISH), 0, "%s", t->wrong);
	cr_assert_str_empty(t->wrong);
	db = open_by_hand();
	cr_assert_eq(sqlite3_prepare_v2(db, "SELECT sum(poison) FROM destination", -1, &st, NULL),
	    SQLITE_OK);
	cr_assert_eq(sqlite3_step(st), SQLITE_ROW);
	cr_expect_eq(sqlite3_column_int(st, 0), 1);
	(void)sqlite3_finalize(st);
	(void)sqlite3_close(db);
}

/* Less than a group, and a payload fits: what has no room waits where it comes from. */
Test(invariants, a_small_bound_drops_nothing_that_could_wait) /* §7 block */
{
	t->logs_bytes = 90500;
	t->no_fatal = true;
	cr_assert_eq(world_run(t, NULL, false, WORLD_FINISH), 0, "%s", t->wrong);
	cr_assert_str_empty(t->wrong);
	cr_expect_gt(t->full, 0, "the bound was never met");
}

/* Neither waits the one nor loses the other anything for rows that nobody may have any more. */
Test(invariants, what_is_too_old_goes_before_full_is_decided) /* §7 TTL */
{
	static const struct {
		int64_t ttl_ms;
		bool drop;
		bool full;
		uint64_t expired, spool_full; /* lines */
	} cases[] = {
	    {15000, false, false, 8, 0}, {15000, true, false, 8, 0}, {30000, false, true, 0, 0},
	    {30000, true, false, 0, 1}, /* the oldest that is not under way, and it is large */
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		world_reset(t);
		t->script = WORLD_AGES;
		t->no_fatal = true;
		t->logs_bytes = 150000;
		t->logs_drop = cases[i].drop;
		t->logs_ttl_ms = cases[i].ttl_ms;
		cr_assert_eq(world_run(t, NULL, false, WORLD_PAUSE), 0, "%s", t->wrong);
		cr_assert_str_empty(t->wrong, "case %zu: %s", i, t->wrong);
		cr_expect_eq(t->full > 0, cases[i].full, "case %zu", i);
		cr_expect_eq(t->drops[BH_DROP_EXPIRED], cases[i].expired, "case %zu: %llu", i,
		    (unsigned long long)t->drops[BH_DROP_EXPIRED]);
		cr_expect_eq(t->drops[BH_DROP_SPOOL_FULL], cases[i].spool_full, "case %zu: %llu", i,
		    (unsigned long long)t->drops[BH_DROP_SPOOL_FULL]);
	}
}

/* Rows stay through it all, whatever the bound is that each start finds. */
Test(invariants, a_hundred_stops_with_other_bounds_change_nothing) /* §9, §14, §17 */
{
	static const uint64_t bounds[] = {0, 90500, 1000, 300000};

	begin_outage();
	t->no_fatal = true;
	t->pause = WORLD_OUTAGE;
	for (unsigned i = 0; i < 100; i++) {
		t->logs_bytes = bounds[i % BH_ARRAY_LEN(bounds)];
		cr_assert_eq(world_run(t, NULL, false, WORLD_STOP), 0, "stop %u", i);
		cr_assert_str_empty(t->wrong, "stop %u: %s", i, t->wrong);
	}
	t->pause = 0;
	t->logs_bytes = 0;
	cr_assert_eq(world_run(t, NULL, false, WORLD_FINISH), 0, "%s", t->wrong);
	cr_assert_str_empty(t->wrong);
}

/* The look after a minute finds rows that are too old by the wall clock alone. */
Test(invariants, a_clock_that_is_set_makes_nothing_old) /* §7 TTL */
{
	static const int64_t days[] = {30, -30};

	for (size_t i = 0; i < BH_ARRAY_LEN(days); i++) {
		world_reset(t);
		t->pause = WORLD_OUTAGE - 2;
		cr_assert_eq(world_run(t, NULL, false, WORLD_PAUSE), 0, "%s", t->wrong);
		t->jump_ms = days[i] * 24 * 3600 * 1000;
		t->pause = WORLD_OUTAGE;
		cr_assert_eq(world_run(t, NULL, false, WORLD_PAUSE), 0, "%s", t->wrong);
		t->pause = 0;
		t->jump_ms = 0;
		t->no_fatal = true;
		cr_assert_eq(world_run(t, NULL, false, WORLD_FINISH), 0, "%s", t->wrong);
		cr_assert_str_empty(t->wrong);
	}
}

/* The same work, with so much in the file that slices are given, and with so little that all is. */
static void leave_free_pages(const char *kept)
{
	sqlite3 *db = open_by_hand();
	char text[200];

	(void)snprintf(text, sizeof(text),
	    "CREATE TABLE a(b); CREATE TABLE k(b); INSERT INTO a VALUES(zeroblob(90000000));"
	    "INSERT INTO k VALUES(zeroblob(%s)); DROP TABLE a",
	    kept);
	cr_assert_eq(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	cr_assert_eq(sqlite3_close(db), SQLITE_OK);
}

Test(invariants, free_pages_go_back_a_minute_after_the_last_row) /* §11 */
{
	static const struct {
		const char *kept;
		int64_t once, then; /* pages that are given, at least */
	} cases[] = {{"9000000", 128, 128}, {"1000", 5000, 0}};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		world_reset(t);
		t->script = WORLD_IDLES;
		t->no_fatal = true;
		t->pause = 1;
		cr_assert_eq(world_run(t, NULL, false, WORLD_STOP), 0, "%s", t->wrong);
		leave_free_pages(cases[i].kept);
		t->pause = 0;
		cr_assert_eq(world_run(t, NULL, false, WORLD_FINISH), 0, "%s", t->wrong);
		cr_assert_str_empty(t->wrong, "case %zu: %s", i, t->wrong);
		/* a minute after the first row, not after the second */
		cr_expect_eq(t->pages[1], t->pages[0]);
		cr_expect_geq(t->pages[1] - t->pages[2], cases[i].once);
		cr_expect_eq(t->pages[2] - t->pages[3], cases[i].then, "one for each slice");
		cr_expect_eq(t->pages[4], t->pages[3], "given away under a new row");
	}
}

static int open_store(struct bh_store **s)
{
	static struct bh_rng rng;
	const struct bh_store_config cfg = {
	    .dir = t->dir, .clock = &bh_clock_system, .rng = &rng, .max_size_bytes = 1 << 24};
	struct bh_err err = BH_ERR_INIT;

	bh_rng_seed(&rng, 1);
	return bh_store_open(s, &cfg, &err);
}

Test(invariants, one_forwarder_alone_has_the_store) /* I17 */
{
	struct bh_store *first = NULL, *second = NULL;
	int status = 0;
	pid_t pid;

	cr_assert_eq(open_store(&first), 0);
	pid = quiet_fork();
	if (pid == 0)
		_exit(open_store(&second) == BH_E_STATE ? 75 : 1);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 75, "%x", (unsigned)status);
	cr_assert_eq(bh_store_begin(first), 0);
	cr_assert_eq(bh_store_meta_set(first, "unharmed", 1), 0);
	cr_assert_eq(bh_store_commit(first), 0);
	cr_expect(bh_store_replaced(first) == NULL);
	bh_store_close_clean(first);
}
