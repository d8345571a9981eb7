#include <criterion/criterion.h>

#include "common/clock.h"
#include "dogstatsd/rate.h"

Test(rate, tells_the_latest_and_the_busiest_of_the_seconds_it_remembers)
{
	static const struct {
		int64_t at_ms;
		uint64_t count, last, busiest;
	} ticks[] = {
	    {1000, 10, 10, 10},
	    {2000, 10, 0, 10},
	    {3000, 35, 25, 25},
	    {3000, 99, 25, 25}, /* no time has passed */
	    {4000, 36, 1, 25},
	    {5000, 38, 2, 25},
	    {6000, 41, 3, 3},       /* the ring has three places */
	    {10000, 441, 100, 100}, /* late: four seconds in one */
	    {10500, 446, 10, 100},
	};
	struct bh_rate r;

	cr_assert_eq(bh_rate_init(&r, 3, 0, 0), 0);
	cr_expect_eq(bh_rate_last(&r), 0);
	cr_expect_eq(bh_rate_busiest(&r), 0);
	for (size_t i = 0; i < BH_ARRAY_LEN(ticks); i++) {
		bh_rate_tick(&r, ticks[i].count, ticks[i].at_ms * BH_NS_PER_MS);
		cr_expect_eq(bh_rate_last(&r), ticks[i].last, "tick %zu", i);
		cr_expect_eq(bh_rate_busiest(&r), ticks[i].busiest, "tick %zu", i);
	}
	bh_rate_release(&r);
}

Test(rate, counts_from_where_the_counter_stands)
{
	struct bh_rate r;

	cr_assert_eq(bh_rate_init(&r, 1, 1000, BH_NS_PER_S), 0);
	bh_rate_tick(&r, 1007, 2 * BH_NS_PER_S);
	cr_expect_eq(bh_rate_last(&r), 7);
	bh_rate_release(&r);
}
