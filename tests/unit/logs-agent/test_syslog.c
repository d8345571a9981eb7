/* spec/logs.md §11.4: what a frame says of itself. */
#include <criterion/criterion.h>

#include "common/attrs.h"
#include "logs-agent/syslog.h"

struct row {
	const char *in;
	enum bh_log_status status;
	const char *app;
};

static void check_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct bh_syslog got = bh_syslog_parse(bh_str_from(rows[i].in));

		cr_expect_eq(got.status, rows[i].status, "%s: %s", rows[i].in,
		    bh_log_status_name(got.status));
		cr_expect(bh_str_eq(got.app, bh_str_from(rows[i].app)), "%s: %.*s", rows[i].in,
		    (int)got.app.n, got.app.p);
	}
}

Test(syslog, priorities)
{
	static const struct row rows[] = {
	    {"<0>x", BH_STATUS_EMERGENCY, ""},
	    {"<1>x", BH_STATUS_ALERT, ""},
	    {"<10>x", BH_STATUS_CRITICAL, ""},
	    {"<11>x", BH_STATUS_ERROR, ""},
	    {"<12>x", BH_STATUS_WARN, ""},
	    {"<13>x", BH_STATUS_NOTICE, ""},
	    {"<14>x", BH_STATUS_INFO, ""},
	    {"<191>x", BH_STATUS_DEBUG, ""},
	    {"<003>x", BH_STATUS_ERROR, ""},
	    {"<3>", BH_STATUS_ERROR, ""},
	    {"<192>app: x", BH_STATUS_INFO, ""},
	    {"<0003>app: x", BH_STATUS_INFO, ""},
	    {"<>app: x", BH_STATUS_INFO, ""},
	    {"<3 app: x", BH_STATUS_INFO, ""},
	    {"<-3>app: x", BH_STATUS_INFO, ""},
	    {"<3", BH_STATUS_INFO, ""},
	    {"<", BH_STATUS_INFO, ""},
	    {"", BH_STATUS_INFO, ""},
	    {" <3>app: x", BH_STATUS_INFO, ""},
	    {"plain text", BH_STATUS_INFO, ""},
	};

	check_rows(rows, BH_ARRAY_LEN(rows));
}

Test(syslog, rfc_5424)
{
	static const struct row rows[] = {
	    {"<34>1 2003-10-11T22:14:15.003Z mymachine su - ID47 - 'su root' failed",
		BH_STATUS_CRITICAL, "su"},
	    {"<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time",
		BH_STATUS_NOTICE, "myproc"},
	    {"<11>1 - - - - - -", BH_STATUS_ERROR, ""},
	    {"<11>1 - - app - - -\n", BH_STATUS_ERROR, "app"},
	    {"<11>1 - h app 1 m [id@1 k=\"v\"][b x=\"y\"] text", BH_STATUS_ERROR, "app"},
	    {"<11>1 - h app 1 m [id k=\"a\\\"]\\\\\" l=\"\\]\"]", BH_STATUS_ERROR, "app"},
	    {"<11>1 - h app 1 m [id] \xef\xbb\xbftext", BH_STATUS_ERROR, "app"},
	    {"<11>1 - h app 1 m [] text", BH_STATUS_INFO, ""},
	    {"<11>1 - h app 1 m [id k=\"v] text", BH_STATUS_INFO, ""},
	    {"<11>1 - h app 1 m [id", BH_STATUS_INFO, ""},
	    {"<11>1 - h app 1 m text", BH_STATUS_INFO, ""},
	    {"<11>1 - h app 1 m -text", BH_STATUS_INFO, ""},
	    {"<11>1 - h app 1 m", BH_STATUS_INFO, ""},
	    {"<11>1 - h  1 m - text", BH_STATUS_INFO, ""},
	    {"<11>1 - h a\tb 1 m - text", BH_STATUS_INFO, ""},
	    {"<11>1 ", BH_STATUS_INFO, ""},
	};

	check_rows(rows, BH_ARRAY_LEN(rows));
}

Test(syslog, rfc_3164)
{
	static const struct row rows[] = {
	    {"<34>Oct 11 22:14:15 mymachine su: 'su root' failed", BH_STATUS_CRITICAL, "su"},
	    {"<13>Feb  5 17:32:18 10.0.0.99 cron[17]: text", BH_STATUS_NOTICE, "cron"},
	    {"<13>Feb  5 17:32:18 host postfix/smtpd[17]: text", BH_STATUS_NOTICE, "postfix/smtpd"},
	    {"<13>Feb  5 17:32:18 app[1]: no host", BH_STATUS_NOTICE, "app"},
	    {"<13>Feb  5 17:32:18 host app[1] text", BH_STATUS_NOTICE, "app"},
	    {"<13>Feb  5 17:32:18 host some text: here", BH_STATUS_NOTICE, ""},
	    {"<13>Feb  5 17:32:18 host", BH_STATUS_NOTICE, ""},
	    {"<13>Feb  5 17:32:18 ", BH_STATUS_NOTICE, ""},
	    {"<13>2024-01-02T03:04:05.678901+01:00 host app[1]: text", BH_STATUS_NOTICE, "app"},
	    {"<13>app: text", BH_STATUS_NOTICE, "app"}, {"<13>app[77]:", BH_STATUS_NOTICE, "app"},
	    {"<13>host app: text", BH_STATUS_NOTICE, ""},
	    {"<13>http://x/ text", BH_STATUS_NOTICE, ""}, {"<13>: text", BH_STATUS_NOTICE, ""},
	    {"<13>[1]: text", BH_STATUS_NOTICE, ""},
	    {"<13>Foo 11 22:14:15 app: x", BH_STATUS_NOTICE, ""},
	    {"<13>Oct 1x 22:14:15 host app: x", BH_STATUS_NOTICE, ""},
	    {"<13>12 monkeys: text", BH_STATUS_NOTICE, ""}, /* two digits are no version */
	};

	check_rows(rows, BH_ARRAY_LEN(rows));
}
