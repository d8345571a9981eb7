#include <criterion/criterion.h>

#include "common/attrs.h"
#include "common/clock.h"
#include "supervisor/drain.h"

#define S      BH_NS_PER_S
#define BUDGET (25 * S)

#define DSD  BH_ROLE_DOGSTATSD
#define LOGS BH_ROLE_LOGS
#define FWD  BH_ROLE_FORWARDER

static struct bh_drain drain;
static int64_t now;

static void set_up(void)
{
	now = 100 * S;
}

TestSuite(drain, .init = set_up);

static void begin(enum bh_drain_child dsd, enum bh_drain_child logs, enum bh_drain_child forwarder)
{
	const enum bh_drain_child child[BH_ROLE__N] = {
	    [DSD] = dsd, [LOGS] = logs, [FWD] = forwarder};

	bh_drain_begin(&drain, child, true, BUDGET, now);
}

static void begin_all(void)
{
	begin(BH_DRAIN_RUNNING, BH_DRAIN_RUNNING, BH_DRAIN_RUNNING);
}

static struct bh_drain_order next(void)
{
	struct bh_drain_order o;

	cr_assert(bh_drain_next(&drain, now, &o), "no order in phase %d", (int)drain.phase);
	return o;
}

static void assert_order(enum bh_drain_do what, enum bh_role role)
{
	struct bh_drain_order o = next();

	cr_assert_eq(o.what, what, "order %d", (int)o.what);
	cr_assert_eq(o.role, role, "role %d", (int)o.role);
}

static void assert_quiet(void)
{
	struct bh_drain_order o;

	cr_assert(!bh_drain_next(&drain, now, &o), "order %d for %d", (int)o.what, (int)o.role);
}

static void acked_and_gone(enum bh_role role)
{
	bh_drain_acked(&drain, role, now);
	bh_drain_gone(&drain, role, now);
}

static void drain_producers(void)
{
	assert_order(BH_DRAIN_DO_DRAIN, DSD);
	assert_order(BH_DRAIN_DO_DRAIN, LOGS);
	assert_quiet();
	acked_and_gone(DSD);
	acked_and_gone(LOGS);
}

Test(drain, producers_go_first_and_the_forwarder_last)
{
	begin_all();
	drain_producers();
	assert_order(BH_DRAIN_DO_DRAIN, FWD);
	assert_quiet();
	acked_and_gone(FWD);
	assert_quiet();
	cr_assert_eq(drain.phase, BH_DRAIN_DONE);
	cr_assert_eq(drain.role[DSD].result, BH_DRAIN_OK);
	cr_assert_eq(drain.role[LOGS].result, BH_DRAIN_OK);
	cr_assert_eq(drain.role[FWD].result, BH_DRAIN_OK);
}

Test(drain, the_forwarder_waits_until_both_producers_are_gone)
{
	begin_all();
	next();
	next();
	bh_drain_acked(&drain, DSD, now);
	assert_quiet();
	bh_drain_acked(&drain, LOGS, now);
	assert_quiet();
	cr_assert_eq(drain.phase, BH_DRAIN_PRODUCERS_EXIT);
	bh_drain_gone(&drain, LOGS, now);
	assert_quiet();
	bh_drain_gone(&drain, DSD, now);
	assert_order(BH_DRAIN_DO_DRAIN, FWD);
}

Test(drain, the_budget_is_shared_by_the_phases)
{
	struct bh_drain_order o;

	begin_all();
	o = next();
	cr_assert_eq(o.deadline_ns, now + 10 * S);
	cr_assert_eq(o.mode, BH_DRAIN_FULL);
	next();
	assert_quiet();
	cr_assert_eq(bh_drain_due(&drain), now + 10 * S);
	acked_and_gone(DSD);
	acked_and_gone(LOGS);
	now += 2 * S;
	o = next();
	cr_assert_eq(o.deadline_ns, now + BUDGET * 3 / 10);
}

Test(drain, a_producer_that_misses_its_deadline_is_killed_and_the_order_holds)
{
	begin_all();
	next();
	next();
	acked_and_gone(DSD);
	now += 10 * S - 1;
	assert_quiet();
	now += 1;
	assert_order(BH_DRAIN_DO_KILL, LOGS);
	assert_quiet();
	bh_drain_gone(&drain, LOGS, now);
	cr_assert_eq(drain.role[LOGS].result, BH_DRAIN_TIMEOUT);
	assert_order(BH_DRAIN_DO_DRAIN, FWD);
}

Test(drain, an_acknowledgement_after_the_kill_does_not_count)
{
	begin_all();
	next();
	next();
	now += 10 * S;
	assert_order(BH_DRAIN_DO_KILL, DSD);
	bh_drain_acked(&drain, DSD, now);
	cr_assert_eq(drain.role[DSD].result, BH_DRAIN_TIMEOUT);
}

Test(drain, a_child_that_does_not_leave_after_its_acknowledgement_is_killed_and_still_ok)
{
	begin_all();
	next();
	next();
	bh_drain_acked(&drain, DSD, now);
	acked_and_gone(LOGS);
	assert_quiet();
	now = bh_drain_due(&drain);
	assert_order(BH_DRAIN_DO_KILL, DSD);
	bh_drain_gone(&drain, DSD, now);
	cr_assert_eq(drain.role[DSD].result, BH_DRAIN_OK);
	assert_order(BH_DRAIN_DO_DRAIN, FWD);
}

Test(drain, a_producer_that_crashes_is_not_started_again)
{
	begin_all();
	next();
	next();
	bh_drain_gone(&drain, LOGS, now);
	assert_quiet();
	cr_assert_eq(drain.role[LOGS].result, BH_DRAIN_CRASHED);
	acked_and_gone(DSD);
	assert_order(BH_DRAIN_DO_DRAIN, FWD);
}

Test(drain, a_forwarder_that_crashes_while_producers_drain_is_started_once_spool_only)
{
	begin_all();
	next();
	next();
	bh_drain_gone(&drain, FWD, now);
	assert_order(BH_DRAIN_DO_START_SPOOL_ONLY, FWD);
	assert_quiet();
	bh_drain_ready(&drain, FWD);
	assert_quiet();
	acked_and_gone(DSD);
	acked_and_gone(LOGS);
	cr_assert_eq(next().mode, BH_DRAIN_SPOOL_ONLY);
	acked_and_gone(FWD);
	assert_quiet();
	cr_assert_eq(drain.phase, BH_DRAIN_DONE);
	cr_assert_eq(drain.role[FWD].result, BH_DRAIN_OK);
	cr_assert_eq(drain.restarts, 1);
}

Test(drain, a_forwarder_that_crashes_twice_is_left_down)
{
	begin_all();
	next();
	next();
	bh_drain_gone(&drain, FWD, now);
	assert_order(BH_DRAIN_DO_START_SPOOL_ONLY, FWD);
	bh_drain_gone(&drain, FWD, now);
	assert_quiet();
	now += 10 * S;
	assert_order(BH_DRAIN_DO_KILL, DSD);
	assert_order(BH_DRAIN_DO_KILL, LOGS);
	bh_drain_gone(&drain, DSD, now);
	bh_drain_gone(&drain, LOGS, now);
	assert_quiet();
	cr_assert_eq(drain.phase, BH_DRAIN_DONE);
	cr_assert_eq(drain.role[FWD].result, BH_DRAIN_CRASHED);
}

Test(drain, a_forwarder_that_is_down_at_the_begin_is_started_for_the_producers)
{
	begin(BH_DRAIN_RUNNING, BH_DRAIN_ABSENT, BH_DRAIN_ABSENT);
	assert_order(BH_DRAIN_DO_START_SPOOL_ONLY, FWD);
	assert_order(BH_DRAIN_DO_DRAIN, DSD);
}

Test(drain, a_spool_only_forwarder_that_is_still_starting_is_waited_for)
{
	begin(BH_DRAIN_RUNNING, BH_DRAIN_ABSENT, BH_DRAIN_ABSENT);
	next();
	next();
	bh_drain_gone(&drain, DSD, now);
	assert_quiet();
	bh_drain_ready(&drain, FWD);
	assert_order(BH_DRAIN_DO_DRAIN, FWD);
}

/* Found by drain.pml. */
Test(drain, a_child_that_becomes_ready_while_it_is_killed_is_not_drained)
{
	begin(BH_DRAIN_ABSENT, BH_DRAIN_ABSENT, BH_DRAIN_STARTING);
	now += 100 * S;
	assert_order(BH_DRAIN_DO_KILL, FWD);
	bh_drain_ready(&drain, FWD);
	bh_drain_gone(&drain, FWD, now);
	assert_quiet();
	cr_assert_eq(drain.role[FWD].result, BH_DRAIN_NOT_RUNNING);
}

Test(drain, a_forwarder_that_is_down_is_not_started_for_nobody)
{
	begin(BH_DRAIN_ABSENT, BH_DRAIN_ABSENT, BH_DRAIN_ABSENT);
	assert_quiet();
	cr_assert_eq(drain.phase, BH_DRAIN_DONE);
	cr_assert_eq(drain.role[FWD].result, BH_DRAIN_NOT_RUNNING);
}

Test(drain, children_that_are_starting_are_asked_to_leave)
{
	begin(BH_DRAIN_STARTING, BH_DRAIN_ABSENT, BH_DRAIN_RUNNING);
	assert_order(BH_DRAIN_DO_EXIT, DSD);
	assert_quiet();
	bh_drain_gone(&drain, DSD, now);
	cr_assert_eq(drain.role[DSD].result, BH_DRAIN_NOT_RUNNING);
	assert_order(BH_DRAIN_DO_DRAIN, FWD);
}

Test(drain, a_forwarder_that_becomes_ready_while_producers_drain_is_drained)
{
	begin(BH_DRAIN_RUNNING, BH_DRAIN_ABSENT, BH_DRAIN_STARTING);
	assert_order(BH_DRAIN_DO_DRAIN, DSD);
	bh_drain_ready(&drain, FWD);
	acked_and_gone(DSD);
	assert_order(BH_DRAIN_DO_DRAIN, FWD);
}

Test(drain, a_second_request_sends_drain_again_fast_with_three_seconds_in_all)
{
	struct bh_drain_order o;

	begin_all();
	next();
	next();
	now += 5 * S;
	bh_drain_hasten(&drain, 3 * S, now);
	o = next();
	cr_assert_eq(o.what, BH_DRAIN_DO_DRAIN);
	cr_assert_eq(o.mode, BH_DRAIN_FAST);
	cr_assert_eq(o.deadline_ns, now + 3 * S * 4 / 10);
	next();
	acked_and_gone(DSD);
	acked_and_gone(LOGS);
	o = next();
	cr_assert_eq(o.role, FWD);
	cr_assert_eq(o.mode, BH_DRAIN_FAST);
	cr_assert_eq(o.deadline_ns, now + 3 * S * 9 / 10, "the commit gets what is left");
}

Test(drain, a_second_request_does_not_disturb_who_is_through)
{
	begin_all();
	next();
	next();
	acked_and_gone(DSD);
	bh_drain_hasten(&drain, 3 * S, now);
	assert_order(BH_DRAIN_DO_DRAIN, LOGS);
	assert_quiet();
}

Test(drain, a_process_that_not_even_sigkill_ends_holds_up_nobody_for_long)
{
	begin_all();
	next();
	next();
	acked_and_gone(LOGS);
	now += 10 * S;
	assert_order(BH_DRAIN_DO_KILL, DSD);
	assert_quiet();
	cr_assert_eq(drain.phase, BH_DRAIN_PRODUCERS_EXIT);
	now = bh_drain_due(&drain);
	assert_order(BH_DRAIN_DO_DRAIN, FWD);
}
