#include <criterion/criterion.h>

#include <stdio.h>

#include "tests/unit/dogstatsd/fixture.h"

static struct fixture f;

static void setup(void)
{
	fixture_defaults(&f);
	fixture_open(&f);
}

static void teardown(void)
{
	fixture_close(&f);
}

TestSuite(sampler, .init = setup, .fini = teardown);

static void expect_flush(int64_t now, const char *want)
{
	const char *got = fixture_flush(&f, now, false);

	cr_expect_str_eq(got, want, "flush at %lld gave\n%s\nnot\n%s", (long long)now, got, want);
}

Test(sampler, a_counter_becomes_a_rate_over_ten_seconds)
{
	fixture_send(&f, 1000, "a:1|c\na:2.5|c|@0.5\na:4|c|@2");
	fixture_send(&f, 1009, "a:1:1:1|c");
	expect_flush(1010, "a rate host=h tags= interval=10 1000:1.1\n");
}

Test(sampler, a_counter_takes_nan_zero_and_negative_rates_as_one)
{
	fixture_send(&f, 1000, "a:1|c|@0\na:2|c|@-1\na:3|c|@NaN");
	expect_flush(1010, "a rate host=h tags= interval=10 1000:0.6\n");
}

Test(sampler, a_gauge_keeps_its_last_value_and_ignores_the_rate)
{
	fixture_send(&f, 1000, "a:1|g\na:7:9|g|@0.1");
	expect_flush(1010, "a gauge host=h tags= interval=10 1000:9\n");
}

Test(sampler, a_set_counts_distinct_strings)
{
	fixture_send(&f, 1000, "a:x|s\na:y|s\na:x|s|@0.1\na:x:y|s");
	expect_flush(1010, "a gauge host=h tags= interval=10 1000:3\n");
}

Test(sampler, a_histogram_becomes_its_aggregates)
{
	fixture_send(&f, 1000, "a:1:10:4|h\na:5:2:2|ms");
	expect_flush(1010, "a.95percentile gauge host=h tags= interval=10 1000:10\n"
			   "a.avg gauge host=h tags= interval=10 1000:4\n"
			   "a.count rate host=h tags= interval=10 1000:0.6\n"
			   "a.max gauge host=h tags= interval=10 1000:10\n"
			   "a.median gauge host=h tags= interval=10 1000:2\n");
}

Test(sampler, a_distribution_becomes_a_sketch_with_a_point_per_bucket)
{
	fixture_send(&f, 1000, "a:1:1:2|d|#x:y");
	fixture_send(&f, 1010, "a:10|d|@0.3|#x:y");
	expect_flush(1020, "a sketch host=h tags=x:y"
			   " 1000:cnt=3,min=1,max=2,avg=1.333333333,sum=4,bins=1338*2/1383*1"
			   " 1010:cnt=3,min=10,max=10,avg=10,sum=33.33333333,bins=1487*3\n");
}

Test(sampler, flushes_buckets_that_are_closed_at_the_tick)
{
	fixture_send(&f, 1003, "a:1|g");
	fixture_send(&f, 1014, "a:2|g");
	fixture_send(&f, 1021, "a:3|g");
	expect_flush(1007, "");
	expect_flush(1022, "a gauge host=h tags= interval=10 1000:1 1010:2\n");
	expect_flush(1037, "a gauge host=h tags= interval=10 1020:3\n");
	expect_flush(1052, "");
}

Test(sampler, a_bucket_covers_ten_seconds_from_its_start)
{
	fixture_send(&f, 1010, "a:1|c");
	fixture_send(&f, 1019, "a:1|c");
	fixture_send(&f, 1020, "a:1|c");
	expect_flush(1019, "");
	expect_flush(1020, "a rate host=h tags= interval=10 1010:0.2\n");
	expect_flush(1030, "a rate host=h tags= interval=10 1020:0.1\n");
}

Test(sampler, tag_order_and_duplicates_do_not_make_contexts)
{
	fixture_send(&f, 1000, "a:1|c|#x,y\na:1|c|#y,x\na:1|c|#y,x,y\na:1|c|#host:h,x,y");
	fixture_send(&f, 1000, "a:1|c|#x,y,host:other");
	expect_flush(1010, "a rate host=h tags=x,y interval=10 1000:0.4\n"
			   "a rate host=other tags=x,y interval=10 1000:0.1\n");
}

/* --- zero filling ---------------------------------------------------------------------------- */

Test(sampler, an_idle_counter_gives_zeros_and_skips_every_third_bucket)
{
	fixture_send(&f, 1003, "a:5|c");
	expect_flush(1015, "a rate host=h tags= interval=10 1000:0.5\n");
	expect_flush(1030, "a rate host=h tags= interval=10 1020:0\n");
	expect_flush(1045, "a rate host=h tags= interval=10 1030:0\n");
	expect_flush(1060, "a rate host=h tags= interval=10 1050:0\n");
	expect_flush(1075, "a rate host=h tags= interval=10 1060:0\n");
}

Test(sampler, two_flushes_with_one_cut_off_give_one_zero)
{
	fixture_send(&f, 1000, "a:5|c");
	expect_flush(1010, "a rate host=h tags= interval=10 1000:0.5\n");
	expect_flush(1012, "");
	expect_flush(1020, "a rate host=h tags= interval=10 1010:0\n");
	expect_flush(1029, "");
	expect_flush(1005, "");
}

Test(sampler, zeros_are_added_to_every_closed_bucket_that_exists)
{
	fixture_send(&f, 1000, "idle:5|c\nbusy:1|c");
	fixture_send(&f, 1010, "busy:1|c");
	fixture_send(&f, 1020, "busy:1|c");
	expect_flush(1030, "busy rate host=h tags= interval=10 1000:0.1 1010:0.1 1020:0.1\n"
			   "idle rate host=h tags= interval=10 1000:0.5 1010:0 1020:0\n");
}

Test(sampler, a_store_with_only_an_open_bucket_gives_no_zero)
{
	fixture_send(&f, 1000, "a:5|c");
	expect_flush(1015, "a rate host=h tags= interval=10 1000:0.5\n");
	fixture_send(&f, 1030, "b:1|g");
	expect_flush(1030, "");
	expect_flush(1045, "a rate host=h tags= interval=10 1030:0\n"
			   "b gauge host=h tags= interval=10 1030:1\n");
}

Test(sampler, sketch_buckets_do_not_count_as_buckets_for_zeros)
{
	fixture_send(&f, 1000, "a:5|c");
	expect_flush(1015, "a rate host=h tags= interval=10 1000:0.5\n");
	fixture_send(&f, 1029, "d:1|d");
	expect_flush(1030,
	    "a rate host=h tags= interval=10 1020:0\n"
	    "d sketch host=h tags= 1020:cnt=1,min=1,max=1,avg=1,sum=1,bins=1338*1\n");
}

Test(sampler, zeros_end_with_the_expiry_and_do_not_prolong_it)
{
	const char *zero = "a rate host=h tags= interval=10 1290:0\n";

	fixture_send(&f, 1000, "a:5|c");
	expect_flush(1010, "a rate host=h tags= interval=10 1000:0.5\n");
	for (int64_t t = 1020; t < 1300; t += 10)
		(void)fixture_flush(&f, t, false);
	expect_flush(1300, zero);
	expect_flush(1310, "");
	expect_flush(1320, "");
	cr_expect_eq(bh_contexts_count(&f.sampler.contexts), 1);
	expect_flush(1321, "");
	cr_expect_eq(bh_contexts_count(&f.sampler.contexts), 0);
}

Test(sampler, gauges_sets_histograms_and_distributions_are_silent_when_idle)
{
	fixture_send(&f, 1000, "g:1|g\ns:1|s\nh:1|h\nd:1|d");
	(void)fixture_flush(&f, 1015, false);
	expect_flush(1030, "");
	expect_flush(1045, "");
	cr_expect_eq(bh_contexts_count(&f.sampler.contexts), 0);
}

Test(sampler, expiry_seconds_of_0_switches_zeros_off)
{
	fixture_close(&f);
	fixture_defaults(&f);
	f.cfg.dogstatsd_expiry_seconds = 0;
	fixture_open(&f);
	fixture_send(&f, 1000, "a:5|c\nb:NaN|c");
	expect_flush(1015, "a rate host=h tags= interval=10 1000:0.5\n");
	expect_flush(1030, "");
}

Test(sampler, a_counter_fed_as_a_gauge_gets_no_zero_over_its_value)
{
	fixture_send(&f, 1000, "a:5|c");
	expect_flush(1010, "a rate host=h tags= interval=10 1000:0.5\n");
	fixture_send(&f, 1010, "a:7|g");
	expect_flush(1020, "a gauge host=h tags= interval=10 1010:7\n");
}

/* --- type clashes and values that are not finite ------------------------------------------------
 */

Test(sampler, the_first_sample_of_a_bucket_decides_the_type)
{
	fixture_send(&f, 1000,
	    "a:5|g\na:3|c\nb:5|c\nb:3|g|@0.5\nc:1|h\nc:9|g\ne:1|s\ne:7|g\n"
	    "g:4|g\ng:x|s");
	expect_flush(1010, "a gauge host=h tags= interval=10 1000:3\n"
			   "b rate host=h tags= interval=10 1000:1.1\n"
			   "c.95percentile gauge host=h tags= interval=10 1000:9\n"
			   "c.avg gauge host=h tags= interval=10 1000:5\n"
			   "c.count rate host=h tags= interval=10 1000:0.2\n"
			   "c.max gauge host=h tags= interval=10 1000:9\n"
			   "c.median gauge host=h tags= interval=10 1000:1\n"
			   "e gauge host=h tags= interval=10 1000:2\n"
			   "g gauge host=h tags= interval=10 1000:0\n");
}

Test(sampler, a_context_that_changes_type_gives_two_series)
{
	fixture_send(&f, 1000, "a:5|g");
	fixture_send(&f, 1010, "a:5|c");
	fixture_send(&f, 1020, "a:x|s");
	expect_flush(1030, "a gauge host=h tags= interval=10 1000:5 1020:1\n"
			   "a rate host=h tags= interval=10 1010:0.5\n");
}

Test(sampler, a_distribution_never_clashes)
{
	fixture_send(&f, 1000, "a:5|g\na:1|d");
	expect_flush(1010,
	    "a gauge host=h tags= interval=10 1000:5\n"
	    "a sketch host=h tags= 1000:cnt=1,min=1,max=1,avg=1,sum=1,bins=1338*1\n");
}

Test(sampler, values_that_are_not_finite_are_ignored_but_make_context_and_bucket)
{
	fixture_send(&f, 1000, "a:NaN|c\nb:inf|g\nc:-inf|h\nd:nan|d");
	cr_expect_eq(bh_contexts_count(&f.sampler.contexts), 4);
	expect_flush(1010, "a rate host=h tags= interval=10 1000:0\n");
	cr_expect_eq(f.ledger.dropped[BH_DROP_NONFINITE], 4);
}

Test(sampler, sums_that_overflow_do_not_leave)
{
	fixture_send(&f, 1000, "a:1.7e308:1.7e308|c");
	expect_flush(1010, "");
	cr_expect_eq(f.output.nonfinite, 1);
	cr_expect_eq(f.output.received, 1);
}

/* --- clocks -------------------------------------------------------------------------------------
 */

Test(sampler, samples_after_a_jump_back_find_their_aggregates_again)
{
	fixture_send(&f, 1000, "a:1|c\nb:1|g");
	fixture_send(&f, 1010, "a:1|c\nb:2|g");
	fixture_send(&f, 1005, "a:1|c\nb:3|g");
	fixture_send(&f, 1015, "a:1|c");
	fixture_send(&f, 1005, "a:1|c");
	expect_flush(1020, "a rate host=h tags= interval=10 1000:0.3 1010:0.2\n"
			   "b gauge host=h tags= interval=10 1000:3 1010:2\n");
}

Test(sampler, samples_in_a_bucket_that_was_flushed_go_out_again)
{
	fixture_send(&f, 1000, "a:1|g");
	expect_flush(1010, "a gauge host=h tags= interval=10 1000:1\n");
	fixture_send(&f, 1001, "a:2|g");
	expect_flush(1012, "a gauge host=h tags= interval=10 1000:2\n");
}

Test(sampler, the_open_bucket_stays_usable_over_a_flush_with_zeros)
{
	fixture_send(&f, 1000, "idle:1|c\na:1|c");
	fixture_send(&f, 1010, "a:1|c\nidle:2|c");
	expect_flush(1010, "a rate host=h tags= interval=10 1000:0.1\n"
			   "idle rate host=h tags= interval=10 1000:0.1\n");
	fixture_send(&f, 1011, "b:1|c");
	fixture_send(&f, 1012, "a:1|c\nidle:2|c");
	expect_flush(1020, "a rate host=h tags= interval=10 1010:0.2\n"
			   "b rate host=h tags= interval=10 1010:0.1\n"
			   "idle rate host=h tags= interval=10 1010:0.4\n");
}

Test(sampler, zeros_in_a_closed_bucket_do_not_hide_data_of_the_open_one)
{
	fixture_send(&f, 1000, "old:1|c");
	fixture_send(&f, 1010, "new:1|c");
	expect_flush(1010, "new rate host=h tags= interval=10 1000:0\n"
			   "old rate host=h tags= interval=10 1000:0.1\n");
	fixture_send(&f, 1011, "new:1|c");
	expect_flush(1020, "new rate host=h tags= interval=10 1010:0.2\n"
			   "old rate host=h tags= interval=10 1010:0\n");
}

/* --- stop, expiry, limits
 * ------------------------------------------------------------------------- */

Test(sampler, a_stop_flushes_open_buckets_too)
{
	fixture_send(&f, 1000, "a:1|c");
	fixture_send(&f, 1013, "a:2|c\nd:1|d");
	cr_expect_str_eq(fixture_flush(&f, 1014, true),
	    "a rate host=h tags= interval=10 1000:0.1 1010:0.2\n"
	    "d sketch host=h tags= 1010:cnt=1,min=1,max=1,avg=1,sum=1,bins=1338*1\n");
	cr_expect_null(f.sampler.stores[BH_STORE_METRICS].list);
	cr_expect_null(f.sampler.stores[BH_STORE_SKETCHES].list);
}

Test(sampler, contexts_expire_after_their_time_and_counters_later)
{
	fixture_send(&f, 1000, "g:1|g\nc:1|c");
	(void)fixture_flush(&f, 1020, false);
	cr_expect_eq(bh_contexts_count(&f.sampler.contexts), 2);
	(void)fixture_flush(&f, 1021, false);
	cr_expect_eq(bh_contexts_count(&f.sampler.contexts), 1);
}

Test(sampler, a_context_with_open_data_outlives_a_tiny_expiry)
{
	fixture_close(&f);
	fixture_defaults(&f);
	f.cfg.dogstatsd_context_expiry_seconds = 0;
	fixture_open(&f);
	fixture_send(&f, 1000, "a:1|g");
	expect_flush(1009, "");
	expect_flush(1010, "a gauge host=h tags= interval=10 1000:1\n");
	cr_expect_eq(bh_contexts_count(&f.sampler.contexts), 0);
}

Test(sampler, contexts_beyond_the_limit_are_refused_and_counted)
{
	fixture_close(&f);
	fixture_defaults(&f);
	f.cfg.dogstatsd_context_limit = 1;
	fixture_open(&f);
	fixture_send(&f, 1000, "a:1|g\nb:1:2:3|g\na:2|g");
	expect_flush(1010, "a gauge host=h tags= interval=10 1000:2\n");
	cr_expect_eq(f.ledger.received, 5);
	cr_expect_eq(f.ledger.delivered, 2);
	cr_expect_eq(f.ledger.dropped[BH_DROP_CONTEXT_LIMIT], 3);
}

Test(sampler, many_contexts_keep_their_values)
{
	char line[64];
	double total = 0;

	fixture_close(&f);
	fixture_defaults(&f);
	f.cfg.dogstatsd_context_limit = 100000;
	fixture_open(&f);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 3000; i++) {
			(void)snprintf(line, sizeof(line), "m.%d:%d|c|#t:%d", i, i % 7, i % 13);
			fixture_send(&f, 1000, line);
			total += i % 7;
		}
	}
	struct bh_flush_set *set;

	cr_assert_eq(bh_sampler_flush(&f.sampler, 1010, false, &set), 0);
	cr_assert_eq(set->metrics->n, 3000);
	for (size_t i = 0; i < set->metrics->n; i++)
		total -= bh_bucket_agg(set->metrics, i)->u.value;
	cr_expect_eq(total, 0);
	bh_flush_set_free(set);
}

/* --- copies of histograms that carry a timestamp (§10) ------------------------------------------
 */

TestSuite(late_copies, .init = setup, .fini = teardown);

static void open_with_copies(void)
{
	static char prefix[] = "d.", gone[] = "gone";
	static char *names[] = {gone};

	fixture_close(&f);
	fixture_defaults(&f);
	f.cfg.histogram_copy_to_distribution = true;
	f.cfg.histogram_copy_to_distribution_prefix = prefix;
	f.cfg.metric_filterlist = fixture_list(names, 1);
	fixture_open(&f);
}

Test(late_copies, go_into_the_bucket_of_their_own_time)
{
	open_with_copies();
	fixture_send(
	    &f, 1000, "lat:1|h|#a:b|T777\nlat:3|ms|@0.5|#a:b|T778\ng:1|c|T777\nx:1|d|T777");
	cr_expect_eq(f.ledger.dropped[BH_DROP_UNSUPPORTED], 3);
	expect_flush(1010,
	    "d.lat sketch host=h tags=a:b 770:cnt=3,min=1,max=3,avg=2.333333333,sum=7,"
	    "bins=1338*1/1409*2\n");
	expect_flush(1020, "");
}

Test(late_copies, wait_for_their_bucket_to_close)
{
	open_with_copies();
	fixture_send(&f, 1000, "lat:1|h|T1015");
	expect_flush(1010, "");
	/* one more that comes in its time, and one for the bucket before */
	fixture_send(&f, 1012, "lat:1|h|T1012\nlat:1|h|T1009\nlat:1|h|T1013");
	expect_flush(1020,
	    "d.lat sketch host=h tags= 1000:cnt=1,min=1,max=1,avg=1,sum=1,bins=1338*1"
	    " 1010:cnt=3,min=1,max=1,avg=1,sum=3,bins=1338*3\n");
}

Test(late_copies, join_those_without_a_timestamp)
{
	open_with_copies();
	fixture_send(&f, 1001, "lat:1|h|T1012");
	fixture_send(&f, 1002, "d.lat:1|d");
	fixture_send(&f, 1003, "lat:1|h|T1003");
	fixture_send(&f, 1011, "d.lat:1|d");
	fixture_send(&f, 1012, "d.lat:1|d");
	expect_flush(1020,
	    "d.lat sketch host=h tags= 1000:cnt=2,min=1,max=1,avg=1,sum=2,bins=1338*2"
	    " 1010:cnt=3,min=1,max=1,avg=1,sum=3,bins=1338*3\n");
}

Test(late_copies, are_of_histograms_only_that_the_filter_keeps)
{
	open_with_copies();
	fixture_send(&f, 1000, "gone:1|h|T777\ns:1|s|T777");
	expect_flush(1010, "");
	fixture_close(&f);
	fixture_defaults(&f);
	fixture_open(&f);
	fixture_send(&f, 1000, "lat:1|h|T777");
	expect_flush(1010, "");
}

Test(late_copies, beyond_the_limits_are_lost_and_counted)
{
	char line[64];

	open_with_copies();
	fixture_send(&f, 1000, "lat:1:2|h|T99999999999999");
	cr_expect_eq(f.ingest.copies_lost, 2);
	for (int i = 0; i < BH_LATE_BUCKETS + 5; i++) {
		(void)snprintf(line, sizeof(line), "lat:1|h|T%d", 100 + 10 * i);
		fixture_send(&f, 1000, line);
	}
	cr_expect_eq(f.ingest.copies_lost, 2 + 5);
	fixture_send(&f, 1000, "lat:1|h|T100");
	cr_expect_eq(f.ingest.copies_lost, 2 + 5);
	(void)fixture_flush(&f, 2000, false);
	f.sampler.contexts.limit = 1;
	for (int i = 0; i < 3; i++)
		fixture_send(&f, 2000, "lat:1|h|T100\nlat:1|h|T200");
	cr_expect_eq(f.ingest.copies_lost, 2 + 5 + 2);
}

/* --- between the steps of a flush --------------------------------------------------------------
 */

/* Runs the flush in steps of one, with a datagram at each of them. */
static struct bh_flush_set *flush_among(int64_t now, const char *(*datagram)(int step))
{
	struct bh_flush_set *set;
	int step = 0;

	cr_assert_eq(bh_sampler_flush_begin(&f.sampler, now, false), 0);
	cr_assert_eq(bh_sampler_flush_begin(&f.sampler, now, false), BH_E_STATE);
	while (!(set = bh_sampler_flush_step(&f.sampler, 1)))
		fixture_send(&f, now, datagram(step++));
	return set;
}

static size_t aggregates_of(const struct bh_bucket *b)
{
	size_t n = 0;

	for (; b; b = b->next)
		n += b->n;
	return n;
}

/* Counters until their table moves. Returns how many. */
static unsigned fill_until_moving(int64_t now)
{
	char line[64];
	unsigned n = 0;

	while (n < 2000 || !f.sampler.contexts.by_identity.old) {
		(void)snprintf(line, sizeof(line), "m.%u:1|c", n++);
		fixture_send(&f, now, line);
	}
	return n;
}

Test(sampler, gives_zeros_to_all_counters_while_their_table_moves)
{
	struct bh_flush_set *set;
	unsigned n;

	fixture_close(&f);
	fixture_defaults(&f);
	f.cfg.dogstatsd_context_limit = 100000;
	fixture_open(&f);
	n = fill_until_moving(1000);
	cr_assert_eq(bh_sampler_flush_begin(&f.sampler, 1020, false), 0);
	while (!(set = bh_sampler_flush_step(&f.sampler, 100)))
		;
	bh_flush_set_free(set);
	fixture_send(&f, 1020, "other:1|c");
	n += 1;
	/* the table moves again, and the bucket of 1020 has one of them only */
	for (char line[64]; !f.sampler.contexts.by_identity.old; n++) {
		(void)snprintf(line, sizeof(line), "more.%u:1|c", n);
		fixture_send(&f, 1020, line);
	}
	cr_assert_eq(bh_sampler_flush(&f.sampler, 1030, false, &set), 0);
	cr_expect_eq(aggregates_of(set->metrics), n);
	bh_flush_set_free(set);
}

static const char *new_contexts(int step)
{
	static char line[64];

	(void)snprintf(line, sizeof(line), "new.%d:1|c", step);
	return line;
}

Test(sampler, samples_between_the_steps_of_a_flush_are_none_of_its_business)
{
	struct bh_flush_set *set;

	fixture_send(&f, 1000, "a:1|c\nb:1|c\nidle:1|c");
	(void)fixture_flush(&f, 1010, false);
	fixture_send(&f, 1010, "a:1|c\nb:2|g");
	/* Enough of them to make the table grow under the flush. */
	set = flush_among(1020, new_contexts);
	cr_expect_eq(
	    aggregates_of(set->metrics), 3, "a, b, and a zero for idle; nothing of the new ones");
	bh_flush_set_free(set);
	cr_expect_gt(bh_contexts_count(&f.sampler.contexts), 900);
	cr_expect_not_null(strstr(
	    fixture_flush(&f, 1030, false), "new.0 rate host=h tags= interval=10 1020:0.1\n"));
}

static const char *comes_back(int step)
{
	return step % 2 ? "gone:1|g|#a" : "gone:1|g|#b";
}

Test(sampler, a_context_that_comes_back_while_it_expires_lives_on)
{
	struct bh_flush_set *set;

	fixture_send(&f, 1000, "gone:1|g|#a\ngone:1|g|#b");
	(void)fixture_flush(&f, 1010, false);
	set = flush_among(2000, comes_back);
	bh_flush_set_free(set);
	cr_expect_eq(bh_contexts_count(&f.sampler.contexts), 2);
	cr_expect_str_eq(fixture_flush(&f, 2010, false),
	    "gone gauge host=h tags=a interval=10 2000:1\n"
	    "gone gauge host=h tags=b interval=10 2000:1\n");
}
