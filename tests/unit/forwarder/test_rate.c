/* Bytes per second over the last interval (spec/intake.md §13.5). */
#include <criterion/criterion.h>

#include "common/attrs.h"
#include "common/clock.h"
#include "forwarder/rate.h"

#define S(n)  ((int64_t)(n)*BH_NS_PER_S)
#define BEGIN S(900000) /* what the clock says is far from zero */

struct step {
	int64_t at_s;
	uint64_t bytes;
	uint64_t want; /* bytes per second; of whole numbers only */
};

static void run(const struct step *steps, size_t n)
{
	struct bh_rate r;

	bh_rate_init(&r, 900);
	cr_assert_eq(bh_rate_milli(&r, BEGIN), 0);
	for (size_t i = 0; i < n; i++) {
		int64_t now = BEGIN + S(steps[i].at_s);

		if (steps[i].bytes)
			bh_rate_add(&r, now, steps[i].bytes);
		cr_expect_eq(bh_rate_milli(&r, now) / 1000, steps[i].want, "step %zu: %llu", i,
		    (unsigned long long)bh_rate_milli(&r, now));
	}
}

Test(rate, is_of_the_time_since_the_first_byte_and_of_15_s_at_least)
{
	static const struct step steps[] = {
	    {0, 1500, 100}, {1, 1500, 200}, {15, 0, 200}, {30, 0, 100}, {300, 27000, 100}};

	run(steps, BH_ARRAY_LEN(steps));
}

Test(rate, forgets_what_is_older_than_the_interval)
{
	/* 900 s in slots of 15: what the slot under way has is beside them. */
	static const struct step steps[] = {
	    {0, 900000, 60000}, {450, 0, 2000}, {900, 0, 1000}, {915, 0, 0}, {930, 9000, 10}};

	run(steps, BH_ARRAY_LEN(steps));
}

Test(rate, a_silence_of_any_length_leaves_nothing_behind)
{
	static const struct step steps[] = {
	    {0, 900000, 60000}, {90000000, 0, 0}, {90000000, 90000, 100}};

	run(steps, BH_ARRAY_LEN(steps));
}

Test(rate, a_steady_flow_is_what_it_is_whatever_the_interval)
{
	static const int64_t spans[] = {1, 7, 60, 900, 86400L * 365};

	for (size_t i = 0; i < BH_ARRAY_LEN(spans); i++) {
		struct bh_rate r;
		uint64_t milli = 0;

		bh_rate_init(&r, spans[i]);
		for (int64_t s = 0; s <= 3000; s++) {
			bh_rate_add(&r, BEGIN + S(s), 0);
			for (int64_t part = 0; part < 100; part++)
				bh_rate_add(&r, BEGIN + S(s) + part * S(1) / 100, 10);
			milli = bh_rate_milli(&r, BEGIN + S(s + 1));
		}
		if (spans[i] >= 60)
			cr_expect(milli > 980000 && milli < 1020000, "%lld s: %llu",
			    (long long)spans[i], (unsigned long long)milli);
		else
			cr_expect(milli > 0 && milli < 1020000, "%lld s: %llu", (long long)spans[i],
			    (unsigned long long)milli);
	}
}
