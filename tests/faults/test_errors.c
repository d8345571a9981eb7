/* EIO and ENOSPC at every operation in turn (spec/durability.md §5, §8, §15 I2, I13). */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "common/attrs.h"
#include "tests/faults/world.h"

#define ONWARDS 0

static struct truth *t;

static void set_up(void)
{
	t = world_new();
}

static void tear_down(void)
{
	world_free(t);
}

TestSuite(errors, .init = set_up, .fini = tear_down);

Test(errors, without_a_fault_everything_arrives_once)
{
	cr_assert_eq(world_run(t, NULL, false, WORLD_FINISH), 0, "%s", t->wrong);
	cr_assert_str_empty(t->wrong);
	cr_expect_eq(t->repeats[0], 0);
	cr_expect_eq(t->full, 0);
	cr_expect_gt(t->next_part[0] + t->next_part[1], 30);
}

/* Every operation is tried in the long form; the short one takes one in seven, from another one on
 * at each kind of fault. */
static unsigned stride(void)
{
	const char *crash = getenv("BULKHEAD_CRASH");

	return crash && crash[0] == 'l' ? 1 : 7;
}

struct tried {
	unsigned runs, fatal, refused, full;
};

/* A disk that was never anything but full, or broken, holds no store: what is delivered without one
 * is known to nobody after it. One that fills, or breaks, has rows on it already. */
static void begin(bool full, unsigned unreliable)
{
	world_reset(t);
	t->unreliable = (enum world_unreliable)(unreliable % UNRELIABLE__N);
	if (!full)
		return;
	t->no_fatal = true;
	t->pause = WORLD_OUTAGE;
	cr_assert_eq(world_run(t, NULL, false, WORLD_PAUSE), 0, "%s", t->wrong);
	t->pause = 0;
}

/* The process may end, or not start: another one comes after it, without the fault. */
static void fail_at(const struct fault_plan *plan, struct tried *tried)
{
	int status;

	begin(plan->act == FAULT_ENOSPC || plan->n == ONWARDS, plan->at);
	t->no_fatal = plan->act == FAULT_ENOSPC;
	status = world_run(t, plan, false, WORLD_PAUSE);
	cr_assert(WIFEXITED(status), "operation %u, %u of them: ended by signal %d", plan->at,
	    plan->n, WTERMSIG(status));
	t->no_fatal = true;
	status = world_run(t, NULL, false, WORLD_FINISH);
	cr_assert_eq(status, 0, "operation %u, %u of them: status %d", plan->at, plan->n, status);
	cr_assert(!t->wrong[0], "operation %u, %u of them: %s", plan->at, plan->n, t->wrong);
	cr_assert_eq(t->replaced, 0, "operation %u: the store was replaced", plan->at);
	tried->runs++;
	tried->fatal += t->fatal;
	tried->refused += t->refused_start;
	tried->full += t->full > 0;
}

static struct tried fail_everywhere(enum fault_act act, unsigned n, unsigned first)
{
	struct tried tried = {.runs = 0};
	unsigned operations = world_operations(t, FAULT_ANY, FAULT_FILES);

	cr_assert_gt(operations, 100, "%s", t->wrong);
	for (unsigned at = first; at <= operations; at += stride())
		fail_at(
		    &(struct fault_plan){
			.ops = FAULT_ANY, .files = FAULT_FILES, .at = at, .n = n, .act = act},
		    &tried);
	(void)fprintf(stderr, "%u operations, %u runs: %u ended, %u did not start, %u were full\n",
	    operations, tried.runs, tried.fatal, tried.refused, tried.full);
	return tried;
}

Test(errors, one_operation_that_fails_loses_nothing) /* I2 */
{
	struct tried tried = fail_everywhere(FAULT_EIO, 1, 1);

	cr_expect_gt(tried.fatal, 0);
}

/* What failed in the file is not tried again in place, in a checkpoint neither. */
Test(errors, an_error_of_the_disk_ends_the_process) /* §5 */
{
	const unsigned ops = FAULT_WRITE | FAULT_SYNC | FAULT_TRUNCATE;
	unsigned operations = world_operations(t, ops, FAULT_DB | FAULT_WAL), runs = 0;

	for (unsigned at = 1; at <= operations; at += stride()) {
		const struct fault_plan plan = {
		    .ops = ops, .files = FAULT_DB | FAULT_WAL, .at = at, .n = 1, .act = FAULT_EIO};

		begin(true, at);
		t->no_fatal = false;
		(void)world_run(t, &plan, true, WORLD_PAUSE);
		cr_assert(!t->wrong[0], "operation %u: %s", at, t->wrong);
		runs += t->fatal + t->refused_start;
		cr_assert_eq(t->failed, 0, "operation %u failed, and it went on", at);
	}
	cr_expect_gt(runs, 10);
}

Test(errors, a_disk_that_fails_for_good_loses_nothing) /* I2 */
{
	struct tried tried = fail_everywhere(FAULT_EIO, ONWARDS, 2);

	cr_expect_gt(tried.fatal, 0);
}

Test(errors, a_disk_that_is_full_for_a_moment_is_no_end) /* I13 */
{
	(void)fail_everywhere(FAULT_ENOSPC, 1, 3);
}

Test(errors, a_disk_that_is_full_is_no_end_and_no_false_acknowledgement) /* I13 */
{
	struct tried tried = fail_everywhere(FAULT_ENOSPC, ONWARDS, 1);

	cr_expect_gt(tried.full, 0);
}

/* Space comes back under the same process: it goes on by itself. */
Test(errors, space_that_returns_is_used_again) /* I13, §8 */
{
	unsigned operations = world_operations(t, FAULT_ANY, FAULT_FILES), full = 0;

	for (unsigned at = 1; at <= operations; at += 2 * stride()) {
		const struct fault_plan plan = {
		    .ops = FAULT_ANY, .files = FAULT_FILES, .at = at, .act = FAULT_ENOSPC};
		int status;

		begin(true, at);
		status = world_run(t, &plan, true, WORLD_FINISH);
		cr_assert_eq(status, 0, "operation %u: status %d, %s", at, status, t->wrong);
		cr_assert(!t->wrong[0], "operation %u: %s", at, t->wrong);
		full += t->full > 0;
	}
	cr_expect_gt(full, 0);
}

/* There never was a store and there is no room for one, or the disk refuses: it runs without, and
 * takes a file when there can be one. */
static void start_without_a_store(enum fault_act act, unsigned n)
{
	for (unsigned at = 1; at <= 60; at++) {
		const struct fault_plan plan = {
		    .ops = FAULT_ANY, .files = FAULT_FILES, .at = at, .n = n, .act = act};
		int status;

		begin(false, at);
		t->no_fatal = act == FAULT_ENOSPC;
		status = world_run(t, &plan, false, WORLD_FINISH);
		/* From there on there was a store, and not even what is kept for it was to be had:
		 * the next start decides. */
		if (n != 1 && (t->fatal || (at > 30 && t->refused_start)))
			break;
		cr_assert(!t->wrong[0], "operation %u: %s", at, t->wrong);
		cr_assert_eq(status, 0, "operation %u: status %d", at, status);
		cr_assert_eq(t->repeats[0] + t->repeats[1], 0, "operation %u", at);
		cr_assert_eq(t->replaced, 0, "operation %u", at);
	}
}

Test(errors, a_first_start_on_a_full_disk_is_no_end) /* §8, §10.4 */
{
	start_without_a_store(FAULT_ENOSPC, ONWARDS);
}

/* What a first start has to note fits into what is kept for it. */
Test(errors, a_first_start_on_a_disk_that_is_full_for_a_moment_is_no_end) /* §8 */
{
	start_without_a_store(FAULT_ENOSPC, 1);
}

Test(errors, a_first_start_on_a_disk_that_fails_is_no_end) /* §8 */
{
	start_without_a_store(FAULT_EIO, ONWARDS);
}
