#include <criterion/criterion.h>

#include <float.h>
#include <math.h>
#include <stdio.h>

#include "common/rng.h"
#include "dogstatsd/sketch.h"

#define NEAR(a, b) cr_expect(fabs((a) - (b)) <= 1e-9 * fabs(b), "%.17g is not %.17g", (a), (b))

static const char *bins(const struct bh_sketch *s)
{
	static char out[512];
	size_t at = 0;

	out[0] = '\0';
	for (uint32_t i = 0; i < s->len; i++)
		at += (size_t)snprintf(out + at, sizeof(out) - at, "%s%d:%lld", i ? " " : "",
		    bh_bin_key(s->bins[i]), (long long)bh_bin_n(s->bins[i]));
	return out;
}

static void add(struct bh_sketch *s, double v, double rate)
{
	cr_assert_eq(bh_sketch_add(s, v, rate), 0);
}

Test(sketch, keys_follow_the_table)
{
	static const struct {
		double v;
		int key;
	} rows[] = {
	    {0, 0},
	    {1e-10, 0},
	    {9.9e-10, 0},
	    {1e-9, 1},
	    {0.001, 892},
	    {0.1, 1189},
	    {0.5, 1293},
	    {-1, -1338},
	    {1, 1338},
	    {1.01, 1339},
	    {2, 1383},
	    {3, 1409},
	    {3.14, 1412},
	    {5, 1442},
	    {10, 1487},
	    {42, 1579},
	    {50, 1590},
	    {99, 1634},
	    {99.9, 1635},
	    {100, 1635},
	    {100.5, 1635},
	    {-100, -1635},
	    {1000, 1784},
	    {10000, 1932},
	    {1e6, 2229},
	    {1e9, 2675},
	    {1e18, 4011},
	    {1e300, 32767},
	    {-1e300, -32767},
	    {DBL_MAX, 32767},
	    {4e211, 32764},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++)
		cr_expect_eq(bh_sketch_key(rows[i].v), rows[i].key, "%g gave %d", rows[i].v,
		    bh_sketch_key(rows[i].v));
}

Test(sketch, keys_of_the_powers_of_gamma_are_exact)
{
	for (int k = 1; k <= 5000; k++)
		cr_expect_eq(bh_sketch_key(pow(1.015625, k - 1338)), k, "key %d", k);
}

Test(sketch, counts_whole_samples)
{
	struct bh_sketch s = BH_SKETCH_INIT;

	for (int v = 0; v <= 9; v++)
		add(&s, v, 1);
	cr_expect_str_eq(
	    bins(&s), "0:1 1338:1 1383:1 1409:1 1427:1 1442:1 1454:1 1464:1 1472:1 1480:1");
	cr_expect_eq(s.cnt, 10);
	cr_expect(s.min == 0 && s.max == 9);
	NEAR(s.sum, 45.0);
	NEAR(s.avg, 4.5);
	bh_sketch_release(&s);
}

Test(sketch, weighs_by_the_truncated_inverse_of_the_rate_and_sums_by_the_exact_one)
{
	struct bh_sketch s = BH_SKETCH_INIT, one = BH_SKETCH_INIT;

	add(&one, 10, 0.3);
	cr_expect_str_eq(bins(&one), "1487:3");
	cr_expect_eq(one.cnt, 3);
	NEAR(one.sum, 100.0 / 3);
	NEAR(one.avg, 10.0);
	add(&s, 10, 0.1);
	add(&s, 20, 0.5);
	add(&s, 30, 1);
	cr_expect_str_eq(bins(&s), "1487:10 1531:2 1557:1");
	cr_expect_eq(s.cnt, 13);
	NEAR(s.sum, 170.0);
	NEAR(s.avg, 170.0 / 13);
	cr_expect(s.min == 10 && s.max == 30);
	bh_sketch_release(&s);
	bh_sketch_release(&one);
}

Test(sketch, takes_rates_outside_of_0_to_1_as_1)
{
	static const double rates[] = {0, -1, 2, NAN, INFINITY, -INFINITY};
	struct bh_sketch s = BH_SKETCH_INIT;

	for (size_t i = 0; i < BH_ARRAY_LEN(rates); i++)
		add(&s, 1, rates[i]);
	cr_expect_eq(s.cnt, 6);
	cr_expect_eq(s.sum, 6);
	bh_sketch_release(&s);
}

static void expect_folded(const struct bh_sketch *s)
{
	cr_assert_eq(s->len, 4096);
	cr_expect_eq(bh_bin_key(s->bins[0]), 905);
	cr_expect_eq(bh_bin_n(s->bins[0]), 905);
	for (uint32_t i = 1; i < s->len; i++) {
		cr_assert_eq(bh_bin_key(s->bins[i]), 905 + (int)i);
		cr_assert_eq(bh_bin_n(s->bins[i]), 1);
	}
	cr_expect_eq(s->cnt, 5000);
}

Test(sketch, folds_the_lowest_bins_upwards)
{
	struct bh_sketch s = BH_SKETCH_INIT;

	for (int k = 1; k <= 5000; k++)
		add(&s, pow(1.015625, k - 1338), 1);
	expect_folded(&s);
	bh_sketch_release(&s);
}

Test(sketch, folds_to_the_same_bins_whatever_the_order)
{
	struct bh_sketch s = BH_SKETCH_INIT;
	struct bh_rng rng;
	int keys[5000];

	bh_rng_seed(&rng, 3);
	for (int i = 0; i < 5000; i++)
		keys[i] = i + 1;
	for (size_t i = 4999; i > 0; i--) {
		size_t j = bh_rng_u64(&rng) % (i + 1);
		int k = keys[i];

		keys[i] = keys[j];
		keys[j] = k;
	}
	for (int i = 0; i < 5000; i++)
		add(&s, pow(1.015625, keys[i] - 1338), 1);
	expect_folded(&s);
	bh_sketch_release(&s);
}

Test(sketch, never_holds_a_value_that_is_not_finite)
{
	struct bh_sketch s = BH_SKETCH_INIT;

	add(&s, DBL_MAX, 1);
	add(&s, DBL_MAX, 0.1);
	add(&s, -DBL_MAX, 1e-300);
	cr_expect(isfinite(s.sum) && isfinite(s.avg) && isfinite(s.min) && isfinite(s.max));
	bh_sketch_release(&s);
}

Test(sketch, keeps_cnt_equal_to_the_sum_of_its_bins)
{
	struct bh_sketch s = BH_SKETCH_INIT;
	struct bh_rng rng;
	int64_t n = 0;

	bh_rng_seed(&rng, 11);
	for (int i = 0; i < 20000; i++) {
		double v = bh_rng_range(&rng, -30, 40);

		add(&s, (i & 1 ? 1 : -1) * exp(v), bh_rng_range(&rng, 0.001, 1));
	}
	for (uint32_t i = 0; i < s.len; i++) {
		n += bh_bin_n(s.bins[i]);
		cr_assert(i == 0 || bh_bin_key(s.bins[i]) > bh_bin_key(s.bins[i - 1]));
	}
	cr_expect_eq(n, s.cnt);
	cr_expect_leq(s.len, BH_SKETCH_BINS_MAX);
	bh_sketch_release(&s);
}

/* Parts in any order give the bins that all values in one sketch give. */
Test(sketch, merged_parts_hold_what_one_sketch_would)
{
	struct bh_sketch all = BH_SKETCH_INIT,
			 parts[3] = {BH_SKETCH_INIT, BH_SKETCH_INIT, BH_SKETCH_INIT};
	struct bh_rng rng;

	bh_rng_seed(&rng, 5);
	for (int i = 0; i < 20000; i++) {
		double v = ((double)(bh_rng_u64(&rng) % 2001) - 1000) * pow(10, i % 40 - 20);

		cr_assert_eq(bh_sketch_add(&all, v, 0.5), 0);
		cr_assert_eq(bh_sketch_add(&parts[i % 3], v, 0.5), 0);
	}
	cr_assert_eq(bh_sketch_merge(&parts[1], &parts[0]), 0);
	cr_assert_eq(bh_sketch_merge(&parts[2], &parts[1]), 0);
	cr_assert_eq(parts[2].cnt, all.cnt);
	cr_assert_eq(parts[2].len, all.len);
	cr_expect_eq(memcmp(parts[2].bins, all.bins, all.len * sizeof(*all.bins)), 0);
	cr_expect_eq(parts[2].min, all.min);
	cr_expect_eq(parts[2].max, all.max);
	cr_expect_lt(fabs(parts[2].sum - all.sum), fabs(all.sum) * 1e-9);
	cr_expect_lt(fabs(parts[2].avg - all.avg), fabs(all.avg) * 1e-6);
	for (int i = 0; i < 3; i++)
		bh_sketch_release(&parts[i]);
	bh_sketch_release(&all);
}

Test(sketch, merging_with_nothing_changes_nothing)
{
	struct bh_sketch a = BH_SKETCH_INIT, none = BH_SKETCH_INIT;

	cr_assert_eq(bh_sketch_merge(&a, &none), 0);
	cr_expect_eq(a.cnt, 0);
	cr_assert_eq(bh_sketch_add(&none, -3, 1), 0);
	cr_assert_eq(bh_sketch_merge(&a, &none), 0);
	cr_expect(a.cnt == 1 && a.min == -3 && a.max == -3 && a.sum == -3 && a.avg == -3);
	bh_sketch_release(&none);
	cr_assert_eq(bh_sketch_merge(&a, &none), 0);
	cr_expect(a.cnt == 1 && a.avg == -3);
	bh_sketch_release(&a);
}
