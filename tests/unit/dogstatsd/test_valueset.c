#include <criterion/criterion.h>

#include <stdio.h>

#include "dogstatsd/valueset.h"

Test(valueset, counts_distinct_strings_once)
{
	struct bh_valueset s = BH_VALUESET_INIT;
	char text[32];

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 5000; i++) {
			int n = snprintf(text, sizeof(text), "user:%d", i);

			cr_assert_eq(bh_valueset_add(&s, (struct bh_str){text, (size_t)n}, 9), 0);
		}
	}
	cr_expect_eq(s.n, 5000);
	bh_valueset_release(&s);
}

Test(valueset, tells_bytes_apart_that_look_alike)
{
	struct bh_valueset s = BH_VALUESET_INIT;

	cr_assert_eq(bh_valueset_add(&s, BH_STR_LIT(""), 1), 0);
	cr_assert_eq(bh_valueset_add(&s, BH_STR_LIT("\0"), 1), 0);
	cr_assert_eq(bh_valueset_add(&s, BH_STR_LIT("1"), 1), 0);
	cr_assert_eq(bh_valueset_add(&s, BH_STR_LIT("1.0"), 1), 0);
	cr_assert_eq(bh_valueset_add(&s, (struct bh_str){NULL, 0}, 1), 0);
	cr_expect_eq(s.n, 4);
	bh_valueset_release(&s);
}
