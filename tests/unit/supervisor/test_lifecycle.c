#include <criterion/criterion.h>
#include <signal.h>

#include "common/attrs.h"
#include "supervisor/lifecycle.h"

#define S BH_NS_PER_S

static struct bh_life life;
static struct bh_rng rng;
static int64_t now;

static void set_up(void)
{
	now = 1000 * S;
	bh_rng_seed(&rng, 1);
	bh_life_init(&life, now);
}

TestSuite(lifecycle, .init = set_up);

static enum bh_life_action step(enum bh_life_event event)
{
	return bh_life_step(&life, event, now, BH_LIFE_NEVER, &rng);
}

static enum bh_life_cause ended(int code, int signal)
{
	struct bh_life_exit how = {code, signal, false};

	return bh_life_exited(&life, &how, now, &rng);
}

/* Rows: states; columns: start ready timer timer-alive broken stop stop-alive ack kill exit fatal
 * expected. Upper letter: next state; lower: action (s spawn, k kill, d drain, e exit). */
static const struct {
	enum bh_life_state state;
	const char *cells[BH_LIFE_EV__N];
} walk[] = {
    {BH_LIFE_STOPPED, {"sA", "", "", "", "", "", "", "", "", "", "", ""}},
    {BH_LIFE_EXITED, {"sA", "", "", "", "", "P", "", "", "", "", "", ""}},
    {BH_LIFE_FATAL, {"sA", "", "", "", "", "P", "", "", "", "", "", ""}},
    {BH_LIFE_STARTING, {"", "R", "kB", "", "kB", "eG", "", "", "kG", "B", "F", "B"}},
    {BH_LIFE_RUNNING, {"", "", "kB", "", "kB", "dD", "", "", "kG", "B", "F", "X"}},
    {BH_LIFE_BACKOFF, {"sA", "", "sA", "kB", "", "P", "kG", "", "kG", "B", "B", "B"}},
    {BH_LIFE_DRAINING, {"", "", "kG", "", "kG", "dD", "", "eG", "kG", "P", "P", "P"}},
    {BH_LIFE_STOPPING, {"", "", "kG", "", "", "", "", "", "kG", "P", "P", "P"}},
};

static enum bh_life_state state_of(char letter)
{
	switch (letter) {
	case 'A':
		return BH_LIFE_STARTING;
	case 'R':
		return BH_LIFE_RUNNING;
	case 'B':
		return BH_LIFE_BACKOFF;
	case 'D':
		return BH_LIFE_DRAINING;
	case 'G':
		return BH_LIFE_STOPPING;
	case 'P':
		return BH_LIFE_STOPPED;
	case 'X':
		return BH_LIFE_EXITED;
	default:
		return BH_LIFE_FATAL;
	}
}

static enum bh_life_action action_of(char letter)
{
	switch (letter) {
	case 's':
		return BH_LIFE_DO_SPAWN;
	case 'k':
		return BH_LIFE_DO_KILL;
	case 'd':
		return BH_LIFE_DO_DRAIN;
	case 'e':
		return BH_LIFE_DO_EXIT;
	default:
		return BH_LIFE_DO_NOTHING;
	}
}

Test(lifecycle, every_cell_is_as_the_specification_says)
{
	cr_assert_eq(BH_ARRAY_LEN(walk), BH_LIFE__N);
	for (size_t i = 0; i < BH_ARRAY_LEN(walk); i++) {
		for (int event = 0; event < BH_LIFE_EV__N; event++) {
			const char *want = walk[i].cells[event];
			struct bh_life_cell cell =
			    bh_life_cell(walk[i].state, (enum bh_life_event)event);
			const char *name = bh_life_state_name(walk[i].state);

			cr_assert_eq(cell.known, *want != '\0', "%s, event %d", name, event);
			if (!*want)
				continue;
			cr_assert_eq(cell.action, action_of(want[1] ? want[0] : '-'),
			    "%s, event %d", name, event);
			cr_assert_eq(cell.next, state_of(want[1] ? want[1] : want[0]),
			    "%s, event %d", name, event);
		}
	}
}

Test(lifecycle, a_meaningless_event_changes_nothing)
{
	struct bh_life before = life;

	cr_assert_eq(step(BH_LIFE_EV_ACK), BH_LIFE_DO_NOTHING);
	cr_assert_eq(memcmp(&before, &life, sizeof(life)), 0);
}

Test(lifecycle, a_start_has_ten_seconds_to_become_ready)
{
	cr_assert_eq(step(BH_LIFE_EV_START), BH_LIFE_DO_SPAWN);
	cr_assert_eq(life.timer_ns, now + 10 * S);
	cr_assert_eq(life.generation, 1);
	now += 10 * S;
	cr_assert_eq(step(BH_LIFE_EV_TIMER), BH_LIFE_DO_KILL);
	cr_assert_eq(life.state, BH_LIFE_BACKOFF);
	cr_assert_eq(ended(-1, 9), BH_CAUSE_START_TIMEOUT);
	cr_assert_eq(life.state, BH_LIFE_BACKOFF);
}

Test(lifecycle, three_missed_heartbeats_are_a_hang)
{
	step(BH_LIFE_EV_START);
	step(BH_LIFE_EV_READY);
	cr_assert_eq(life.timer_ns, now + 15 * S);
	now += 14 * S;
	bh_life_beat(&life, now);
	cr_assert_eq(life.timer_ns, now + 15 * S);
	now += 15 * S;
	cr_assert_eq(step(BH_LIFE_EV_TIMER), BH_LIFE_DO_KILL);
	cr_assert_eq(ended(-1, 9), BH_CAUSE_HUNG);
}

Test(lifecycle, nothing_starts_while_the_killed_process_is_not_reaped)
{
	step(BH_LIFE_EV_START);
	step(BH_LIFE_EV_BROKEN);
	cr_assert_eq(life.state, BH_LIFE_BACKOFF);
	cr_assert_eq(step(BH_LIFE_EV_TIMER), BH_LIFE_DO_KILL);
	cr_assert_eq(step(BH_LIFE_EV_START), BH_LIFE_DO_KILL);
	cr_assert_eq(life.state, BH_LIFE_BACKOFF);
	cr_assert_eq(ended(-1, 9), BH_CAUSE_PROTOCOL);
	cr_assert_eq(life.timer_ns, now, "its wait was over long ago");
	cr_assert_eq(step(BH_LIFE_EV_TIMER), BH_LIFE_DO_SPAWN);
	cr_assert_eq(life.generation, 2);
	cr_assert_eq(life.restarts, 1);
}

Test(lifecycle, a_stop_of_a_killed_process_waits_for_its_end)
{
	step(BH_LIFE_EV_START);
	step(BH_LIFE_EV_BROKEN);
	step(BH_LIFE_EV_STOP);
	cr_assert_eq(life.state, BH_LIFE_STOPPING);
	cr_assert_eq(ended(-1, 9), BH_CAUSE_PROTOCOL);
	cr_assert_eq(life.state, BH_LIFE_STOPPED);
}

static int64_t delay_after(int64_t ready_for)
{
	step(life.state == BH_LIFE_BACKOFF ? BH_LIFE_EV_TIMER : BH_LIFE_EV_START);
	cr_assert_eq(life.state, BH_LIFE_STARTING);
	if (ready_for >= 0) {
		step(BH_LIFE_EV_READY);
		now += ready_for;
	}
	ended(-1, 11);
	cr_assert_eq(life.state, BH_LIFE_BACKOFF);
	return life.timer_ns - now;
}

#define assert_about(ns, want) \
	do { \
		int64_t got_ = (ns); \
		cr_assert(got_ >= (want) - (want) / 10 && got_ <= (want) + (want) / 10, "%lld ns", \
		    (long long)got_); \
	} while (0)

Test(lifecycle, failed_starts_wait_longer_each_time_up_to_a_minute)
{
	static const int64_t want[] = {1, 2, 4, 8, 16, 32, 60, 60};

	for (size_t i = 0; i < BH_ARRAY_LEN(want); i++)
		assert_about(delay_after(-1), want[i] * S);
}

/* One that is killed by us waits no longer than one that ends by itself. */
static int64_t delay_after_kill(void)
{
	int64_t killed;

	step(life.state == BH_LIFE_BACKOFF ? BH_LIFE_EV_TIMER : BH_LIFE_EV_START);
	cr_assert_eq(step(BH_LIFE_EV_BROKEN), BH_LIFE_DO_KILL);
	killed = now;
	ended(-1, 9);
	return life.timer_ns - killed;
}

Test(lifecycle, killed_starts_wait_as_failed_ones_do)
{
	static const int64_t want[] = {1, 2, 4, 8, 16, 32, 60, 60};

	for (size_t i = 0; i < BH_ARRAY_LEN(want); i++)
		assert_about(delay_after_kill(), want[i] * S);
}

Test(lifecycle, an_end_within_a_second_of_ready_is_a_failed_start)
{
	cr_assert_eq(delay_after(S - 1), 0, "the first end is taken lightly");
	assert_about(delay_after(S - 1), 1 * S);
	assert_about(delay_after(S - 1), 2 * S);
}

Test(lifecycle, a_crash_of_a_child_that_worked_waits_one_second_each_time)
{
	cr_assert_eq(delay_after(3 * S), 0);
	for (int i = 0; i < 20; i++)
		assert_about(delay_after(3 * S), 1 * S);
}

Test(lifecycle, a_child_that_was_ready_restarts_at_once_the_first_time)
{
	assert_about(delay_after(-1), 1 * S);
	cr_assert_eq(delay_after(0), 0, "READY is enough");
	assert_about(delay_after(11 * S), 1 * S);
	cr_assert_eq(
	    delay_after(60 * S), 0, "a minute of work makes everything as at the beginning");
}

Test(lifecycle, a_hung_child_is_killed_once_before_its_successor_starts)
{
	step(BH_LIFE_EV_START);
	step(BH_LIFE_EV_READY);
	now += 15 * S;
	cr_assert_eq(step(BH_LIFE_EV_TIMER), BH_LIFE_DO_KILL);
	cr_assert_gt(life.timer_ns, now, "the kernel needs a moment to end it");
	cr_assert_lt(life.timer_ns, now + S);
	ended(-1, 9);
	cr_assert_eq(step(BH_LIFE_EV_TIMER), BH_LIFE_DO_SPAWN);
}

Test(lifecycle, the_wait_is_one_second_again_after_a_minute_of_work)
{
	delay_after(-1);
	delay_after(-1);
	delay_after(60 * S);
	assert_about(delay_after(-1), 1 * S);
}

Test(lifecycle, the_cause_of_an_end_is_told)
{
	static const struct {
		int code, signal;
		enum bh_life_cause cause;
		enum bh_life_state state;
	} cases[] = {
	    {78, 0, BH_CAUSE_CONFIG, BH_LIFE_FATAL},
	    {77, 0, BH_CAUSE_NOPERM, BH_LIFE_FATAL},
	    {75, 0, BH_CAUSE_CRASH, BH_LIFE_BACKOFF},
	    {1, 0, BH_CAUSE_CRASH, BH_LIFE_BACKOFF},
	    {0, 0, BH_CAUSE_CLEAN, BH_LIFE_BACKOFF},
	    {-1, 9, BH_CAUSE_CRASH, BH_LIFE_BACKOFF},
	    {-1, SIGSYS, BH_CAUSE_SANDBOX, BH_LIFE_BACKOFF},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		bh_life_init(&life, now);
		step(BH_LIFE_EV_START);
		step(BH_LIFE_EV_READY);
		cr_assert_eq(ended(cases[i].code, cases[i].signal), cases[i].cause, "case %zu", i);
		cr_assert_eq(life.state, cases[i].state, "case %zu", i);
	}
}

/* spec/supervision.md §2 */
Test(lifecycle, the_third_violation_within_ten_minutes_is_the_last)
{
	static const struct {
		int64_t apart_s;
		enum bh_life_state third;
	} cases[] = {{1, BH_LIFE_FATAL}, {299, BH_LIFE_FATAL}, {301, BH_LIFE_BACKOFF}};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		bh_life_init(&life, now);
		for (int n = 1; n <= 3; n++) {
			step(n > 1 ? BH_LIFE_EV_TIMER : BH_LIFE_EV_START);
			now += cases[i].apart_s * S;
			cr_assert_eq(ended(-1, SIGSYS), BH_CAUSE_SANDBOX);
			cr_assert_eq(life.state, n < 3 ? BH_LIFE_BACKOFF : cases[i].third,
			    "case %zu, death %d", i, n);
		}
	}
}

Test(lifecycle, an_executable_that_does_not_start_is_given_up_after_three_tries)
{
	struct bh_life_exit how = {71, 0, true};

	for (int i = 0; i < 3; i++) {
		step(i ? BH_LIFE_EV_TIMER : BH_LIFE_EV_START);
		cr_assert_eq(bh_life_exited(&life, &how, now, &rng), BH_CAUSE_EXEC);
		cr_assert_eq(life.state, i < 2 ? BH_LIFE_BACKOFF : BH_LIFE_FATAL);
	}
}

Test(lifecycle, a_drained_child_is_told_to_leave_and_then_is_stopped)
{
	step(BH_LIFE_EV_START);
	step(BH_LIFE_EV_READY);
	cr_assert_eq(step(BH_LIFE_EV_STOP), BH_LIFE_DO_DRAIN);
	cr_assert_eq(life.timer_ns, BH_LIFE_NEVER);
	cr_assert_eq(step(BH_LIFE_EV_ACK), BH_LIFE_DO_EXIT);
	cr_assert_eq(life.timer_ns, now + 5 * S);
	cr_assert_eq(ended(0, 0), BH_CAUSE_REQUESTED);
	cr_assert_eq(life.state, BH_LIFE_STOPPED);
	cr_assert_eq(life.timer_ns, BH_LIFE_NEVER);
}

Test(lifecycle, a_child_killed_at_its_deadline_says_so)
{
	step(BH_LIFE_EV_START);
	step(BH_LIFE_EV_READY);
	step(BH_LIFE_EV_STOP);
	cr_assert_eq(step(BH_LIFE_EV_KILL), BH_LIFE_DO_KILL);
	cr_assert_eq(life.timer_ns, now + 5 * S, "the kill is repeated");
	cr_assert_eq(step(BH_LIFE_EV_TIMER), BH_LIFE_DO_KILL);
	cr_assert_eq(ended(-1, 9), BH_CAUSE_DRAIN_TIMEOUT);
}

Test(lifecycle, a_child_that_is_starting_leaves_without_a_drain)
{
	step(BH_LIFE_EV_START);
	cr_assert_eq(step(BH_LIFE_EV_STOP), BH_LIFE_DO_EXIT);
	cr_assert_eq(life.timer_ns, now + 2 * S);
	cr_assert_eq(step(BH_LIFE_EV_TIMER), BH_LIFE_DO_KILL);
	cr_assert_eq(ended(-1, 9), BH_CAUSE_REQUESTED);
}
