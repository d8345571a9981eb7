/* Events and service checks, from the line to the body of the request: spec/dogstatsd.md §6, §7,
 * spec/intake.md §8.1, §8.2. */
#include <criterion/criterion.h>

#include "dogstatsd/check.h"
#include "dogstatsd/event.h"
#include "tests/unit/dogstatsd/fixture.h"

static struct fixture f;

static void setup(void)
{
	fixture_defaults(&f);
	fixture_open(&f);
}

static void teardown(void)
{
	cr_expect_eq(bh_ledger_gap(&f.ledger), 0, "the ledger does not close");
	fixture_close(&f);
}

TestSuite(notices, .init = setup, .fini = teardown);

#define EVENT(json) "{\"apiKey\":\"\",\"events\":{\"api\":[" json "]},\"internalHostname\":\"h\"}\n"
#define COMMON(title, text, ts, host, prio, alert) \
	"{\"msg_title\":\"" title "\",\"msg_text\":\"" text "\",\"timestamp\":" ts \
	",\"host\":\"" host "\",\"priority\":\"" prio "\",\"alert_type\":\"" alert "\""

struct accepted {
	const char *rule, *line, *body;
};

static void check_all(const struct accepted *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		fixture_send(&f, 1000, cases[i].line);
		cr_expect_str_eq(fixture_flush_notices(&f), cases[i].body, "%s: %s\n got %s",
		    cases[i].rule, cases[i].line, f.text.data);
	}
}

Test(notices, events_are_read_as_the_protocol_says)
{
	static const struct accepted cases[] = {
	    {"§6 defaults", "_e{5,4}:title|text",
		EVENT(COMMON("title", "text", "1000", "h", "normal", "info") "}")},
	    {"§6 all fields", "_e{1,1}:a|b|d:77|h:web|k:key|p:low|s:src|t:error|#z,y,z",
		"{\"apiKey\":\"\",\"events\":{\"src\":[" COMMON("a", "b", "77", "web", "low",
		    "error") ",\"tags\":[\"y\",\"z\"],\"aggregation_key\":\"key\",\"source_type_"
			     "name\":\"src\"}"
			     "]},\"internalHostname\":\"h\"}\n"},
	    {"§6.1 signs, zeros, any closing byte", "_e{+01,001x:a|b",
		EVENT(COMMON("a", "b", "1000", "h", "normal", "info") "}")},
	    {"§6.1 empty text", "_e{1,0}:a|",
		EVENT(COMMON("a", "", "1000", "h", "normal", "info") "}")},
	    {"§6.3 pipes in title and text", "_e{3,3}:a|b|c|d",
		EVENT(COMMON("a|b", "c|d", "1000", "h", "normal", "info") "}")},
	    {"§6.4 backslash n", "_e{4,6}:a\\nb|c\\\\n\\x",
		EVENT(COMMON("a\\u000ab", "c\\\\\\u000a\\\\x", "1000", "h", "normal", "info") "}")},
	    {"§6.5 text longer than declared", "_e{1,1}:a|bcd|p:low",
		EVENT(COMMON("a", "b", "1000", "h", "low", "info") "}")},
	    {"§6.6 bad optional fields keep the value",
		"_e{1,1}:a|b|d:x|p:huge|t:fatal|t:success|t:",
		EVENT(COMMON("a", "b", "1000", "h", "normal", "success") "}")},
	    {"§6.8 host tag", "_e{1,1}:a|b|#host:q,x",
		EVENT(COMMON("a", "b", "1000", "q", "normal", "info") ",\"tags\":[\"x\"]}")},
	    {"§6.8 h: before the tag", "_e{1,1}:a|b|h:w|#host:q",
		EVENT(COMMON("a", "b", "1000", "w", "normal", "info") "}")},
	    {"§6 last tags win", "_e{1,1}:a|b|#x|#y",
		EVENT(COMMON("a", "b", "1000", "h", "normal", "info") ",\"tags\":[\"y\"]}")},
	    {"§4 invalid UTF-8",
		"_e{3,1}:\xff\xfe"
		"a|\xc3",
		EVENT(COMMON("\xef\xbf\xbd"
			     "a",
		    "\xef\xbf\xbd", "1000", "h", "normal", "info") "}")},
	};

	check_all(cases, BH_ARRAY_LEN(cases));
	cr_expect_eq(f.ingest.ignored_fields, 4);
}

Test(notices, event_heads_that_are_wrong_fail_the_line)
{
	static const char *const bad[] = {"_e{1,1}", "_e{,1}:a|b", "_e{1,}:a|b", "_e{1}:ab",
	    "_e{0,1}:|b", "_e{-1,1}:a|b", "_e{1,-1}:a|b", "_e{2,1}:a|b", "_e{1,2}:a|b", "_e{1,1}:a",
	    "_e{1,1}:", "_e{1 ,1}:a|b", "_e{9223372036854775807,9223372036854775807}:a|b",
	    "_e{1,18446744073709551615}:a|b", "_e{0x1,1}:a|b", "_e{"};
	struct bh_event e;

	for (size_t i = 0; i < BH_ARRAY_LEN(bad); i++)
		cr_expect_not(bh_parse_event(bh_str_from(bad[i]), &e), "%s", bad[i]);
}

#define CHECK(name, host, ts, status, message, tags) \
	"[{\"check\":\"" name "\",\"host_name\":\"" host "\",\"timestamp\":" ts \
	",\"status\":" status ",\"message\":\"" message "\",\"tags\":[" tags "]}]\n"

Test(notices, checks_are_read_as_the_protocol_says)
{
	static const struct accepted cases[] = {
	    {"§7 least", "_sc|a.b|0", CHECK("a.b", "h", "1000", "0", "", "")},
	    {"§7 all fields", "_sc|a|2|d:5|h:w|#y,x,y|m:it is\\n down",
		CHECK("a", "w", "5", "2", "it is\\\\n down", "\"x\",\"y\"")},
	    {"§7.1 fourth byte not looked at", "_scXa|1", CHECK("a", "h", "1000", "1", "", "")},
	    {"§7.3 any order, message ends at a bar", "_sc|a|3|m:x|y|#t",
		CHECK("a", "h", "1000", "3", "x", "\"t\"")},
	    {"§7.4 bad timestamp", "_sc|a|1|d:soon", CHECK("a", "h", "1000", "1", "", "")},
	    {"§7.5 host tag", "_sc|a|1|#host:q", CHECK("a", "q", "1000", "1", "", "")},
	};

	/* One bar only after the prefix is enough only when the prefix has one (§7.1). */
	fixture_send(&f, 1000, "_scXa|1|");
	(void)fixture_flush_notices(&f);
	check_all(cases, 2);
	check_all(cases + 3, 3);
	cr_expect_eq(f.ingest.ignored_fields, 1);
}

Test(notices, check_heads_that_are_wrong_fail_the_line)
{
	static const char *const bad[] = {"_sc", "_sc|a", "_sc||0", "_sc|a|", "_sc|a|4", "_sc|a|00",
	    "_sc|a|-1", "_scary.x:1|c", "_sc|a| 0", "_sc||"};
	struct bh_check c;

	for (size_t i = 0; i < BH_ARRAY_LEN(bad); i++)
		cr_expect_not(bh_parse_check(bh_str_from(bad[i]), &c), "%s", bad[i]);
}

Test(notices, events_are_grouped_by_source_in_order)
{
	fixture_send(&f, 1000,
	    "_e{1,0}:1||s:zeta\n_e{1,0}:2|\n_e{1,0}:3||s:zeta\n_e{1,0}:4|\n_e{1,0}:5||s:b");
	cr_expect_str_eq(fixture_flush_notices(&f),
	    "{\"apiKey\":\"\",\"events\":{\"api\":[" COMMON("2", "", "1000", "h", "normal",
		"info") "}," COMMON("4", "", "1000", "h", "normal", "info") "}],\"b\":[" COMMON("5",
		"", "1000", "h", "normal",
		"info") ",\"source_type_name\":\"b\"}],\"zeta\":[" COMMON("1", "", "1000", "h",
		"normal", "info") ",\"source_type_name\":\"zeta\"}," COMMON("3", "", "1000", "h",
		"normal", "info") ",\"source_type_name\":\"zeta\"}"
				  "]},\"internalHostname\":\"h\"}\n");
	cr_expect_str_eq(fixture_flush_notices(&f), "", "sent once");
}

Test(notices, our_own_check_has_no_tags_but_the_host)
{
	cr_assert_eq(
	    bh_notices_own_check(&f.notices, BH_STR_LIT("datadog.agent.up"), BH_STR_LIT("h"), 7),
	    0);
	cr_expect_str_eq(
	    fixture_flush_notices(&f), CHECK("datadog.agent.up", "h", "7", "0", "", ""));
}
