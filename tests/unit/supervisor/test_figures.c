#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/figures.h"
#include "supervisor/openmetrics.h"
#include "supervisor/page_request.h"

/* The figures under their names outside (spec/intake.md §16.3), as metrics and as a page. */

static struct bh_kid kids[BH_ROLE__N];
static struct bh_books books;
static struct bh_samples samples;

static void set_up(void)
{
	memset(kids, 0, sizeof(kids));
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++)
		kids[i].role = (enum bh_role)i;
	kids[BH_ROLE_FORWARDER].enabled = true;
	kids[BH_ROLE_FORWARDER].life.state = BH_LIFE_RUNNING;
}

static void tear_down(void)
{
	bh_stat_set_release(&kids[BH_ROLE_FORWARDER].stats);
	bh_books_release(&books);
	bh_samples_release(&samples);
}

TestSuite(figures, .init = set_up, .fini = tear_down);

static void say(const char *name, uint64_t n)
{
	struct bh_stat stat = {.type = BH_STAT_NUMBER, .number = n};

	(void)snprintf(stat.name, sizeof(stat.name), "%s", name);
	bh_stat_set_add(&kids[BH_ROLE_FORWARDER].stats, &stat);
}

static void say_destination(const char *name, uint64_t received, uint64_t dropped)
{
	struct bh_ledger l = {.received = received, .delivered = received - dropped};
	struct bh_stat stat = {.type = BH_STAT_KEPT};

	l.dropped[BH_DROP_EXPIRED] = dropped;
	bh_ledger_row_set(&stat.row, BH_LEDGER_DESTINATION, name, strlen(name), &l);
	bh_stat_set_add(&kids[BH_ROLE_FORWARDER].stats, &stat);
}

static void collect(void)
{
	books.loaded = true;
	bh_books_sum(&books, kids);
	bh_samples_collect(&samples, kids, &books);
	cr_assert_not(samples.failed);
}

static char *page(void)
{
	struct bh_buf out = BH_BUF_INIT;
	size_t n;

	collect();
	bh_openmetrics_page(&samples, &out);
	cr_assert_eq(bh_buf_failed(&out), 0);
	return bh_buf_detach(&out, &n);
}

Test(figures, the_whole_page)
{
	char *text;

	say("buffer/logs_spool:intake/size_events", 3);
	say("buffer/logs_spool:intake/spool_full/discarded_events", 2);
	say("spool.rows", 1);
	say_destination("logs", 10, 4);
	text = page();
	cr_assert_str_eq(text,
	    "# TYPE bulkhead_up gauge\n"
	    "# HELP bulkhead_up 1 while the process runs.\n"
	    "bulkhead_up{role=\"forwarder\"} 1\n"
	    "# TYPE bulkhead_restarts counter\n"
	    "# HELP bulkhead_restarts Starts of the process after its first.\n"
	    "bulkhead_restarts_total{role=\"forwarder\"} 0\n"
	    "# TYPE bulkhead_ledger_received counter\n"
	    "# HELP bulkhead_ledger_received Came in, since the installation.\n"
	    "bulkhead_ledger_received_total{kind=\"destination\",name=\"logs\",role=\"forwarder\"}"
	    " 10\n"
	    "# TYPE bulkhead_ledger_delivered counter\n"
	    "# HELP bulkhead_ledger_delivered Went on, since the installation.\n"
	    "bulkhead_ledger_delivered_total{kind=\"destination\",name=\"logs\",role=\"forwarder\"}"
	    " 6\n"
	    "# TYPE bulkhead_ledger_dropped counter\n"
	    "# HELP bulkhead_ledger_dropped Given up, by reason.\n"
	    "bulkhead_ledger_dropped_total{kind=\"destination\",name=\"logs\",reason=\"expired\","
	    "role=\"forwarder\"} 4\n"
	    "# TYPE bulkhead_ledger_spooled gauge\n"
	    "# HELP bulkhead_ledger_spooled In the spool now.\n"
	    "bulkhead_ledger_spooled{kind=\"destination\",name=\"logs\",role=\"forwarder\"} 0\n"
	    "# TYPE bulkhead_ledger_in_flight gauge\n"
	    "# HELP bulkhead_ledger_in_flight In memory now.\n"
	    "bulkhead_ledger_in_flight{kind=\"destination\",name=\"logs\",role=\"forwarder\"} 0\n"
	    "# TYPE bulkhead_ledger_gap gauge\n"
	    "# HELP bulkhead_ledger_gap Without a reason; anything but 0 is a bug.\n"
	    "bulkhead_ledger_gap{kind=\"destination\",name=\"logs\",role=\"forwarder\"} 0\n"
	    "# TYPE bulkhead_buffer_size_events gauge\n"
	    "# HELP bulkhead_buffer_size_events Events in the buffer.\n"
	    "bulkhead_buffer_size_events{component_id=\"logs_spool:intake\","
	    "component_type=\"datadog_logs\"} 3\n"
	    "# TYPE bulkhead_buffer_discarded_events counter\n"
	    "# HELP bulkhead_buffer_discarded_events Events thrown away.\n"
	    "bulkhead_buffer_discarded_events_total{component_id=\"logs_spool:intake\","
	    "component_type=\"datadog_logs\",intentional=\"true\",reason=\"queue_full\"} 2\n"
	    "# TYPE bulkhead_buffer_events gauge\n"
	    "# HELP bulkhead_buffer_events Old name of buffer_size_events.\n"
	    "bulkhead_buffer_events{component_id=\"logs_spool:intake\","
	    "component_type=\"datadog_logs\"} 3\n"
	    "# TYPE bulkhead_figure gauge\n"
	    "# HELP bulkhead_figure A figure of status, by its name there.\n"
	    "bulkhead_figure{role=\"forwarder\",name=\"spool.rows\"} 1\n"
	    "# EOF\n");
	free(text);
}

/* A histogram is one family: its parts stand together, component by component. */
Test(figures, the_fill_of_a_source_is_a_histogram_and_gauges)
{
	char *text, *at;

	for (int component = 'a'; component <= 'b'; component++) {
		static const char *const fields[] = {"1.0/source_bucket", "+Inf/source_bucket",
		    "source_count", "source_sum", "source_mean"};

		for (size_t i = 0; i < BH_ARRAY_LEN(fields); i++) {
			char name[64];

			(void)snprintf(
			    name, sizeof(name), "buffer/logs_%c/%s", component, fields[i]);
			say(name, 1005 + i);
		}
	}
	text = page();
	at = strstr(text, "# TYPE bulkhead_source_buffer_utilization histogram\n");
	cr_assert_not_null(at);
	cr_assert_str_eq(at,
	    "# TYPE bulkhead_source_buffer_utilization histogram\n"
	    "# HELP bulkhead_source_buffer_utilization Fill levels seen, in events.\n"
	    "bulkhead_source_buffer_utilization_bucket{component_id=\"logs_a\","
	    "component_type=\"logs\",le=\"1.0\"} 1005\n"
	    "bulkhead_source_buffer_utilization_bucket{component_id=\"logs_a\","
	    "component_type=\"logs\",le=\"+Inf\"} 1006\n"
	    "bulkhead_source_buffer_utilization_count{component_id=\"logs_a\","
	    "component_type=\"logs\"} 1007\n"
	    "bulkhead_source_buffer_utilization_sum{component_id=\"logs_a\","
	    "component_type=\"logs\"} 1008\n"
	    "bulkhead_source_buffer_utilization_bucket{component_id=\"logs_b\","
	    "component_type=\"logs\",le=\"1.0\"} 1005\n"
	    "bulkhead_source_buffer_utilization_bucket{component_id=\"logs_b\","
	    "component_type=\"logs\",le=\"+Inf\"} 1006\n"
	    "bulkhead_source_buffer_utilization_count{component_id=\"logs_b\","
	    "component_type=\"logs\"} 1007\n"
	    "bulkhead_source_buffer_utilization_sum{component_id=\"logs_b\","
	    "component_type=\"logs\"} 1008\n"
	    "# TYPE bulkhead_source_buffer_utilization_mean gauge\n"
	    "# HELP bulkhead_source_buffer_utilization_mean Exponentially weighted mean of the fill"
	    " level.\n"
	    "bulkhead_source_buffer_utilization_mean{component_id=\"logs_a\","
	    "component_type=\"logs\"} 1.009\n"
	    "bulkhead_source_buffer_utilization_mean{component_id=\"logs_b\","
	    "component_type=\"logs\"} 1.009\n"
	    "# EOF\n");
	free(text);
}

/* spec/intake.md §16.3: the class of each component, and why something was thrown away. */
Test(figures, components_have_their_types_and_reasons_their_intention)
{
	static const struct {
		const char *number, *tags;
	} cases[] = {
	    {"dogstatsd_packets/source_level",
		"component_id:dogstatsd_packets,component_type:dogstatsd"},
	    {"logs_tail_input/source_level", "component_id:logs_tail_input,component_type:logs"},
	    {"logs_processor/transform_level", "component_id:logs_processor,component_type:logs"},
	    {"logs_payloads/transform_level", "component_id:logs_payloads,component_type:logs"},
	    {"metrics_ipc/source_level", "component_id:metrics_ipc,component_type:forwarder"},
	    {"metrics_retry_memory:h/size_events",
		"component_id:metrics_retry_memory:h,component_type:datadog_metrics"},
	    {"metrics_retry_disk:h/size_events",
		"component_id:metrics_retry_disk:h,component_type:datadog_metrics"},
	    {"logs_dest:h/queue_full/discarded_events",
		"component_id:logs_dest:h,component_type:datadog_logs,intentional:true,"
		"reason:queue_full"},
	    {"logs_spool:h/spool_full/discarded_events",
		"component_id:logs_spool:h,component_type:datadog_logs,intentional:true,"
		"reason:queue_full"},
	    {"logs_spool:h/expired/discarded_events",
		"component_id:logs_spool:h,component_type:datadog_logs,intentional:true,"
		"reason:expired"},
	    {"logs_spool:h/purged/discarded_events",
		"component_id:logs_spool:h,component_type:datadog_logs,intentional:true,"
		"reason:purged"},
	    {"logs_spool:h/corrupt/discarded_events",
		"component_id:logs_spool:h,component_type:datadog_logs,intentional:false,"
		"reason:corrupt"},
	    {"logs_dest:h/status_400/discarded_events",
		"component_id:logs_dest:h,component_type:datadog_logs,intentional:false,"
		"reason:status_400"},
	    {"logs_dest:h/shutdown/discarded_events",
		"component_id:logs_dest:h,component_type:datadog_logs,intentional:false,"
		"reason:shutdown"},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		struct bh_figures_sent sent = {0};
		struct bh_figure f;
		bool found = false;
		char name[100];

		bh_stat_set_clear(&kids[BH_ROLE_FORWARDER].stats);
		(void)snprintf(name, sizeof(name), "buffer/%s", cases[i].number);
		say(name, 1);
		collect();
		for (size_t k = 0; k < samples.n && !found; k++) {
			found = bh_figure_of(&sent, &samples.v[k], &f) &&
				strcmp(f.tags, cases[i].tags) == 0;
		}
		cr_assert(found, "%s", cases[i].number);
		bh_figures_sent_release(&sent);
	}
}

/* spec/intake.md §13.5: under the Agent's names, and its tags. */
Test(figures, how_long_an_outage_may_last_has_the_names_of_the_agent)
{
	static const struct {
		const char *number, *metric;
		uint64_t said;
		double value;
	} cases[] = {
	    {"capacity_secs", "datadog.agent.retry_queue_duration.capacity_secs", 3600, 3600},
	    {"bytes_per_sec", "datadog.agent.retry_queue_duration.bytes_per_sec", 1500, 1.5},
	    {"capacity_bytes", "datadog.agent.retry_queue_duration.capacity_bytes", 7, 7},
	    {"other", NULL, 1, 0},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		struct bh_figures_sent sent = {0};
		struct bh_figure f = {.name = ""};
		size_t before;
		char name[100];

		bh_stat_set_clear(&kids[BH_ROLE_FORWARDER].stats);
		collect();
		before = samples.n;
		(void)snprintf(
		    name, sizeof(name), "retry_queue/https://h:8443/%s", cases[i].number);
		say(name, cases[i].said);
		collect();
		cr_assert_eq(samples.n, before + (cases[i].metric != NULL), "%s", name);
		if (!cases[i].metric)
			continue;
		cr_assert(bh_figure_of(&sent, &samples.v[samples.n - 1], &f));
		cr_expect_str_eq(f.name, cases[i].metric);
		cr_expect_str_eq(f.tags, "agent:core,domain:https://h:8443");
		cr_expect_not(f.is_count);
		cr_expect_eq(f.value, cases[i].value);
		bh_figures_sent_release(&sent);
	}
}

struct escape {
	const char *raw, *shown;
};

Test(figures, label_values_are_escaped_and_utf8)
{
	static const struct escape cases[] = {
	    {"plain", "plain"},
	    {"q\"uote", "q\\\"uote"},
	    {"back\\slash", "back\\\\slash"},
	    {"new\nline", "new\\nline"},
	    {"\xff\xc3\xa4\xc3", "\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd"},
	    {"{}=,#", "{}=,#"},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		char want[64], *text;

		bh_stat_set_clear(&kids[BH_ROLE_FORWARDER].stats);
		say(cases[i].raw, 1);
		text = page();
		(void)snprintf(want, sizeof(want), "name=\"%s\"} 1\n", cases[i].shown);
		cr_assert(strstr(text, want), "%zu: %s", i, text);
		free(text);
	}
}

Test(figures, nothing_is_said_twice)
{
	char *text;

	say("rule_dropped.a./x", 1);
	say("rule_dropped.a./x", 2);
	text = page();
	cr_assert_not_null(strstr(text, "rule_dropped"));
	cr_assert_null(strstr(strstr(text, "rule_dropped") + 1, "rule_dropped"));
	free(text);
}

/* --- as metrics --- */

static const struct bh_sample *sample(const char *family)
{
	collect();
	for (size_t i = 0; i < samples.n; i++) {
		if (strcmp(samples.v[i].family->name, family) == 0)
			return &samples.v[i];
	}
	cr_assert(false, "no %s", family);
	return NULL;
}

Test(figures, counters_become_what_was_added)
{
	static const struct {
		uint64_t value, sent; /* 0 = nothing is sent */
	} steps[] = {{5, 5}, {5, 0}, {9, 4}, {2, 2}, {2, 0}};
	struct bh_figures_sent sent = {0};
	struct bh_figure f;

	for (size_t i = 0; i < BH_ARRAY_LEN(steps); i++) {
		bool is_sent;

		bh_stat_set_clear(&kids[BH_ROLE_FORWARDER].stats);
		say("buffer/logs_dest:h/sent_events", steps[i].value);
		is_sent = bh_figure_of(&sent, sample("buffer_sent_events"), &f);
		cr_assert_eq(is_sent, steps[i].sent > 0, "step %zu", i);
		if (is_sent)
			cr_assert_eq(f.value, steps[i].sent, "step %zu", i);
	}
	cr_assert_str_eq(f.name, "bulkhead.buffer_sent_events_total");
	cr_assert_str_eq(f.tags, "component_id:logs_dest:h,component_type:datadog_logs");
	bh_figures_sent_release(&sent);
}

Test(figures, what_the_ledger_counted_before_this_run_is_not_of_this_interval)
{
	struct bh_figures_sent sent = {0};
	struct bh_figure f;

	say_destination("logs", 1000, 0);
	cr_assert_not(bh_figure_of(&sent, sample("ledger_received"), &f));
	say_destination("logs", 3, 0); /* the same name: added */
	cr_assert(bh_figure_of(&sent, sample("ledger_received"), &f));
	cr_assert_eq(f.value, 3);
	bh_figures_sent_release(&sent);
}

Test(figures, gauges_go_as_they_are_and_figures_of_the_page_do_not_go)
{
	struct bh_figures_sent sent = {0};
	struct bh_figure f;

	say("buffer/logs_dest:a,b/size_bytes", 0);
	say("spool.rows", 1);
	cr_assert(bh_figure_of(&sent, sample("buffer_size_bytes"), &f));
	cr_assert_not(f.is_count);
	cr_assert_str_eq(f.tags, "component_id:logs_dest:a_b,component_type:datadog_logs");
	cr_assert_not(bh_figure_of(&sent, sample("buffer_byte_size"), &f));
	cr_assert_not(bh_figure_of(&sent, sample("figure"), &f));
	bh_figures_sent_release(&sent);
}

Test(figures, parts_of_a_histogram_are_counts_and_a_mean_has_decimals)
{
	static const struct {
		const char *number, *family, *name, *tags;
		bool is_count;
		double value;
	} cases[] = {
	    {"16.0/transform_bucket", "transform_buffer_utilization",
		"bulkhead.transform_buffer_utilization.bucket",
		"component_id:logs_processor,component_type:logs,le:16.0", true, 1250},
	    {"transform_sum", "transform_buffer_utilization",
		"bulkhead.transform_buffer_utilization.sum",
		"component_id:logs_processor,component_type:logs", true, 1250},
	    {"transform_mean", "transform_buffer_utilization_mean",
		"bulkhead.transform_buffer_utilization_mean",
		"component_id:logs_processor,component_type:logs", false, 1.25},
	    {"transform_max", "transform_buffer_max_size_events",
		"bulkhead.transform_buffer_max_size_events",
		"component_id:logs_processor,component_type:logs", false, 1250},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		struct bh_figures_sent sent = {0};
		struct bh_figure f;
		char name[100];

		bh_stat_set_clear(&kids[BH_ROLE_FORWARDER].stats);
		(void)snprintf(name, sizeof(name), "buffer/logs_processor/%s", cases[i].number);
		say(name, 1250);
		cr_assert(bh_figure_of(&sent, sample(cases[i].family), &f), "case %zu", i);
		cr_assert_str_eq(f.name, cases[i].name);
		cr_assert_str_eq(f.tags, cases[i].tags);
		cr_assert_eq(f.is_count, cases[i].is_count, "case %zu", i);
		cr_assert_float_eq(f.value, cases[i].value, 1e-9, "case %zu", i);
		/* Nothing was added since. */
		cr_assert_eq(bh_figure_of(&sent, sample(cases[i].family), &f), !cases[i].is_count);
		bh_figures_sent_release(&sent);
	}
}

/* --- requests --- */

struct request {
	const char *text;
	enum bh_page_want want;
};

Test(page_request, what_is_asked_for)
{
	static const struct request cases[] = {
	    {"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", BH_PAGE_GET},
	    {"GET / HTTP/1.0\n\n", BH_PAGE_GET},
	    {"GET /metrics?name[]=a HTTP/1.1\r\n\r\n", BH_PAGE_GET},
	    {"HEAD /metrics HTTP/1.1\r\n\r\n", BH_PAGE_HEAD},
	    {"POST /metrics HTTP/1.1\r\n\r\n", BH_PAGE_METHOD},
	    {"GET /metric HTTP/1.1\r\n\r\n", BH_PAGE_ABSENT},
	    {"GET /metrics/ HTTP/1.1\r\n\r\n", BH_PAGE_ABSENT},
	    {"GET /metrics HTTP/1.1\r\nHost: x\r\n", BH_PAGE_MORE},
	    {"GET /metrics HT", BH_PAGE_MORE},
	    {"", BH_PAGE_MORE},
	    {"\n", BH_PAGE_BAD},
	    {"GET /metrics\r\n\r\n", BH_PAGE_BAD},
	    {"GET metrics HTTP/1.1\r\n\r\n", BH_PAGE_BAD},
	    {"GET /metrics HTTP/2\r\n\r\n", BH_PAGE_BAD},
	    {"\x16\x03\x01\n", BH_PAGE_BAD},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++)
		cr_assert_eq(bh_page_request(bh_str_from(cases[i].text)), cases[i].want, "%s",
		    cases[i].text);
}
