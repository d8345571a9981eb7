/* Mapper, namespace, filter, copies: spec/dogstatsd.md §8.2 to §8.5, §9.8. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/dogstatsd/fixture.h"

static struct fixture f;

static void setup(void)
{
	fixture_defaults(&f);
}

static void teardown(void)
{
	cr_expect_eq(bh_ledger_gap(&f.ledger), 0, "the ledger does not close");
	fixture_close(&f);
}

TestSuite(naming, .init = setup, .fini = teardown);

/* What one line becomes at the end of its bucket. */
static const char *one(const char *line)
{
	static int64_t now = 1000;

	now += 1000;
	fixture_send(&f, now, line);
	return fixture_flush(&f, now + 10, true);
}

static void with_profiles(const char *json)
{
	f.cfg.dogstatsd_mapper_profiles = (char *)(uintptr_t)json;
	fixture_open(&f);
	cr_assert_eq(f.mapper_err.code, 0, "%s", f.mapper_err.text);
}

/* The name, and the tags behind "tags=", of the only series in the text. */
static void expect(const char *line, const char *name, const char *tags)
{
	const char *text = one(line), *found = strstr(text, "tags=");
	size_t n = strlen(name);

	cr_assert_not_null(found, "%s gives nothing", line);
	cr_expect(strncmp(text, name, n) == 0 && text[n] == ' ', "%s gives %s", line, text);
	found += 5;
	n = strcspn(found, " ");
	cr_expect(n == strlen(tags) && strncmp(found, tags, n) == 0, "%s gives %s", line, text);
}

Test(naming, the_mapper_follows_its_rules)
{
	with_profiles(
	    "[{\"name\":\"a\",\"prefix\":\"job.\",\"mappings\":["
	    "{\"match\":\"job.duration.*.*\",\"name\":\"job.duration\","
	    "\"tags\":{\"type\":\"$1\",\"name\":\"${2}\"}},"
	    "{\"match\":\"job\\\\.size\\\\.(?P<kind>\\\\w+?)_(\\\\d+)\",\"match_type\":\"regex\","
	    "\"name\":\"job.$kind.$2x.${2}x.$$.$9.$0\",\"tags\":{\"host\":\"$1\"}},"
	    "{\"match\":\"job.*\",\"name\":\"job.other\"}]},"
	    "{\"name\":\"b\",\"prefix\":\"job.never\",\"mappings\":["
	    "{\"match\":\"job.never.*.*\",\"name\":\"never\"}]},"
	    "{\"name\":\"c\",\"prefix\":\"*\",\"mappings\":["
	    "{\"match\":\"a|b\",\"match_type\":\"regex\",\"name\":\"loose\"},"
	    "{\"match\":\"x-y_z.*\",\"match_type\":\"wildcard\",\"name\":\"w\","
	    "\"tags\":{\"e\":\"<$1>\"}}]}]");
	expect("job.duration.mail.send:1|g|#own:1", "job.duration", "name:send,own:1,type:mail");
	expect("job.duration.mail:1|g", "job.duration.mail", "");
	expect("job.x:1|g", "job.other", "");
	expect("job.never.a.b:1|g", "job.never.a.b", ""); /* the first profile that applies only */
	expect("abc:1|g", "loose", ""); /* the anchors bind weaker than a top-level or */
	expect("x-y_z.:1|g", "w", "e:<>");
	expect("x-y_z.q.r:1|g", "x-y_z.q.r", "");
	/* $2x is the group named 2x: none; the tag host: is the host */
	cr_expect_str_eq(one("job.size.big_42:1|g"),
	    "job.big..42x.$..job.size.big_42 gauge host=big tags= interval=10 9000:1\n");
}

Test(naming, a_mapper_with_a_mistake_is_left_out_with_its_reason)
{
	static const struct {
		const char *json, *why;
	} cases[] = {
	    {"{}", "list"},
	    {"[", ""},
	    {"[{\"prefix\":\"a\",\"mappings\":[]}]", "name and prefix"},
	    {"[{\"name\":\"p\",\"mappings\":[]}]", "profile 1 \"p\""},
	    {"[{\"name\":\"p\",\"prefix\":\"a\",\"mappings\":[{\"match\":\"a\"}]}]",
		"match and name"},
	    {"[{\"name\":\"p\",\"prefix\":\"a\",\"mappings\":[{\"match\":\"a**\",\"name\":\"b\"}]}"
	     "]",
		"wildcard"},
	    {"[{\"name\":\"p\",\"prefix\":\"a\",\"mappings\":[{\"match\":\"a "
	     "b\",\"name\":\"b\"}]}]",
		"wildcard"},
	    {"[{\"name\":\"p\",\"prefix\":\"a\",\"mappings\":[{\"match\":\"a(\",\"match_type\":"
	     "\"regex\","
	     "\"name\":\"b\"}]}]",
		"at "},
	    {"[{\"name\":\"p\",\"prefix\":\"a\",\"mappings\":[{\"match\":\"a\",\"match_type\":"
	     "\"glob\","
	     "\"name\":\"b\"}]}]",
		"neither"},
	};

	fixture_open(&f);
	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		struct bh_err err = BH_ERR_INIT;
		struct bh_mapper *m;

		cr_expect_eq(bh_mapper_new(&m, cases[i].json, 10, 1, &err), BH_E_CONFIG, "%s",
		    cases[i].json);
		cr_expect_not_null(strstr(err.text, cases[i].why), "%s", err.text);
		cr_expect_null(m);
	}
}

Test(naming, a_hostile_name_costs_bounded_effort)
{
	static char line[4200];

	(void)alarm(60);
	with_profiles("[{\"name\":\"p\",\"prefix\":\"*\",\"mappings\":[{\"match\":\"(a+)+b\","
		      "\"match_type\":\"regex\",\"name\":\"never\"}]}]");
	memset(line, 'a', 4096);
	memcpy(line + 4096, ":1|g", 5);
	for (int i = 0; i < 200; i++) {
		line[i] = 'c'; /* another name each time: no cache helps */
		fixture_send(&f, 1000, line);
	}
}

Test(naming, the_cache_of_the_mapper_is_bounded_and_exact)
{
	char line[64], name[64];

	f.cfg.dogstatsd_mapper_cache_size = 3;
	with_profiles("[{\"name\":\"p\",\"prefix\":\"in.\",\"mappings\":[{\"match\":\"in.*\","
		      "\"name\":\"out.$1\"}]}]");
	for (int i = 0; i < 50; i++) {
		(void)snprintf(line, sizeof(line), "in.%d:1|g", i % 10);
		(void)snprintf(name, sizeof(name), "out.%d", i % 10);
		expect(line, name, "");
	}
}

Test(naming, the_namespace_goes_before_names_that_are_not_exempt)
{
	static char space[] = "shop", jvm[] = "jvm";
	static char *exempt[] = {jvm};

	f.cfg.statsd_metric_namespace = space;
	f.cfg.statsd_metric_namespace_blacklist = fixture_list(exempt, 1);
	fixture_open(&f);
	expect("orders:1|g", "shop.orders", "");
	expect("jvmfoo.x:1|g", "jvmfoo.x", "");
	fixture_send(&f, 1000, "t:1|g|T5");
	cr_expect_not_null(strstr(fixture_flush_late(&f), "shop.t gauge"));
	fixture_send(&f, 1000, "_sc|up|0");
	cr_expect_not_null(
	    strstr(fixture_flush_notices(&f), "\"check\":\"up\""), "events and checks have none");
}

Test(naming, the_filter_drops_whole_names_or_prefixes_after_the_namespace)
{
	static char space[] = "n.", a[] = "n.drop", b[] = "n.drop.more", c[] = "other";
	static char *names[] = {b, a, c};

	f.cfg.statsd_metric_namespace = space;
	f.cfg.metric_filterlist = fixture_list(names, 3);
	fixture_open(&f);
	cr_expect_str_eq(one("drop:1:2:3|g"), "");
	cr_expect_str_eq(one("drop.more:1|c"), "");
	cr_expect_str_neq(one("drop.mor:1|g"), "");
	cr_expect_str_neq(one("other:1|g"), "", "the filter sees the name with its namespace");
	fixture_send(&f, 1000, "drop:1|g|T5\ndrop:1|d\ndrop:1|d");
	cr_expect_str_eq(fixture_flush_late(&f), "");
	cr_expect_eq(f.ledger.dropped[BH_DROP_FILTERED], 7);
	cr_expect_eq(f.ingest.filtered_lines, 5, "one a line");
	fixture_close(&f);
	f.ledger = (struct bh_ledger){0};
	f.cfg.metric_filterlist = fixture_list(NULL, 0);
	f.cfg.statsd_metric_blocklist = fixture_list(names, 3);
	f.cfg.statsd_metric_blocklist_match_prefix = true;
	fixture_open(&f);
	cr_expect_str_eq(one("drop.mor:1|g"), "");
	cr_expect_str_eq(one("drops:1|g"), "");
	cr_expect_str_neq(one("dro:1|g"), "");
}

Test(naming, entries_that_name_a_series_of_a_histogram_drop_that_series)
{
	static char avg_[] = "lat.avg", p95[] = "lat.95percentile", p50[] = "lat.50percentile";
	static char *names[] = {avg_, p95, p50};
	const char *text;

	f.cfg.metric_filterlist = fixture_list(names, 3);
	fixture_open(&f);
	text = one("lat:1|h");
	cr_expect_null(strstr(text, "lat.avg"));
	cr_expect_null(strstr(text, "lat.95percentile"));
	cr_expect_not_null(strstr(text, "lat.max"));
	cr_expect_eq(f.output.filtered, 2);
	cr_expect_str_eq(one("lat.avg:1|g"), "", "a gauge of that name is dropped at the door");
}

Test(naming, histograms_are_copied_to_distributions)
{
	static char prefix[] = "d.", space[] = "n", filtered[] = "n.gone";
	static char *names[] = {filtered};
	const char *text;

	f.cfg.histogram_copy_to_distribution = true;
	f.cfg.histogram_copy_to_distribution_prefix = prefix;
	f.cfg.statsd_metric_namespace = space;
	f.cfg.metric_filterlist = fixture_list(names, 1);
	fixture_open(&f);
	text = one("lat:1:3|ms|@0.5|#a:b,host:q");
	cr_expect_not_null(strstr(text, "d.n.lat sketch host=q tags=a:b"), "%s", text);
	cr_expect_not_null(strstr(text, "cnt=4,min=1,max=3"), "%s", text);
	cr_expect_not_null(strstr(text, "n.lat.max gauge host=q tags=a:b"), "%s", text);
	cr_expect_null(strstr(one("c:1|c"), "sketch"));
	cr_expect_str_eq(one("gone:1|h"), "");
}

Test(naming, v1_series_are_json)
{
	f.cfg.use_v2_api_series = false;
	fixture_open(&f);
	fixture_send(&f, 1000, "page.views:35|c|#env:prod,device:sda\ng\"x:0.1|g\nt:1|g|T5");
	cr_expect_str_eq(fixture_flush(&f, 1010, false),
	    "{\"series\":[{\"metric\":\"page.views\",\"points\":[[1000,3.5]],\"tags\":[\"env:"
	    "prod\"],"
	    "\"device\":\"sda\",\"host\":\"h\",\"type\":\"rate\",\"interval\":10},"
	    "{\"metric\":\"g\\\"x\",\"points\":[[1000,0.1]],\"tags\":[],\"host\":\"h\",\"type\":"
	    "\"gauge\","
	    "\"interval\":10}]}\n");
	cr_expect_str_eq(fixture_flush_late(&f), "{\"series\":[{\"metric\":\"t\",\"points\":[[5,1]]"
						 ",\"tags\":[],\"host\":\"h\",\"type\":\"gauge\","
						 "\"interval\":10}]}\n");
}
