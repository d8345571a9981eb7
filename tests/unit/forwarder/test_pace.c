/* How many requests are under way: against simulated intakes (spec/intake.md §14.1). */
#include <criterion/criterion.h>

#include "common/attrs.h"
#include "common/clock.h"
#include "forwarder/pace.h"

#define BODY 160000U

/* An intake far away, behind a link that carries so much. */
struct far {
	struct bh_pace pace;
	int64_t latency_ns, now_ns, link_free_ns;
	uint64_t body;
	uint64_t link_rate; /* bytes/s; 0 = no limit */
	int64_t sent[BH_PACE_MAX], due[BH_PACE_MAX];
	unsigned under_way, offered; /* offered: never more than that; 0 = always one more */
	uint64_t taken;
};

static void send_all(struct far *f)
{
	while (f->under_way < f->pace.slots && (!f->offered || f->under_way < f->offered)) {
		int64_t through = f->now_ns;

		if (f->link_rate) {
			f->link_free_ns = BH_MAX(f->link_free_ns, f->now_ns) +
					  (int64_t)(f->body * (uint64_t)BH_NS_PER_S / f->link_rate);
			through = f->link_free_ns;
		}
		f->sent[f->under_way] = f->now_ns;
		f->due[f->under_way++] = through + f->latency_ns;
	}
	bh_pace_filled(&f->pace, f->under_way);
}

static void answer_first(struct far *f)
{
	unsigned first = 0;

	for (unsigned i = 1; i < f->under_way; i++) {
		if (f->due[i] < f->due[first])
			first = i;
	}
	f->now_ns = BH_MAX(f->now_ns, f->due[first]);
	f->taken += f->body;
	bh_pace_taken(&f->pace, f->sent[first], f->now_ns, f->body);
	f->under_way--;
	f->sent[first] = f->sent[f->under_way];
	f->due[first] = f->due[f->under_way];
}

/* Bytes/s of the last half of so many seconds. */
static double run(struct far *f, int64_t s)
{
	int64_t end = f->now_ns + s * BH_NS_PER_S, half = f->now_ns + s * BH_NS_PER_S / 2;
	uint64_t before = 0;

	while (f->now_ns < end) {
		send_all(f);
		answer_first(f);
		if (f->now_ns < half)
			before = f->taken;
	}
	return (double)(f->taken - before) / (double)(s - s / 2);
}

static struct far far_of(int64_t latency_ms, uint64_t link_rate)
{
	struct far f = {.body = BODY,
	    .latency_ns = latency_ms * BH_NS_PER_MS,
	    .link_rate = link_rate,
	    .now_ns = 5};

	bh_pace_init(&f.pace, 4, BH_PACE_MAX);
	return f;
}

Test(pace, a_second_of_latency_costs_nothing)
{
	struct far f = far_of(1000, 33000000);
	double rate = run(&f, 40);

	cr_expect_gt(rate, 31e6, "%.0f bytes/s with %u requests", rate, f.pace.slots);
	cr_expect(bh_pace_is_slow(&f.pace));
}

/* 160 kB at 1 MB/s: four of them take 0.65 s each. With 256 each would take 41 s, longer than any
 * request may. */
Test(pace, a_thin_link_is_not_filled_with_requests)
{
	struct far f = far_of(20, 1000000);
	double rate = run(&f, 300);

	cr_expect_gt(rate, 0.95e6);
	cr_expect_leq(f.pace.slots, 16, "%u", f.pace.slots);
}

Test(pace, quick_answers_need_few)
{
	struct far f = far_of(1000, 0);

	(void)run(&f, 30);
	cr_expect_eq(f.pace.slots, BH_PACE_MAX);
	f.latency_ns = 2 * BH_NS_PER_MS;
	(void)run(&f, 30);
	cr_expect_eq(f.pace.slots, 4, "%u", f.pace.slots);
	cr_expect(!bh_pace_is_slow(&f.pace));
}

Test(pace, what_has_nothing_to_send_learns_nothing)
{
	struct far f = far_of(1000, 0);

	f.offered = 2;
	(void)run(&f, 100);
	cr_expect_eq(f.pace.slots, 4);
}

/* Small bodies for a while: that is no reason to be content with few requests. */
Test(pace, less_to_send_is_not_taken_for_a_link_that_is_full)
{
	struct far f = far_of(100, 0);

	while (!f.pace.before)
		(void)run(&f, 1);
	f.body = BODY / 8;
	(void)run(&f, 1);
	f.body = BODY;
	(void)run(&f, 5);
	cr_expect_eq(f.pace.slots, BH_PACE_MAX, "%u", f.pace.slots);
}

Test(pace, the_first_error_takes_it_back)
{
	struct far f = far_of(1000, 0);

	(void)run(&f, 30);
	bh_pace_failed(&f.pace, f.now_ns);
	cr_expect_eq(f.pace.slots, 4);
}

Test(pace, a_fixed_number_stays)
{
	struct far f = far_of(1000, 0);

	bh_pace_init(&f.pace, 10, 10);
	(void)run(&f, 30);
	cr_expect_eq(f.pace.slots, 10);
	bh_pace_failed(&f.pace, f.now_ns);
	cr_expect_eq(f.pace.slots, 10);
}

Test(pace, clocks_that_stand_still_or_jump_do_no_harm)
{
	struct bh_pace p;

	bh_pace_init(&p, 1, 8);
	for (int i = 0; i < 100; i++)
		bh_pace_taken(&p, 1000, 1000, 1);
	bh_pace_taken(&p, INT64_MAX, 1, UINT32_MAX);
	bh_pace_taken(&p, 1, INT64_MAX, UINT32_MAX);
	cr_expect_geq(p.slots, 1);
	cr_expect_leq(p.slots, 8);
}
