#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include "dogstatsd/histogram.h"
#include "tests/unit/dogstatsd/fixture.h"

static double result(struct bh_histogram *h, enum bh_aggregate what, int percent)
{
	struct bh_hist_output o = {.what = what, .percent = percent};

	return bh_histogram_result(h, &o);
}

static void add(struct bh_histogram *h, double v, double rate)
{
	cr_assert_eq(bh_histogram_add(h, v, rate), 0);
}

#define NEAR(a, b) cr_expect(fabs((a) - (b)) < 1e-9, "%.17g is not %.17g", (a), (b))

Test(histogram, gives_the_example_without_rates)
{
	static const double values[] = {1, 10, 4, 5, 2, 2};
	struct bh_histogram h = BH_HISTOGRAM_INIT;

	for (size_t i = 0; i < BH_ARRAY_LEN(values); i++)
		add(&h, values[i], 1);
	NEAR(result(&h, BH_AGG_MAX, 0), 10.0);
	NEAR(result(&h, BH_AGG_MIN, 0), 1.0);
	NEAR(result(&h, BH_AGG_MEDIAN, 0), 2.0);
	NEAR(result(&h, BH_AGG_AVG, 0), 4.0);
	NEAR(result(&h, BH_AGG_SUM, 0), 24.0);
	NEAR(result(&h, BH_AGG_COUNT, 0), 6.0);
	NEAR(result(&h, BH_AGG_PERCENTILE, 95), 10.0);
	bh_histogram_release(&h);
}

Test(histogram, gives_the_example_with_rates)
{
	struct bh_histogram h = BH_HISTOGRAM_INIT;

	add(&h, 1, 1);
	add(&h, 2, 0.5);
	add(&h, 3, 0.2);
	add(&h, 10, 0.5);
	NEAR(result(&h, BH_AGG_COUNT, 0), 10.0);
	NEAR(result(&h, BH_AGG_MEDIAN, 0), 3.0);
	NEAR(result(&h, BH_AGG_AVG, 0), 4.0);
	NEAR(result(&h, BH_AGG_SUM, 0), 40.0);
	NEAR(result(&h, BH_AGG_PERCENTILE, 20), 2.0);
	NEAR(result(&h, BH_AGG_PERCENTILE, 80), 3.0);
	bh_histogram_release(&h);
}

Test(histogram, truncates_weights_but_not_sums)
{
	struct bh_histogram h = BH_HISTOGRAM_INIT;

	add(&h, 10, 0.3);
	NEAR(result(&h, BH_AGG_COUNT, 0), 3.0);
	NEAR(result(&h, BH_AGG_SUM, 0), 100.0 / 3);
	NEAR(result(&h, BH_AGG_AVG, 0), 100.0 / 9);
	bh_histogram_release(&h);
}

Test(histogram, takes_rates_outside_of_0_to_1_as_1)
{
	static const double rates[] = {0, -1, 2, NAN, INFINITY};
	struct bh_histogram h = BH_HISTOGRAM_INIT;

	for (size_t i = 0; i < BH_ARRAY_LEN(rates); i++)
		add(&h, 2, rates[i]);
	NEAR(result(&h, BH_AGG_COUNT, 0), 5.0);
	NEAR(result(&h, BH_AGG_SUM, 0), 10.0);
	bh_histogram_release(&h);
}

Test(histogram, answers_for_a_single_value_at_both_ends)
{
	struct bh_histogram h = BH_HISTOGRAM_INIT;

	add(&h, 7, 1);
	NEAR(result(&h, BH_AGG_PERCENTILE, 0), 7.0);
	NEAR(result(&h, BH_AGG_PERCENTILE, 100), 7.0);
	NEAR(result(&h, BH_AGG_MEDIAN, 0), 7.0);
	bh_histogram_release(&h);
}

Test(histogram, accepts_values_after_a_result_was_asked)
{
	struct bh_histogram h = BH_HISTOGRAM_INIT;

	add(&h, 7, 1);
	NEAR(result(&h, BH_AGG_MAX, 0), 7.0);
	add(&h, 3, 1);
	NEAR(result(&h, BH_AGG_MIN, 0), 3.0);
	bh_histogram_release(&h);
}

Test(histogram, reads_its_outputs_from_the_configuration)
{
	char *words[] = {(char[]){"count"}, (char[]){"sum"}, (char[]){"p99"}, (char[]){"count"},
	    (char[]){"min"}};
	char *percents[] = {(char[]){"0.995"}, (char[]){"0.5"}, (char[]){"0.95"}, (char[]){"0.951"},
	    (char[]){"1.1"}, (char[]){"-0.1"}, (char[]){"x"}, (char[]){"0"}, (char[]){"nan"}};
	struct bh_strlist a = fixture_list(words, 5), p = fixture_list(percents, 9);
	static const char *const want[] = {".count", ".sum", ".min", ".0percentile",
	    ".50percentile", ".95percentile", ".100percentile"};
	struct bh_hist_outputs o;

	bh_hist_outputs_init(&o, &a, &p);
	cr_assert_eq(o.n, BH_ARRAY_LEN(want));
	for (size_t i = 0; i < o.n; i++)
		cr_expect_str_eq(o.v[i].suffix, want[i]);
	cr_expect_eq(o.skipped, 5);
}
