/* A destination of logs that nobody waits for, without and with bulkhead.spool_unreliable, along
 * the script: it must not be noticed by the others, and each line is counted once (durability.md
 * §3, §6).
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "common/attrs.h"
#include "tests/faults/world.h"

#define LAST_STEP 70 /* no script is longer */
#define SHIFTS    9

static struct truth *t;

static void set_up(void)
{
	t = world_new();
}

static void tear_down(void)
{
	world_free(t);
}

TestSuite(unreliable, .init = set_up, .fini = tear_down);

static bool in_full(void)
{
	const char *crash = getenv("BULKHEAD_CRASH");

	return crash && crash[0] == 'l';
}

static unsigned lines(bool (*is)(const struct fate *f))
{
	unsigned n = 0;

	for (unsigned f = 0; f < WORLD_FILES; f++) {
		for (unsigned p = 1; p <= WORLD_PARTS; p++)
			n += is(&t->parts[f][p]);
	}
	return n;
}

/* What cannot be read is for nobody. */
static bool was_for_third(const struct fate *f)
{
	return f->handed && !(f->dropped >> 2 & 1);
}

static bool third_took(const struct fate *f)
{
	return f->taken >> 2 & 1;
}

/* What came, what was taken and what was given up, against what the doubles saw. */
static uint64_t count_once(enum world_unreliable how, unsigned shift, uint64_t bound)
{
	uint64_t dropped;

	world_reset(t);
	t->no_fatal = true;
	t->unreliable = how;
	t->shift = shift;
	t->two = shift % 2;
	t->logs_bytes = bound;
	cr_assert_eq(world_run(t, NULL, false, WORLD_FINISH), 0, "shift %u: %s", shift, t->wrong);
	cr_assert_str_empty(t->wrong, "shift %u: %s", shift, t->wrong);
	dropped = bh_ledger_dropped(&t->third);
	cr_expect_eq(t->repeats[2], 0, "shift %u", shift);
	cr_expect_eq(t->third.received, lines(was_for_third), "shift %u", shift);
	cr_expect_eq(t->third.delivered, lines(third_took), "shift %u", shift);
	cr_expect_eq(t->third.received, t->third.delivered + dropped, "shift %u", shift);
	return dropped;
}

Test(unreliable, each_line_is_counted_once)
{
	uint64_t in_memory = 0, bounded = 0;

	for (unsigned shift = 0; shift < SHIFTS; shift++) {
		in_memory += count_once(UNRELIABLE_MEMORY, shift, 0);
		cr_expect_eq(count_once(UNRELIABLE_SPOOL, shift, 0), 0, "what rows are for");
		bounded += count_once(UNRELIABLE_SPOOL, shift, 90500);
	}
	cr_expect_gt(in_memory, 0, "its queue was never full");
	cr_expect_gt(bounded, 0, "its bound was never met");
}

/* --- beside one that has none ------------------------------------------------------------------
 */

struct seen {
	unsigned acked, safe[WORLD_FILES], delivered[WORLD_FILES], complete[WORLD_FILES];
	uint8_t parts[WORLD_FILES][WORLD_PARTS + 1], metrics[WORLD_METRICS + 1];
};

/* What is known by this step, and what the next start finds. */
static void see(enum world_unreliable how, bool silent, unsigned step, bool two, struct seen *out)
{
	*out = (struct seen){.acked = 0};
	world_reset(t);
	t->no_fatal = true;
	t->unreliable = how;
	t->third_silent = silent;
	t->two = two;
	t->pause = step;
	t->rest_ms =
	    25; /* groups of positions wait for company, and another one may have been some */
	cr_assert_eq(world_run(t, NULL, false, WORLD_PAUSE), 0, "step %u: %s", step, t->wrong);
	for (unsigned f = 0; f < WORLD_FILES; f++) {
		for (unsigned p = 1; p <= WORLD_PARTS; p++)
			out->acked += out->parts[f][p] = t->parts[f][p].acked;
	}
	for (unsigned m = 1; m <= WORLD_METRICS; m++)
		out->acked += out->metrics[m] = t->metrics[m].acked;
	cr_assert_eq(world_run(t, NULL, false, WORLD_PAUSE), 0, "step %u: %s", step, t->wrong);
	cr_assert_str_empty(t->wrong, "step %u: %s", step, t->wrong);
	memcpy(out->safe, t->seen_safe, sizeof(out->safe));
	memcpy(out->delivered, t->seen_delivered, sizeof(out->delivered));
	memcpy(out->complete, t->seen_complete, sizeof(out->complete));
}

/* before: a step earlier. What is answered at a step is what was under way by then, and that is
 * shifted by a turn where a row of the other one was committed. */
static void expect_no_less(
    const struct seen *with, const struct seen *without, const struct seen *before, unsigned step)
{
	for (unsigned f = 0; f < WORLD_FILES; f++) {
		cr_expect_geq(with->safe[f], without->safe[f], "step %u: safe, %u", step,
		    t->unreliable * 10 + t->third_silent);
		cr_expect_geq(with->delivered[f], before->delivered[f], "step %u: delivered, %u",
		    step, t->unreliable * 10 + t->third_silent);
		cr_expect_geq(with->complete[f], before->complete[f], "step %u: complete, %u", step,
		    t->unreliable * 10 + t->third_silent);
		for (unsigned p = 1; p <= WORLD_PARTS; p++)
			cr_expect_geq(with->parts[f][p], without->parts[f][p],
			    "step %u: file %u part %u is not acknowledged", step, f, p);
	}
	for (unsigned m = 1; m <= WORLD_METRICS; m++)
		cr_expect_geq(with->metrics[m], without->metrics[m], "step %u: metric %u", step, m);
}

Test(unreliable, it_delays_no_acknowledgement_and_holds_no_position_back)
{
	unsigned acked = 0;

	for (unsigned step = 2; step < LAST_STEP; step += in_full() ? 1 : 2) {
		bool two = step / 2 % 2;
		struct seen before, without, with;

		see(UNRELIABLE_NONE, true, step - 1, two, &before);
		see(UNRELIABLE_NONE, true, step, two, &without);
		acked += without.acked;
		for (int how = UNRELIABLE_MEMORY; how < UNRELIABLE__N; how++) {
			see((enum world_unreliable)how, true, step, two, &with);
			expect_no_less(&with, &without, &before, step);
			see((enum world_unreliable)how, false, step, two, &with);
			expect_no_less(&with, &without, &before, step);
		}
	}
	cr_expect_gt(acked, 100);
}

/* --- deaths ------------------------------------------------------------------------------------
 */

static void die(unsigned at, unsigned round)
{
	const struct fault_plan plan = fault_death(at);
	int status;

	world_reset(t);
	t->unreliable = round % 2 ? UNRELIABLE_SPOOL : UNRELIABLE_MEMORY;
	t->two = round / 2 % 2;
	t->logs_bytes = round / 4 % 2 ? 90500 : 0;
	t->shift = at % SHIFTS;
	status = world_run(t, &plan, false, WORLD_PAUSE);
	cr_assert(status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL),
	    "operation %u: %d", at, status);
	t->no_fatal = true;
	/* between them one that stops without the network, where all of it has room */
	t->pause = t->step + 4;
	cr_assert_eq(world_run(t, NULL, false, t->logs_bytes ? WORLD_PAUSE : WORLD_STOP), 0,
	    "operation %u: %s", at, t->wrong);
	t->pause = 0;
	cr_assert_eq(world_run(t, NULL, false, WORLD_FINISH), 0, "operation %u: %s", at, t->wrong);
	cr_assert_str_empty(t->wrong, "operation %u: %s", at, t->wrong);
}

Test(unreliable, deaths_cost_the_others_nothing_and_no_count) /* I1 to I9 */
{
	unsigned round = 0;

	for (unsigned at = 5; at < 700; at += in_full() ? 1 : 11)
		die(at, round++);
}
