#include "supervisor/lifecycle.h"

#include <signal.h>

#include "common/attrs.h"

#define START_NS     (10 * BH_NS_PER_S)
#define HUNG_NS      (15 * BH_NS_PER_S)
#define EXIT_NS      (2 * BH_NS_PER_S)
#define KILL_NS      (5 * BH_NS_PER_S)
#define MIN_UP_NS    (1 * BH_NS_PER_S)
#define STABLE_NS    (60 * BH_NS_PER_S)
#define DELAY_MIN_NS (1 * BH_NS_PER_S)
#define DELAY_MAX_NS (60 * BH_NS_PER_S)
#define REAP_NS      (100 * BH_NS_PER_MS) /* a killed process gets that long to be gone */
#define EXEC_TRIES   3
#define SANDBOX_NS   (600 * BH_NS_PER_S) /* three violations in so long are not chance */
#define EXIT_NOPERM  77
#define EXIT_CONFIG  78

#define CELL(action, next) \
	{ \
		BH_LIFE_DO_##action, BH_LIFE_##next, true \
	}

static const struct bh_life_cell table[BH_LIFE__N][BH_LIFE_EV__N] = {
    [BH_LIFE_STOPPED] = {[BH_LIFE_EV_START] = CELL(SPAWN, STARTING)},
    [BH_LIFE_EXITED] =
	{[BH_LIFE_EV_START] = CELL(SPAWN, STARTING), [BH_LIFE_EV_STOP] = CELL(NOTHING, STOPPED)},
    [BH_LIFE_FATAL] =
	{[BH_LIFE_EV_START] = CELL(SPAWN, STARTING), [BH_LIFE_EV_STOP] = CELL(NOTHING, STOPPED)},
    [BH_LIFE_STARTING] =
	{
	    [BH_LIFE_EV_READY] = CELL(NOTHING, RUNNING),
	    [BH_LIFE_EV_TIMER] = CELL(KILL, BACKOFF),
	    [BH_LIFE_EV_BROKEN] = CELL(KILL, BACKOFF),
	    [BH_LIFE_EV_STOP] = CELL(EXIT, STOPPING),
	    [BH_LIFE_EV_KILL] = CELL(KILL, STOPPING),
	    [BH_LIFE_EV_EXIT] = CELL(NOTHING, BACKOFF),
	    [BH_LIFE_EV_EXIT_FATAL] = CELL(NOTHING, FATAL),
	    [BH_LIFE_EV_EXIT_EXPECTED] = CELL(NOTHING, BACKOFF),
	},
    [BH_LIFE_RUNNING] =
	{
	    [BH_LIFE_EV_TIMER] = CELL(KILL, BACKOFF),
	    [BH_LIFE_EV_BROKEN] = CELL(KILL, BACKOFF),
	    [BH_LIFE_EV_STOP] = CELL(DRAIN, DRAINING),
	    [BH_LIFE_EV_KILL] = CELL(KILL, STOPPING),
	    [BH_LIFE_EV_EXIT] = CELL(NOTHING, BACKOFF),
	    [BH_LIFE_EV_EXIT_FATAL] = CELL(NOTHING, FATAL),
	    [BH_LIFE_EV_EXIT_EXPECTED] = CELL(NOTHING, EXITED),
	},
    [BH_LIFE_BACKOFF] =
	{
	    [BH_LIFE_EV_START] = CELL(SPAWN, STARTING),
	    [BH_LIFE_EV_TIMER] = CELL(SPAWN, STARTING),
	    [BH_LIFE_EV_TIMER_ALIVE] = CELL(KILL, BACKOFF),
	    [BH_LIFE_EV_STOP] = CELL(NOTHING, STOPPED),
	    [BH_LIFE_EV_STOP_ALIVE] = CELL(KILL, STOPPING),
	    [BH_LIFE_EV_KILL] = CELL(KILL, STOPPING),
	    [BH_LIFE_EV_EXIT] = CELL(NOTHING, BACKOFF),
	    [BH_LIFE_EV_EXIT_FATAL] = CELL(NOTHING, BACKOFF),
	    [BH_LIFE_EV_EXIT_EXPECTED] = CELL(NOTHING, BACKOFF),
	},
    [BH_LIFE_DRAINING] =
	{
	    [BH_LIFE_EV_TIMER] = CELL(KILL, STOPPING),
	    [BH_LIFE_EV_BROKEN] = CELL(KILL, STOPPING),
	    [BH_LIFE_EV_STOP] = CELL(DRAIN, DRAINING),
	    [BH_LIFE_EV_ACK] = CELL(EXIT, STOPPING),
	    [BH_LIFE_EV_KILL] = CELL(KILL, STOPPING),
	    [BH_LIFE_EV_EXIT] = CELL(NOTHING, STOPPED),
	    [BH_LIFE_EV_EXIT_FATAL] = CELL(NOTHING, STOPPED),
	    [BH_LIFE_EV_EXIT_EXPECTED] = CELL(NOTHING, STOPPED),
	},
    [BH_LIFE_STOPPING] =
	{
	    [BH_LIFE_EV_TIMER] = CELL(KILL, STOPPING),
	    [BH_LIFE_EV_KILL] = CELL(KILL, STOPPING),
	    [BH_LIFE_EV_EXIT] = CELL(NOTHING, STOPPED),
	    [BH_LIFE_EV_EXIT_FATAL] = CELL(NOTHING, STOPPED),
	    [BH_LIFE_EV_EXIT_EXPECTED] = CELL(NOTHING, STOPPED),
	},
};

struct bh_life_cell bh_life_cell(enum bh_life_state state, enum bh_life_event event)
{
	return table[state][event];
}

void bh_life_init(struct bh_life *l, int64_t now_ns)
{
	*l = (struct bh_life){
	    .since_ns = now_ns, .timer_ns = BH_LIFE_NEVER, .delay_ns = DELAY_MIN_NS};
}

static enum bh_life_event with_alive(const struct bh_life *l, enum bh_life_event event)
{
	if (l->state != BH_LIFE_BACKOFF || !l->alive)
		return event;
	/* A start asked while the killed process is not reaped waits like the timer. */
	if (event == BH_LIFE_EV_TIMER || event == BH_LIFE_EV_START)
		return BH_LIFE_EV_TIMER_ALIVE;
	return event == BH_LIFE_EV_STOP ? BH_LIFE_EV_STOP_ALIVE : event;
}

static enum bh_life_cause cause_of_kill(enum bh_life_state from, enum bh_life_event event)
{
	if (event == BH_LIFE_EV_BROKEN)
		return BH_CAUSE_PROTOCOL;
	if (event == BH_LIFE_EV_TIMER && from == BH_LIFE_STARTING)
		return BH_CAUSE_START_TIMEOUT;
	if (event == BH_LIFE_EV_TIMER && from == BH_LIFE_RUNNING)
		return BH_CAUSE_HUNG;
	return from == BH_LIFE_DRAINING ? BH_CAUSE_DRAIN_TIMEOUT : BH_CAUSE_REQUESTED;
}

static int64_t add(int64_t a, int64_t b)
{
	int64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? BH_LIFE_NEVER : sum;
}

/* The delay of the restart that follows a life that lasted from ready_ns (0: never READY) to now.
 */
static int64_t next_delay(struct bh_life *l, int64_t now_ns, struct bh_rng *rng)
{
	int64_t up = l->ready_ns ? now_ns - l->ready_ns : 0;
	int64_t delay = DELAY_MIN_NS;

	if (up >= STABLE_NS) {
		l->delay_ns = DELAY_MIN_NS;
		l->spent = false;
	}
	if (l->ready_ns && !l->spent) {
		l->spent = true;
		return 0;
	}
	if (up < MIN_UP_NS) {
		delay = l->delay_ns;
		l->delay_ns = BH_MIN(2 * l->delay_ns, DELAY_MAX_NS);
	}
	return (int64_t)((double)delay * bh_rng_range(rng, 0.9, 1.1));
}

static int64_t timer_of(
    const struct bh_life *l, enum bh_life_state from, int64_t now_ns, int64_t limit_ns)
{
	switch (l->state) {
	case BH_LIFE_STARTING:
		return add(now_ns, START_NS);
	case BH_LIFE_RUNNING:
		return add(now_ns, HUNG_NS);
	case BH_LIFE_DRAINING:
		return limit_ns;
	case BH_LIFE_STOPPING:
		return add(now_ns, from == BH_LIFE_STARTING ? EXIT_NS : KILL_NS);
	case BH_LIFE_BACKOFF:
		return l->timer_ns;
	case BH_LIFE_STOPPED:
	case BH_LIFE_EXITED:
	case BH_LIFE_FATAL:
	case BH_LIFE__N:
		break;
	}
	return BH_LIFE_NEVER;
}

static void note_action(struct bh_life *l, enum bh_life_action action, enum bh_life_state from,
    enum bh_life_event event)
{
	switch (action) {
	case BH_LIFE_DO_SPAWN:
		l->restarts += l->generation > 0;
		l->generation++;
		l->alive = true;
		l->ready_ns = 0;
		l->killed_for = BH_CAUSE_NONE;
		break;
	case BH_LIFE_DO_KILL:
		/* A repeated SIGKILL keeps the cause of the first one. */
		if (l->killed_for == BH_CAUSE_NONE || l->killed_for == BH_CAUSE_REQUESTED)
			l->killed_for = cause_of_kill(from, event);
		break;
	case BH_LIFE_DO_DRAIN:
	case BH_LIFE_DO_EXIT:
		l->killed_for = BH_CAUSE_REQUESTED;
		break;
	case BH_LIFE_DO_NOTHING:
		break;
	}
}

enum bh_life_action bh_life_step(struct bh_life *l, enum bh_life_event event, int64_t now_ns,
    int64_t limit_ns, struct bh_rng *rng)
{
	enum bh_life_state from = l->state;
	struct bh_life_cell cell;

	event = with_alive(l, event);
	cell = table[from][event];
	if (!cell.known)
		return BH_LIFE_DO_NOTHING;
	note_action(l, cell.action, from, event);
	if (event == BH_LIFE_EV_READY)
		l->ready_ns = now_ns;
	l->state = cell.next;
	if (cell.next != from)
		l->since_ns = now_ns;
	if (cell.next == BH_LIFE_BACKOFF && from == BH_LIFE_BACKOFF) {
		l->overdue = true;
		l->timer_ns = add(now_ns, KILL_NS);
	} else if (cell.next == BH_LIFE_BACKOFF) {
		int64_t delay = next_delay(l, now_ns, rng); /* once: it moves on with each call */

		l->overdue = false;
		l->timer_ns = add(now_ns, BH_MAX(delay, REAP_NS));
	}
	l->timer_ns = timer_of(l, from, now_ns, limit_ns);
	return cell.action;
}

/* The third violation in ten minutes (spec/supervision.md §2). */
static bool violates_again(struct bh_life *l, int64_t now_ns)
{
	bool third = l->violations_ns[1] && now_ns - l->violations_ns[1] < SANDBOX_NS;

	l->violations_ns[1] = l->violations_ns[0];
	l->violations_ns[0] = BH_MAX(now_ns, 1);
	return third;
}

static enum bh_life_cause cause_of_exit(const struct bh_life *l, const struct bh_life_exit *how)
{
	if (how->exec_failed)
		return BH_CAUSE_EXEC;
	if (l->killed_for != BH_CAUSE_NONE && l->killed_for != BH_CAUSE_REQUESTED)
		return l->killed_for;
	if (how->code == EXIT_CONFIG)
		return BH_CAUSE_CONFIG;
	if (how->code == EXIT_NOPERM)
		return BH_CAUSE_NOPERM;
	if (how->signal == SIGSYS)
		return BH_CAUSE_SANDBOX;
	/* A drained child that is told to leave and dies of something else has still been asked. */
	if (l->state == BH_LIFE_STOPPING || l->state == BH_LIFE_STOPPED)
		return BH_CAUSE_REQUESTED;
	return how->code == 0 ? BH_CAUSE_CLEAN : BH_CAUSE_CRASH;
}

enum bh_life_cause bh_life_exited(
    struct bh_life *l, const struct bh_life_exit *how, int64_t now_ns, struct bh_rng *rng)
{
	enum bh_life_cause cause = cause_of_exit(l, how);
	enum bh_life_event event = BH_LIFE_EV_EXIT;
	enum bh_life_state from = l->state;
	struct bh_life_cell cell;

	l->alive = false;
	l->last_exit = *how;
	l->last_cause = cause;
	l->exec_failures = cause == BH_CAUSE_EXEC ? l->exec_failures + 1 : 0;
	if (cause == BH_CAUSE_CONFIG || cause == BH_CAUSE_NOPERM || l->exec_failures >= EXEC_TRIES)
		event = BH_LIFE_EV_EXIT_FATAL;
	if (cause == BH_CAUSE_SANDBOX && violates_again(l, now_ns))
		event = BH_LIFE_EV_EXIT_FATAL;
	cell = table[from][event];
	if (!cell.known)
		return cause;
	l->state = cell.next;
	if (from == BH_LIFE_BACKOFF) { /* reaped after a kill: its delay runs already, or is over */
		if (l->overdue)
			l->timer_ns = now_ns;
		return cause;
	}
	l->since_ns = now_ns;
	l->timer_ns = BH_LIFE_NEVER;
	if (cell.next == BH_LIFE_BACKOFF)
		l->timer_ns = add(now_ns, next_delay(l, now_ns, rng));
	l->ready_ns = 0;
	return cause;
}

void bh_life_beat(struct bh_life *l, int64_t now_ns)
{
	if (l->state == BH_LIFE_RUNNING)
		l->timer_ns = add(now_ns, HUNG_NS);
}

const char *bh_life_state_name(enum bh_life_state state)
{
	static const char *const names[BH_LIFE__N] = {
	    [BH_LIFE_STOPPED] = "STOPPED",
	    [BH_LIFE_STARTING] = "STARTING",
	    [BH_LIFE_RUNNING] = "RUNNING",
	    [BH_LIFE_BACKOFF] = "BACKOFF",
	    [BH_LIFE_DRAINING] = "DRAINING",
	    [BH_LIFE_STOPPING] = "STOPPING",
	    [BH_LIFE_EXITED] = "EXITED",
	    [BH_LIFE_FATAL] = "FATAL",
	};

	return names[state];
}

int bh_life_state_code(enum bh_life_state state)
{
	static const int codes[BH_LIFE__N] = {
	    [BH_LIFE_STOPPED] = 0,
	    [BH_LIFE_STARTING] = 10,
	    [BH_LIFE_RUNNING] = 20,
	    [BH_LIFE_BACKOFF] = 30,
	    [BH_LIFE_DRAINING] = 35,
	    [BH_LIFE_STOPPING] = 40,
	    [BH_LIFE_EXITED] = 100,
	    [BH_LIFE_FATAL] = 200,
	};

	return codes[state];
}

const char *bh_life_cause_name(enum bh_life_cause cause)
{
	static const char *const names[BH_CAUSE__N] = {
	    [BH_CAUSE_NONE] = "",
	    [BH_CAUSE_REQUESTED] = "requested",
	    [BH_CAUSE_CRASH] = "crash",
	    [BH_CAUSE_CLEAN] = "clean-exit",
	    [BH_CAUSE_START_TIMEOUT] = "start-timeout",
	    [BH_CAUSE_HUNG] = "hung",
	    [BH_CAUSE_PROTOCOL] = "protocol",
	    [BH_CAUSE_DRAIN_TIMEOUT] = "drain-timeout",
	    [BH_CAUSE_CONFIG] = "configuration",
	    [BH_CAUSE_NOPERM] = "no-permission",
	    [BH_CAUSE_EXEC] = "exec-failed",
	    [BH_CAUSE_SANDBOX] = "sandbox-violation",
	};

	return names[cause];
}
