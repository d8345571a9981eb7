/* SIGKILL and power loss at every operation in turn, and at each named point (durability.md §15).
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/attrs.h"
#include "common/rng.h"
#include "tests/faults/world.h"

static struct truth *t;

static void set_up(void)
{
	t = world_new();
}

static void tear_down(void)
{
	world_free(t);
}

TestSuite(kills, .init = set_up, .fini = tear_down);

static bool in_full(void)
{
	const char *crash = getenv("BULKHEAD_CRASH");

	return crash && crash[0] == 'l';
}

static bool killed(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

/* The next forwarder finds what the last one left, goes on, and ends in order. */
static void go_on(const char *what, unsigned at)
{
	int status;

	cr_assert(!t->wrong[0], "%s %u: %s", what, at, t->wrong);
	t->no_fatal = true;
	status = world_run(t, NULL, false, WORLD_FINISH);
	cr_assert_eq(status, 0, "%s %u: then status %d, %s", what, at, status, t->wrong);
	cr_assert(!t->wrong[0], "%s %u: %s", what, at, t->wrong);
}

static void die_everywhere(enum fault_act act, unsigned first, unsigned stride, unsigned seeds)
{
	unsigned operations = world_operations(t, FAULT_ANY, FAULT_FILES), runs = 0, repeats = 0;

	cr_assert_gt(operations, 150, "%s", t->wrong);
	for (unsigned at = first; at <= operations; at += stride) {
		for (unsigned seed = 0; seed < seeds; seed++) {
			const struct fault_plan plan = {.ops = FAULT_ANY,
			    .files = FAULT_FILES,
			    .at = at,
			    .n = 1,
			    .act = act,
			    /* the extremes, one each, then any */
			    .seed = seeds > 1 ? seed + (seed >= 5 ? at * 1000U : 0) : at};
			int status;

			world_reset(t);
			status = world_run(t, &plan, false, WORLD_PAUSE);
			cr_assert(
			    killed(status), "operation %u: status %d, %s", at, status, t->wrong);
			go_on("operation", at * 100 + seed);
			cr_assert_eq(t->replaced, 0, "operation %u: the store was replaced", at);
			repeats += t->repeats[0];
			runs++;
		}
	}
	(void)fprintf(stderr, "%u operations, %u deaths, 0 lost, %u lines came again\n", operations,
	    runs, repeats);
}

Test(kills, at_any_operation_cost_nothing_that_was_acknowledged) /* I1 to I9 */
{
	die_everywhere(FAULT_KILL, 1, in_full() ? 1 : 7, 1);
}

Test(kills, in_the_middle_of_any_write_cost_nothing_that_was_acknowledged) /* I1 to I9 */
{
	die_everywhere(FAULT_KILL_HALF, 3, in_full() ? 1 : 7, 1);
}

Test(kills, a_power_cut_at_any_operation_costs_nothing_that_was_acknowledged) /* I1 to I9 */
{
	die_everywhere(FAULT_POWER, 2, in_full() ? 1 : 13, in_full() ? 15 : 6);
}

/* One death after the other, until the script is through. */
Test(kills, one_after_the_other_never_take_a_position_back) /* I6, many rounds */
{
	struct bh_rng rng;
	unsigned deaths = 0, rounds = in_full() ? 200 : 6;

	bh_rng_seed(&rng, 9);
	for (unsigned round = 0; round < rounds; round++) {
		int status = SIGKILL;

		world_reset(t);
		for (unsigned i = 0; i < 60 && status; i++) {
			const struct fault_plan plan = {.ops = FAULT_ANY,
			    .files = FAULT_FILES,
			    .at = 20 + (unsigned)(bh_rng_u64(&rng) % 120),
			    .n = 1,
			    .act = bh_rng_u64(&rng) % 2 ? FAULT_POWER : FAULT_KILL_HALF,
			    .seed = bh_rng_u64(&rng)};

			status = world_run(t, &plan, false, WORLD_PAUSE);
			cr_assert(status == 0 || killed(status), "round %u: %d", round, status);
			cr_assert(!t->wrong[0], "round %u: %s", round, t->wrong);
			deaths += status != 0;
		}
		go_on("round", round);
	}
	(void)fprintf(stderr, "%u deaths\n", deaths);
	cr_expect_gt(deaths, rounds);
}

/* --- the named points ----------------------------------------------------------------------------
 */

/* How the death is arranged: by the VFS at the passage-th operation of these, or by a double of the
 * link or the network, or by the step of the script that the world arms itself. */
struct named {
	enum world_point point;
	const char *name, *section;
	unsigned ops, files; /* 0 = by the world */
	bool late;           /* counted from the first thing done with an open store */
	bool damaged;        /* the start finds damage noted */
	unsigned passages;   /* tried from the first to this one */
	const char *holds;   /* after the restart, beside what check.c asks of every start */
};

static const struct named points[] = {
    {POINT_BEFORE_COMMIT, "before_commit", "§4 T1, T2; I1, I2, I3", FAULT_SYNC, FAULT_WAL, true,
	false, 8, "nothing of the group: the producer sends it again"},
    {POINT_AFTER_COMMIT_BEFORE_ACK, "after_commit_before_ack", "§1.1, §12; I1, I9", 0, 0, true,
	false, 8, "the group is there once; what is sent again is a repeat"},
    {POINT_AFTER_2XX_BEFORE_COMMIT, "after_2xx_before_commit", "§13; I7", 0, 0, true, false, 8,
	"what was answered comes again, no more than that"},
    {POINT_IN_FENCE, "in_fence", "§4 T4; I10, I11", 0, 0, true, false, 6,
	"the old epoch's mark and rows, or the new one's with all of them"},
    {POINT_BEFORE_WELCOME, "before_welcome", "§12; I11", 0, 0, true, false, 3,
	"the fence is committed: RESUME covers what the old epoch had sent"},
    {POINT_IN_RESUME, "in_resume", "§12; I11", 0, 0, true, false, 2,
	"a producer without a whole RESUME asks again"},
    {POINT_IN_CHECKPOINT, "in_checkpoint", "§11; I16", FAULT_WRITE | FAULT_SYNC, FAULT_DB, true,
	false, 8, "the WAL is read again"},
    {POINT_IN_VACUUM, "in_vacuum", "§11", 0, 0, true, false, 40, "every row is where it was"},
    {POINT_IN_MIGRATION, "in_migration", "§3; I18", FAULT_ANY, FAULT_DB | FAULT_WAL | FAULT_OTHER,
	false, false, 59, "no table, or all of them"},
    {POINT_BALLAST_UNLINKED, "ballast_unlinked", "§8; I13", 0, 0, true, false, 5,
	"the ballast is made again, rows are taken"},
    {POINT_BEFORE_QUARANTINE_RENAME, "before_quarantine_rename", "§10.1; I14", FAULT_RENAME,
	FAULT_OTHER, false, true, 3, "the old file is salvaged again from its beginning"},
    {POINT_AFTER_QUARANTINE_RENAME, "after_quarantine_rename", "§10.1; I14",
	FAULT_RENAME | FAULT_UNLINK | FAULT_FSYNC, FAULT_OTHER, false, true, 20,
	"the new file takes its name, the old one stays beside it"},
};

static void note_damage(void)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/spool.damaged", t->dir);
	(void)close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

/* Whether the point was reached that often. */
static bool die_at(const struct named *p, unsigned passage)
{
	const struct fault_plan plan = {
	    .ops = p->ops, .files = p->files, .at = passage, .n = 1, .act = FAULT_KILL};
	int status;

	world_reset(t);
	if (p->damaged) {
		t->pause = WORLD_OUTAGE;
		cr_assert_eq(world_run(t, NULL, false, WORLD_PAUSE), 0, "%s", t->wrong);
		t->pause = 0;
		note_damage();
	}
	t->point = p->point;
	t->passage = passage;
	status = world_run(t, p->ops ? &plan : NULL, p->late, WORLD_PAUSE);
	cr_assert(status == 0 || killed(status), "%s %u: status %d", p->name, passage, status);
	t->point = POINT_NONE;
	if (killed(status))
		go_on(p->name, passage);
	cr_assert(p->damaged || t->replaced == 0, "%s: the store was replaced", p->name);
	return killed(status);
}

Test(kills, at_each_named_point_what_must_hold_holds)
{
	for (size_t i = 0; i < BH_ARRAY_LEN(points); i++) {
		const unsigned step = points[i].passages >= 20 && !in_full() ? 6 : 1;
		unsigned reached = 0;

		for (unsigned n = 1; n <= points[i].passages; n += step)
			reached += die_at(&points[i], n);
		cr_assert_gt(reached, 0, "%s was never reached", points[i].name);
		(void)fprintf(stderr, "%-26s %-24s %2u deaths: %s\n", points[i].name,
		    points[i].section, reached, points[i].holds);
	}
}

/* Every operation of a start that replaces a damaged store. */
Test(kills, while_a_damaged_store_is_replaced_lose_nothing) /* §10, I14 */
{
	static const struct named any = {
	    .name = "replace", .ops = FAULT_ANY, .files = FAULT_FILES, .damaged = true};
	unsigned reached = 0;

	for (unsigned n = 1; n < 400; n += in_full() ? 1 : 23)
		reached += die_at(&any, n);
	cr_expect_gt(reached, 5);
}

/* Two destinations, each in its own time. A short life between the death and the look: what a
 * producer sends again finds the rows that are there. */
static void die_between_two(unsigned at, unsigned shift, uint64_t bound)
{
	const struct fault_plan plan = fault_death(at);
	int status;

	world_reset(t);
	t->two = true;
	t->shift = shift;
	t->logs_bytes = bound;
	status = world_run(t, &plan, false, WORLD_PAUSE);
	cr_assert(status == 0 || killed(status), "operation %u, shift %u: %d", at, shift, status);
	t->pause = t->step + 4;
	cr_assert_eq(world_run(t, NULL, false, WORLD_PAUSE), 0, "operation %u: %s", at, t->wrong);
	t->pause = 0;
	go_on("operation", at * 10 + shift);
}

/* With rows and positions, as the first version wrote it. */
static void go_back_to_version_1(void)
{
	char path[128];
	sqlite3 *db = NULL;

	(void)snprintf(path, sizeof(path), "%s/spool.db", t->dir);
	cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(db, "DROP TABLE ledger; PRAGMA user_version=1", NULL, NULL, NULL),
	    SQLITE_OK, "%s", sqlite3_errmsg(db));
	cr_assert_eq(sqlite3_close(db), SQLITE_OK);
}

Test(kills, while_a_file_of_version_1_is_brought_up_lose_nothing) /* I18 */
{
	unsigned reached = 0;

	for (unsigned at = 1; at < 40; at++) {
		const struct fault_plan plan = fault_death(at);
		int status;

		world_reset(t);
		t->pause = WORLD_OUTAGE;
		cr_assert_eq(world_run(t, NULL, false, WORLD_PAUSE), 0, "%s", t->wrong);
		go_back_to_version_1();
		status = world_run(t, &plan, false, WORLD_PAUSE);
		cr_assert(status == 0 || killed(status), "operation %u: %d", at, status);
		reached += killed(status);
		t->pause = 0;
		go_on("operation", at);
		cr_assert_eq(t->replaced, 0, "operation %u: the store was replaced", at);
	}
	cr_expect_gt(reached, 5);
}

/* What is under way to the slower one stays in memory, all before it has rows. */
Test(kills, of_two_destinations_the_faster_gets_little_again) /* §13 */
{
	world_reset(t);
	t->two = t->silent = t->no_fatal = true;
	t->pause = 12; /* ten payloads of logs were handed over, and nothing has failed */
	cr_assert_eq(world_run(t, NULL, false, WORLD_PAUSE), 0, "%s", t->wrong);
	t->pause = 0;
	t->silent = false;
	cr_assert_eq(world_run(t, NULL, false, WORLD_FINISH), 0, "%s", t->wrong);
	cr_assert_str_empty(t->wrong);
	cr_expect_eq(t->repeats[0], 2, "%u", t->repeats[0]);
	cr_expect_eq(t->repeats[1], 0);
}

Test(kills, of_two_destinations_none_loses_nor_gets_more_than_its_bound) /* §13; I1 to I9 */
{
	unsigned runs = 0, repeats = 0;

	for (unsigned at = 5; at < 900; at += in_full() ? 1 : 17) {
		/* every other time the first one's bound is met */
		die_between_two(at, at % 9, at / 17 % 2 ? 90500 : 0);
		repeats += t->repeats[0] + t->repeats[1];
		runs++;
	}
	(void)fprintf(stderr, "%u deaths, 0 lost, %u lines came again\n", runs, repeats);
}
