#include "supervisor/drain.h"

#include "common/attrs.h"
#include "common/clock.h"

#define REAP_NS BH_NS_PER_S

static bool is_producer(enum bh_role role)
{
	return role == BH_ROLE_DOGSTATSD || role == BH_ROLE_LOGS;
}

/* Tenths of the budget a phase may last. */
static int64_t share(enum bh_drain_phase phase)
{
	switch (phase) {
	case BH_DRAIN_PRODUCERS:
		return BH_STOP_PRODUCERS_TENTHS;
	case BH_DRAIN_FORWARDER:
		return 3;
	case BH_DRAIN_PRODUCERS_EXIT:
	case BH_DRAIN_FORWARDER_EXIT:
		return 1;
	case BH_DRAIN_IDLE:
	case BH_DRAIN_DONE:
		break;
	}
	return 0;
}

/* Whether the phase is about this child. */
static bool concerns(enum bh_drain_phase phase, enum bh_role role)
{
	switch (phase) {
	case BH_DRAIN_PRODUCERS:
	case BH_DRAIN_PRODUCERS_EXIT:
		return is_producer(role);
	case BH_DRAIN_FORWARDER:
	case BH_DRAIN_FORWARDER_EXIT:
		return role == BH_ROLE_FORWARDER;
	case BH_DRAIN_IDLE:
	case BH_DRAIN_DONE:
		break;
	}
	return false;
}

static bool is_exit_phase(enum bh_drain_phase phase)
{
	return phase == BH_DRAIN_PRODUCERS_EXIT || phase == BH_DRAIN_FORWARDER_EXIT;
}

static int64_t limit_of(const struct bh_drain *d, enum bh_drain_phase phase, int64_t now_ns)
{
	/* In haste the commit gets all that is left: it is the one thing that is never skipped. */
	if (d->hastened && phase == BH_DRAIN_FORWARDER)
		return d->end_ns - d->budget_ns / 10;
	return BH_MIN(now_ns + d->budget_ns / 10 * share(phase), d->end_ns);
}

static void enter(struct bh_drain *d, enum bh_drain_phase phase, int64_t now_ns)
{
	d->phase = phase;
	d->phase_limit_ns = limit_of(d, phase, now_ns);
	if (phase == BH_DRAIN_DONE)
		d->ended_ns = now_ns;
}

void bh_drain_begin(struct bh_drain *d, const enum bh_drain_child *child, bool may_restart,
    int64_t budget_ns, int64_t now_ns)
{
	*d = (struct bh_drain){.mode = BH_DRAIN_FULL,
	    .began_ns = now_ns,
	    .end_ns = now_ns + budget_ns,
	    .budget_ns = budget_ns,
	    .may_restart = may_restart};
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		struct bh_drain_role *r = &d->role[i];

		r->alive = child[i] != BH_DRAIN_ABSENT;
		r->ready = child[i] == BH_DRAIN_RUNNING;
		r->result = r->ready ? BH_DRAIN_PENDING : BH_DRAIN_NOT_RUNNING;
	}
	enter(d, BH_DRAIN_PRODUCERS, now_ns);
}

static void settle(struct bh_drain_role *r, enum bh_drain_result result, int64_t now_ns)
{
	if (r->result != BH_DRAIN_PENDING)
		return;
	r->result = result;
	r->ended_ns = now_ns;
}

void bh_drain_acked(struct bh_drain *d, enum bh_role role, int64_t now_ns)
{
	struct bh_drain_role *r = &d->role[role];

	if (!r->ordered || r->gave_up)
		return;
	r->acked = true;
	settle(r, BH_DRAIN_OK, now_ns);
}

void bh_drain_ready(struct bh_drain *d, enum bh_role role)
{
	struct bh_drain_role *r = &d->role[role];

	if (r->told_exit || r->gave_up || d->phase == BH_DRAIN_IDLE)
		return;
	r->ready = true;
	r->result = BH_DRAIN_PENDING;
}

void bh_drain_gone(struct bh_drain *d, enum bh_role role, int64_t now_ns)
{
	struct bh_drain_role *r = &d->role[role];

	r->alive = false;
	r->ready = false;
	settle(r, BH_DRAIN_CRASHED, now_ns);
}

void bh_drain_hasten(struct bh_drain *d, int64_t left_ns, int64_t now_ns)
{
	if (d->hastened || d->phase == BH_DRAIN_IDLE || d->phase == BH_DRAIN_DONE)
		return;
	d->hastened = true;
	d->mode = BH_DRAIN_FAST;
	d->end_ns = BH_MIN(d->end_ns, now_ns + left_ns);
	d->budget_ns = BH_MIN(d->budget_ns, left_ns);
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++)
		d->role[i].ordered = false;
	d->phase_limit_ns = BH_MIN(d->phase_limit_ns, limit_of(d, d->phase, now_ns));
}

/* The forwarder must be there for as long as a producer has something to hand over. */
static bool wants_forwarder(const struct bh_drain *d)
{
	const struct bh_drain_role *f = &d->role[BH_ROLE_FORWARDER];
	bool producing = false;

	if (d->phase != BH_DRAIN_PRODUCERS || f->alive || !d->may_restart || d->restarts)
		return false;
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++)
		producing |= is_producer((enum bh_role)i) && d->role[i].result == BH_DRAIN_PENDING;
	return producing;
}

static bool give_up(struct bh_drain *d, struct bh_drain_role *r, int64_t now_ns)
{
	if (now_ns < d->phase_limit_ns || r->gave_up || (r->acked && !is_exit_phase(d->phase)))
		return false;
	r->gave_up = true;
	settle(r, BH_DRAIN_TIMEOUT, now_ns);
	return true;
}

static bool order_for(
    struct bh_drain *d, enum bh_role role, int64_t now_ns, struct bh_drain_order *o)
{
	struct bh_drain_role *r = &d->role[role];

	if (!r->alive)
		return false;
	*o = (struct bh_drain_order){BH_DRAIN_DO_KILL, role, d->phase_limit_ns, d->mode};
	if (give_up(d, r, now_ns))
		return true;
	if (r->gave_up)
		return false;
	if (r->result == BH_DRAIN_NOT_RUNNING && !r->told_exit) {
		o->what = BH_DRAIN_DO_EXIT;
		r->told_exit = true;
		return true;
	}
	if (!r->ready || r->ordered || r->result != BH_DRAIN_PENDING)
		return false;
	o->what = BH_DRAIN_DO_DRAIN;
	if (role == BH_ROLE_FORWARDER && d->restarts && d->mode == BH_DRAIN_FULL)
		o->mode = BH_DRAIN_SPOOL_ONLY;
	r->ordered = true;
	if (!r->began_ns)
		r->began_ns = now_ns;
	return true;
}

/* Drain phases end when nobody's result is open, exit phases when nobody lives; a process that not
 * even SIGKILL ends holds up nobody for long. */
static bool phase_over(const struct bh_drain *d, int64_t now_ns)
{
	if (is_exit_phase(d->phase) && now_ns >= d->phase_limit_ns + REAP_NS)
		return true;
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		const struct bh_drain_role *r = &d->role[i];

		if (!concerns(d->phase, (enum bh_role)i))
			continue;
		if (is_exit_phase(d->phase) ? r->alive : r->result == BH_DRAIN_PENDING)
			return false;
	}
	return true;
}

bool bh_drain_next(struct bh_drain *d, int64_t now_ns, struct bh_drain_order *order)
{
	while (d->phase != BH_DRAIN_IDLE && d->phase != BH_DRAIN_DONE) {
		if (wants_forwarder(d)) {
			d->restarts++;
			d->role[BH_ROLE_FORWARDER] =
			    (struct bh_drain_role){.alive = true, .result = BH_DRAIN_PENDING};
			*order = (struct bh_drain_order){BH_DRAIN_DO_START_SPOOL_ONLY,
			    BH_ROLE_FORWARDER, d->end_ns, BH_DRAIN_SPOOL_ONLY};
			return true;
		}
		for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
			if (concerns(d->phase, (enum bh_role)i) &&
			    order_for(d, (enum bh_role)i, now_ns, order))
				return true;
		}
		if (!phase_over(d, now_ns))
			return false;
		enter(d, (enum bh_drain_phase)(d->phase + 1), now_ns);
	}
	return false;
}

int64_t bh_drain_due(const struct bh_drain *d)
{
	if (d->phase == BH_DRAIN_IDLE || d->phase == BH_DRAIN_DONE)
		return INT64_MAX;
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		if (concerns(d->phase, (enum bh_role)i) && d->role[i].alive && !d->role[i].gave_up)
			return d->phase_limit_ns;
	}
	return d->phase_limit_ns + REAP_NS;
}

const char *bh_drain_result_name(enum bh_drain_result result)
{
	static const char *const names[] = {
	    [BH_DRAIN_NOT_RUNNING] = "not-running",
	    [BH_DRAIN_PENDING] = "pending",
	    [BH_DRAIN_OK] = "ok",
	    [BH_DRAIN_TIMEOUT] = "timeout",
	    [BH_DRAIN_CRASHED] = "crashed",
	};

	return names[result];
}
