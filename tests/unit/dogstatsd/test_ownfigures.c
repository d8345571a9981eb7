#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "dogstatsd/open_samples.h"
#include "dogstatsd/ownfigures.h"

static struct bh_own_figures own;

static void give(bool is_count, const char *name, double value)
{
	struct bh_figure f = {.is_count = is_count, .tags = "a:1", .value = value};
	struct bh_buf bytes = BH_BUF_INIT;

	(void)snprintf(f.name, sizeof(f.name), "%s", name);
	cr_assert_eq(bh_figure_encode(&f, &bytes), 0);
	bh_own_figures_take(&own, bh_buf_view(&bytes));
	bh_buf_release(&bytes);
}

/* "name=value;" of the next flush. */
static void expect_flush(const char *want)
{
	struct bh_buf bytes = BH_BUF_INIT, text = BH_BUF_INIT;
	struct bh_figure f;
	struct bh_cur in;

	bh_own_figures_flush(&own, &bytes);
	in = bh_cur_init(bytes.data, bytes.len);
	while (in.left) {
		cr_assert_eq(bh_figure_decode(&in, &f), 0);
		cr_assert_str_eq(f.tags, "a:1");
		bh_buf_printf(&text, "%s=%g;", f.name, f.value);
	}
	cr_assert_str_eq(text.data ? text.data : "", want);
	bh_buf_release(&bytes);
	bh_buf_release(&text);
}

Test(ownfigures, counts_add_up_until_a_flush_and_gauges_are_the_last_one)
{
	give(true, "c", 2);
	give(false, "g", 7);
	give(true, "c", 3);
	give(false, "g", 1.5);
	expect_flush("c=5;g=1.5;");
	expect_flush("");
	give(true, "c", 4);
	expect_flush("c=4;");
	bh_own_figures_release(&own);
}

Test(ownfigures, more_than_there_may_be_are_left_out)
{
	char name[16];

	for (int i = 0; i < BH_OWN_FIGURES + 5; i++) {
		(void)snprintf(name, sizeof(name), "m%d", i);
		give(false, name, 1);
	}
	cr_assert_eq(own.n, BH_OWN_FIGURES);
	bh_own_figures_release(&own);
}

Test(ownfigures, bytes_that_are_no_figures_are_left)
{
	bh_own_figures_take(&own, (struct bh_str){"\x01\x05"
						  "ab",
				      4});
	cr_assert_eq(own.n, 0);
	bh_own_figures_release(&own);
}

/* Samples are in flight while they are in buckets that no flush took (spec/dogstatsd.md §9). */
Test(open_samples, those_of_closed_buckets_leave_with_the_next_flush)
{
	struct bh_open_samples o = {0};
	struct bh_ledger l = {0};

	bh_open_samples_note(&o, &l, 1009);
	l.received = l.delivered = 5;
	cr_assert_eq(bh_open_samples_row(&o, &l).in_flight, 5);
	bh_open_samples_flush(&o, &l, 1009, false);
	cr_assert_eq(bh_open_samples_row(&o, &l).in_flight, 5);
	bh_open_samples_note(&o, &l, 1010);
	l.received = l.delivered = 7;
	bh_open_samples_flush(&o, &l, 1012, false);
	cr_assert_eq(bh_open_samples_row(&o, &l).in_flight, 2);
	cr_assert_eq(bh_open_samples_row(&o, &l).delivered, 5);
	bh_open_samples_flush(&o, &l, 1025, false);
	cr_assert_eq(bh_open_samples_row(&o, &l).in_flight, 0);
	l.received = ++l.delivered;
	bh_open_samples_flush(&o, &l, 1025, true);
	cr_assert_eq(bh_open_samples_row(&o, &l).in_flight, 0);
}
