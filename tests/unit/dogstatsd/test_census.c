#include <criterion/criterion.h>

#include <stdio.h>

#include "dogstatsd/census.h"
#include "tests/unit/dogstatsd/fixture.h"

static struct fixture f;
static struct bh_census census;

static void setup(void)
{
	fixture_defaults(&f);
	f.cfg.dogstatsd_context_limit = 100000;
	fixture_open(&f);
	f.sampler.count_samples = true;
}

static void teardown(void)
{
	bh_census_release(&census);
	fixture_close(&f);
}

TestSuite(census, .init = setup, .fini = teardown);

static void take(enum bh_query_what what, size_t limit)
{
	bh_census_release(&census);
	bh_census_begin(&census, what, limit);
	while (!bh_census_step(&census, &f.sampler.contexts, 7))
		;
	cr_assert_eq(census.failed, 0);
}

Test(census, names_by_contexts_and_tag_keys_by_values)
{
	char line[64];

	for (int i = 0; i < 3000; i++) {
		(void)snprintf(line, sizeof(line), "big:1|c|#user:%d,env:%d", i, i % 3);
		fixture_send(&f, 1000, line);
	}
	fixture_send(&f, 1000, "small:1|c|#env:0,plain\nsmall:1|c\nother:1|g");
	take(BH_QUERY_CONTEXTS, 2);
	cr_expect_eq(census.seen, 3003);
	cr_assert_eq(census.names.n, 2, "cut to the limit");
	cr_expect_str_eq(census.names.v[0].name, "big");
	cr_expect_eq(census.names.v[0].count, 3000);
	cr_expect_str_eq(census.names.v[1].name, "small");
	cr_expect_eq(census.names.v[1].count, 2);
	cr_expect_str_eq(census.tag_keys.v[0].name, "user");
	cr_expect_eq(census.tag_keys.v[0].count, 3000);
	cr_expect_str_eq(census.tag_keys.v[1].name, "env");
	cr_expect_eq(census.tag_keys.v[1].count, 3);
}

Test(census, the_most_frequent_metrics)
{
	char line[64];

	for (int i = 0; i < 500; i++) {
		(void)snprintf(line, sizeof(line), "m.%d:1|c", i * 7919 % 500);
		for (int k = 0; k <= i * 7919 % 500; k++)
			fixture_send(&f, 1000, line);
	}
	fixture_send(&f, 1234, "m.499:1:2:3|c|#b,a");
	take(BH_QUERY_METRICS, 3);
	cr_assert_eq(census.metrics.n, 3);
	for (int i = 0; i < 3; i++)
		cr_expect_eq(census.metrics.v[i].count, 500 - (unsigned)i);
	cr_expect_str_eq(census.metrics.v[0].name, "m.499");
	cr_expect_eq(census.metrics.v[0].last_seen, 1000);
	take(BH_QUERY_METRICS, 1000);
	cr_expect_eq(census.metrics.n, 501);
	cr_expect_eq(census.metrics.v[500].count, 1);
	for (size_t i = 0; i < census.metrics.n; i++) {
		if (census.metrics.v[i].tags[0])
			cr_expect_str_eq(census.metrics.v[i].tags, "a b");
	}
}

Test(census, of_nothing)
{
	take(BH_QUERY_METRICS, 10);
	cr_expect_eq(census.metrics.n, 0);
	bh_census_release(&census);
	take(BH_QUERY_CONTEXTS, 0);
	cr_expect_eq(census.names.n, 0);
}

/* In every phase of a move, and when the table grows between two steps. */
Test(census, counts_each_context_once_while_their_table_moves)
{
	char line[64];
	unsigned n = 0;

	bh_census_begin(&census, BH_QUERY_CONTEXTS, 5);
	while (n < 3000 || !f.sampler.contexts.by_identity.old) {
		(void)snprintf(line, sizeof(line), "same:1|c|#n:%u", n++);
		fixture_send(&f, 1000, line);
		if (n % 3 == 0 && n < 2900)
			cr_assert_not(bh_census_step(&census, &f.sampler.contexts, 1));
	}
	while (!bh_census_step(&census, &f.sampler.contexts, 100))
		;
	cr_expect_eq(census.seen, n);
	cr_expect_eq(census.names.v[0].count, n);
	take(BH_QUERY_CONTEXTS, 5);
	cr_expect_eq(census.seen, n);
}

/* Of many names the largest are picked; equal ones by name. */
Test(census, the_largest_of_many_names_in_order)
{
	static const char *const want[] = {"n.299", "n.298", "n.297", "n.1", "n.10"};
	char line[64];

	for (int i = 0; i < 300; i++) {
		for (int k = 0; k <= (i > 296 ? i - 290 : 0); k++) {
			(void)snprintf(line, sizeof(line), "n.%d:1|c|#k%d:%d", i, i, k);
			fixture_send(&f, 1000, line);
		}
	}
	fixture_send(&f, 1000, "n.1:1|c|#k:a\nn.10:1|c|#k:a");
	take(BH_QUERY_CONTEXTS, 5);
	cr_assert_eq(census.names.n, 5);
	for (int i = 0; i < 5; i++)
		cr_expect_str_eq(census.names.v[i].name, want[i]);
	cr_assert_eq(census.tag_keys.n, 5);
	cr_expect_str_eq(census.tag_keys.v[0].name, "k299");
	cr_expect_eq(census.tag_keys.v[0].count, 10);
	cr_expect_str_eq(census.tag_keys.v[3].name, "k");
	cr_expect_eq(census.tag_keys.v[3].count, 1);
}
