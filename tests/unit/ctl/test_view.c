#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/ledger.h"
#include "supervisor/ctl/format.h"
#include "supervisor/ctl/view.h"
#include "supervisor/ctl/view_json.h"

typedef void view_fn(const json_t *json, struct bh_buf *out);

static char *render(view_fn *view, const char *text)
{
	json_error_t error;
	json_t *json = json_loads(text, 0, &error);
	struct bh_buf out = BH_BUF_INIT;
	size_t len;

	cr_assert(json, "%s", error.text);
	view(json, &out);
	json_decref(json);
	return bh_buf_detach(&out, &len);
}

static void assert_80_columns(const char *text)
{
	char *copy = strdup(text), *save = NULL;

	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		cr_assert_leq(bh_fmt_width(line), (size_t)BH_COLUMNS, "%s", line);
	free(copy);
}

static const char quiet[] =
    "{\"schema\":1,\"state\":\"RUNNING\",\"ready\":true,\"pid\":100,\"uptime_s\":70,"
    "\"rss_kib\":1024,\"version\":\"0.1.0\",\"roles\":["
    "{\"name\":\"dogstatsd\",\"state\":\"RUNNING\",\"pid\":1234,\"uptime_s\":65,\"pss_kib\":640,"
    "\"rss_kib\":4000,\"notes\":[]},"
    "{\"name\":\"logs\",\"state\":\"BACKOFF\",\"pid\":0,\"restarts\":2,\"notes\":[],"
    "\"last_exit\":{\"cause\":\"crash\",\"code\":-1,\"signal\":9}},"
    "{\"name\":\"forwarder\",\"state\":\"STOPPED\",\"pid\":0,\"generation\":0}],"
    "\"notes\":[],\"rows\":[]}";

Test(view_status, the_table_has_the_columns_of_supervisorctl)
{
	char *text = render(bh_view_status, quiet);

	cr_assert_str_eq(text,
	    "dogstatsd                        RUNNING   pid 1234, uptime 0:01:05, 640 KiB\n"
	    "logs                             BACKOFF   crash, signal 9, 2 restarts\n"
	    "forwarder                        STOPPED   Not started\n"
	    "\n"
	    "bulkhead 0.1.0 RUNNING, pid 100, uptime 0:01:10, 1.0 MiB, 1.6 MiB in all\n"
	    "\n"
	    "waiting: nothing\n"
	    "\n"
	    "lost: nothing\n");
	free(text);
}

static const char busy[] =
    "{\"state\":\"DRAINING\",\"pid\":4194304,\"uptime_s\":86465,\"rss_kib\":99999999,"
    "\"version\":\"0.1.0\",\"roles\":["
    "{\"name\":\"dogstatsd\",\"state\":\"RUNNING\",\"pid\":4194304,\"uptime_s\":863999999,"
    "\"rss_kib\":999999,\"notes\":[\"one: two\"]},"
    "{\"name\":\"forwarder\",\"state\":\"DRAINING\",\"pid\":4194303,"
    "\"pending\":{\"items\":812,\"bytes\":3200000},\"notes\":[\"destination logs: HTTP 503 from "
    "http://127.0.0.1:12345/api/v2/logs/with/a/long/path/that/does/not/fit/a/line/of/a/terminal: "
    "the "
    "next try is in 4 s\"]}],"
    "\"notes\":[\"UDP 127.0.0.1:8125 is in use by another process (an agent?): stop it, or set "
    "dogstatsd_port to another port or 0\"],\"missing_protections\":[\"no uid separation\"],"
    "\"numbers\":{\"forwarder\":{\"spool.rows\":12,\"spool.bytes\":0,\"spool.limit\":7}},"
    "\"rows\":[{\"role\":\"forwarder\",\"kind\":\"destination\","
    "\"name\":\"http://127.0.0.1:12345/api/v2/logs/with/a/long/path/that/does/not/fit\","
    "\"in_flight\":12,\"spooled\":123456789012,\"dropped\":{\"status_400\":3}},"
    "{\"role\":\"logs\",\"kind\":\"handover\",\"name\":\"forwarder\",\"in_flight\":7,\"dropped\":{}"
    "},"
    "{\"role\":\"logs\",\"kind\":\"source\",\"name\":\"/idle\",\"dropped\":{}},"
    "{\"role\":\"dogstatsd\",\"kind\":\"listener\",\"name\":\"uds:/run/\xc3\xa4/dsd.socket\","
    "\"dropped\":{\"parse_error\":18446744073,\"a_new_reason\":1}}]}";

Test(view_status, nothing_is_wider_than_80_columns)
{
	char *text = render(bh_view_status, busy);

	assert_80_columns(text);
	free(text);
}

Test(view_status, what_waits_what_was_lost_and_what_went_wrong_is_there)
{
	char *text = render(bh_view_status, busy);

	cr_assert_str_eq(text,
	    "dogstatsd           RUNNING   pid 4194304, uptime 9999 days, 23:59:59, 976.6 MiB\n"
	    "forwarder           DRAINING  pending 812 items, 3.1 MiB\n"
	    "\n"
	    "bulkhead 0.1.0 DRAINING, pid 4194304, uptime 1 day, 0:01:05, 95.4 GiB, 96.3 GiB\n"
	    "in all\n"
	    "\n"
	    "waiting                                                 in memory      spooled\n"
	    "  forwarder destination ht.../path/that/does/not/fit           12      123456M\n"
	    "  logs hand-over forwarder                                      7            -\n"
	    "\n"
	    "lost\n"
	    "  forwarder de...does/not/fit         3  refused by the intake: 400, not valid\n"
	    "  dogstatsd ud...\xc3\xa4/dsd.socket 18446744k  parse error: malformed line\n"
	    "  dogstatsd ud...\xc3\xa4/dsd.socket         1  a_new_reason\n"
	    "\n"
	    "figures\n"
	    "  forwarder: spool.rows=12 spool.limit=7\n"
	    "\n"
	    "notes\n"
	    "  UDP 127.0.0.1:8125 is in use by another process (an agent?): stop it, or set\n"
	    "  dogstatsd_port to another port or 0\n"
	    "  dogstatsd: one: two\n"
	    "  forwarder: destination logs: HTTP 503 from\n"
	    "  http://127.0.0.1:12345/api/v2/logs/wit...at/does/not/fit/a/line/of/a/terminal:\n"
	    "  the next try is in 4 s\n"
	    "\n"
	    "protections missing\n"
	    "  no uid separation\n",
	    "%s", text);
	free(text);
}

static void assert_running(const char *roles, bool want)
{
	json_t *json = json_loads(roles, 0, NULL);

	cr_assert_eq(bh_view_all_running(json), want, "%s", roles);
	json_decref(json);
}

Test(view_status, all_run_only_when_every_role_does)
{
	assert_running("{\"roles\":[{\"state\":\"RUNNING\"},{\"state\":\"RUNNING\"}]}", true);
	assert_running("{\"roles\":[{\"state\":\"RUNNING\"},{\"state\":\"STARTING\"}]}", false);
	assert_running("{\"roles\":[]}", false);
	assert_running("{}", false);
}

Test(view_ledger, each_row_shows_its_balance_and_its_reasons)
{
	char *text = render(bh_view_ledger,
	    "{\"balanced\":false,\"missing\":[\"logs\"],\"rows\":["
	    "{\"role\":\"dogstatsd\",\"kind\":\"listener\",\"name\":\"udp:127.0.0.1:8125\","
	    "\"received\":10,\"delivered\":6,\"spooled\":0,\"in_flight\":1,"
	    "\"dropped\":{\"parse_error\":2},\"gap\":1},"
	    "{\"role\":\"forwarder\",\"kind\":\"destination\",\"name\":\"logs\",\"received\":5,"
	    "\"delivered\":5,\"dropped\":{},\"gap\":0}]}");

	assert_80_columns(text);
	cr_assert_str_eq(text,
	    "                               received delivered   spooled in flight   dropped\n"
	    "dogstatsd udp:127.0.0.1:8125         10         6         0         1         2\n"
	    "    dropped 2: parse error: malformed line\n"
	    "    DOES NOT CLOSE: 1 without a reason\n"
	    "forwarder destination logs            5         5         0         0         0\n"
	    "no figures of logs: it does not run, or did not answer\n"
	    "NOT BALANCED\n",
	    "%s", text);
	free(text);
}

Test(view_report, the_drain_report_names_results_and_doubts)
{
	char *text = render(bh_view_report,
	    "{\"ms\":1250,\"accounted\":false,\"roles\":["
	    "{\"name\":\"dogstatsd\",\"result\":\"timeout\",\"ms\":10000,\"durable\":12,\"left\":3,"
	    "\"dropped\":{\"queue_full\":4},\"doubt\":\"missed its deadline; what it held is "
	    "unknown\"},"
	    "{\"name\":\"forwarder\",\"result\":\"ok\",\"ms\":500,\"delivered\":50,\"spooled\":2,"
	    "\"dropped\":{},\"doubt\":null}]}");

	assert_80_columns(text);
	cr_assert_str_eq(text,
	    "drained in 1.25 s, not everything is accounted for\n"
	    "  dogstatsd  timeout     10.00 s  acknowledged 12, left 3\n"
	    "  dogstatsd  dropped 4: queue full: forwarder too slow or down\n"
	    "  dogstatsd missed its deadline; what it held is unknown\n"
	    "  forwarder  ok           0.50 s  delivered 50, spooled 2\n",
	    "%s", text);
	free(text);
}

Test(reasons, every_reason_of_the_ledger_has_words)
{
	for (int i = 0; i < BH_DROP__N; i++) {
		const char *name = bh_drop_name((enum bh_drop)i);

		cr_assert_str_neq(bh_reason_words(name), name, "%s", name);
	}
}

Test(view_status, an_answer_of_another_shape_is_shown_without_harm)
{
	static const char *const odd[] = {"{}", "[]", "7",
	    "{\"roles\":7,\"rows\":{},\"notes\":null}",
	    "{\"roles\":[7,{\"name\":1}],\"rows\":[{\"dropped\":3}],\"numbers\":{\"a\":3}}"};

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		json_t *json = json_loads(odd[i], JSON_DECODE_ANY, NULL);
		struct bh_buf out = BH_BUF_INIT;

		bh_view_status(json, &out);
		bh_view_ledger(json, &out);
		bh_view_report(json, &out);
		cr_assert(out.len > 0);
		bh_buf_release(&out);
		json_decref(json);
	}
}

Test(view_reload, findings_results_and_what_needs_a_start)
{
	static const struct {
		const char *json, *text;
	} cases[] = {
	    {"{\"applied\":true,\"findings\":[],\"results\":[],\"needs_start\":[]}",
		"nothing changed\n"},
	    {"{\"applied\":true,\"findings\":[{\"level\":\"warning\",\"text\":\"a:1:2: b\"}],"
	     "\"results\":[{\"name\":\"logs\",\"ok\":true,\"result\":\"1 source added\"}],"
	     "\"needs_start\":[\"run_path\"]}",
		"warning: a:1:2: b\nlogs: 1 source added\n"
		"run_path: needs a start of bulkhead; the old value acts\n"},
	    {"{\"applied\":false,\"findings\":[{\"level\":\"error\",\"text\":\"a:1:2: b\"}],"
	     "\"results\":[],\"needs_start\":[]}",
		"error: a:1:2: b\nnothing changed: the old configuration acts\n"},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		json_t *json = json_loads(cases[i].json, 0, NULL);
		struct bh_buf out = BH_BUF_INIT;

		bh_view_reload(json, &out);
		cr_assert_str_eq(out.data, cases[i].text);
		json_decref(json);
		bh_buf_release(&out);
	}
}
