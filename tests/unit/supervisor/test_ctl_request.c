#include <criterion/criterion.h>
#include <stdio.h>

#include "common/attrs.h"
#include "common/err.h"
#include "supervisor/ctl_request.h"

Test(ctl_request, every_verb_is_understood)
{
	static const struct {
		const char *line;
		enum bh_verb verb;
	} cases[] = {
	    {"{\"verb\":\"status\"}", BH_VERB_STATUS},
	    {"{\"verb\":\"ledger\"}", BH_VERB_LEDGER},
	    {"{\"verb\":\"drain\"}", BH_VERB_DRAIN},
	    {" { \"verb\" : \"shutdown\" }\r", BH_VERB_SHUTDOWN},
	    {"{\"verb\":\"version\"}", BH_VERB_VERSION},
	    {"{\"verb\":\"stream-logs\"}", BH_VERB_STREAM_LOGS},
	    {"{\"verb\":\"reload\"}", BH_VERB_RELOAD},
	    {"{\"verb\":\"health\"}", BH_VERB_HEALTH},
	    {"{\"verb\":\"last-stop\"}", BH_VERB_LAST_STOP},
	    {"{\"verb\":\"events\"}", BH_VERB_EVENTS},
	    {"{\"verb\":\"events-follow\"}", BH_VERB_EVENTS_FOLLOW},
	    {"{\"verb\":\"signal\",\"names\":\"logs\",\"signal\":\"KILL\"}", BH_VERB_SIGNAL},
	    {"{\"verb\":\"config-diff\"}", BH_VERB_CONFIG_DIFF},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		struct bh_ctl_request r;

		cr_assert_eq(
		    bh_ctl_request_parse(bh_str_from(cases[i].line), &r), 0, "%s", cases[i].line);
		cr_assert_eq(r.verb, cases[i].verb, "%s", cases[i].line);
	}
}

Test(ctl_request, everything_else_is_refused)
{
	static const struct {
		const char *line;
		int rc;
	} cases[] = {
	    {"", BH_E_FORMAT},
	    {"status", BH_E_FORMAT},
	    {"{}", BH_E_FORMAT},
	    {"{\"verb\":1}", BH_E_FORMAT},
	    {"{\"verb\":\"status\"", BH_E_FORMAT},
	    {"{\"verb\":\"status}", BH_E_FORMAT},
	    {"{\"verb\":\"status\"}x", BH_E_FORMAT},
	    {"{\"verb\":\"status\",\"a\":\"b\"}", BH_E_FORMAT},
	    {"{\"verb\":\"reload\",\"names\":\"logs\"}", BH_E_FORMAT},
	    {"{\"verb\":\"signal\",\"names\":\"logs\"}", BH_E_FORMAT},
	    {"{\"verb\":\"signal\",\"signal\":\"KILL\"}", BH_E_FORMAT},
	    {"{\"verb\":\"signal\",\"names\":\"logs\",\"signal\":\"TERM\"}", BH_E_FORMAT},
	    {"{\"verb\":\"signal\",\"names\":\"logs\",\"signal\":\"9\"}", BH_E_FORMAT},
	    {"{\"verb\":\"stop\",\"names\":\"logs\",\"signal\":\"KILL\"}", BH_E_FORMAT},
	    {"{\"word\":\"status\"}", BH_E_FORMAT},
	    {"{\"verb\":\"st\\u0061tus\"}", BH_E_FORMAT},
	    {"{\"verb\":\"statu\"}", BH_E_STATE},
	    {"{\"verb\":\"\"}", BH_E_STATE},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		struct bh_ctl_request r;

		cr_assert_eq(bh_ctl_request_parse(bh_str_from(cases[i].line), &r), cases[i].rc,
		    "%s", cases[i].line);
	}
}

Test(ctl_request, names_are_roles_between_blanks)
{
	static const struct {
		const char *line;
		int rc;
		unsigned roles;
	} cases[] = {
	    {"{\"verb\":\"restart\",\"names\":\"dogstatsd\"}", 0, 1u << BH_ROLE_DOGSTATSD},
	    {"{\"verb\":\"stop\", \"names\":\" logs  forwarder \"}", 0,
		1u << BH_ROLE_LOGS | 1u << BH_ROLE_FORWARDER},
	    {"{\"verb\":\"start\",\"names\":\"all\"}", 0, 14},
	    {"{\"verb\":\"start\",\"names\":\"all logs\"}", 0, 14},
	    {"{\"verb\":\"start\",\"names\":\"supervisor\"}", BH_E_LIMIT, 0},
	    {"{\"verb\":\"start\",\"names\":\"logs,forwarder\"}", BH_E_LIMIT, 0},
	    {"{\"verb\":\"start\",\"names\":\"\"}", BH_E_FORMAT, 0},
	    {"{\"verb\":\"start\"}", BH_E_FORMAT, 0},
	    {"{\"verb\":\"status\",\"names\":\"logs\"}", BH_E_FORMAT, 0},
	    {"{\"verb\":\"start\",\"name\":\"logs\"}", BH_E_FORMAT, 0},
	    {"{\"verb\":\"start\",\"names\":\"logs\",\"names\":\"logs\"}", BH_E_FORMAT, 0},
	    {"{\"names\":\"logs\",\"verb\":\"start\"}", BH_E_FORMAT, 0},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		struct bh_ctl_request r;

		cr_assert_eq(bh_ctl_request_parse(bh_str_from(cases[i].line), &r), cases[i].rc,
		    "%s", cases[i].line);
		if (!cases[i].rc)
			cr_assert_eq(r.roles, cases[i].roles, "%s", cases[i].line);
	}
}

#define NAME_50  "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
#define NAME_200 NAME_50 NAME_50 NAME_50 NAME_50

Test(ctl_request, a_filter_is_a_source_a_service_or_both)
{
	static const struct {
		const char *members;
		int rc;
		const char *source, *service;
	} cases[] = {
	    {"", 0, "", ""},
	    {",\"source\":\"nginx\"", 0, "nginx", ""},
	    {",\"service\":\"web\"", 0, "", "web"},
	    {",\"source\":\"nginx\",\"service\":\"web\"", 0, "nginx", "web"},
	    {" , \"service\" : \"a b\" , \"source\" : \"\xc3\xa4\" ", 0, "\xc3\xa4", "a b"},
	    {",\"source\":\"" NAME_200 "\"", 0, NAME_200, ""},
	    {",\"source\":\"" NAME_200 "n\"", BH_E_FORMAT, "", ""},
	    {",\"service\":\"" NAME_200 "n\"", BH_E_FORMAT, "", ""},
	    {",\"source\":\"\"", BH_E_FORMAT, "", ""},
	    {",\"source\":\"a\x7f\"", BH_E_FORMAT, "", ""},
	    {",\"source\":\"a\x1f\"", BH_E_FORMAT, "", ""},
	    {",\"source\":\"a\\n\"", BH_E_FORMAT, "", ""},
	    {",\"source\":\"a\",\"source\":\"a\"", BH_E_FORMAT, "", ""},
	    {",\"source\":\"a\",", BH_E_FORMAT, "", ""},
	    {",\"source\"", BH_E_FORMAT, "", ""},
	    {",\"names\":\"logs\"", BH_E_FORMAT, "", ""},
	    {",\"verb\":\"status\"", BH_E_FORMAT, "", ""},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		struct bh_ctl_request r;
		char line[600];

		(void)snprintf(
		    line, sizeof(line), "{\"verb\":\"stream-logs\"%s}", cases[i].members);
		cr_assert_eq(bh_ctl_request_parse(bh_str_from(line), &r), cases[i].rc, "%s", line);
		if (cases[i].rc)
			continue;
		cr_assert_str_eq(r.filter.source, cases[i].source, "%s", line);
		cr_assert_str_eq(r.filter.service, cases[i].service, "%s", line);
	}
}

Test(ctl_request, a_member_belongs_to_its_verb)
{
	static const char *const lines[] = {
	    "{\"verb\":\"status\",\"source\":\"a\"}",
	    "{\"verb\":\"restart\",\"names\":\"logs\",\"service\":\"a\"}",
	    "{\"verb\":\"restart\",\"names\":\"nobody\",\"service\":\"a\"}",
	    "{\"verb\":\"dogstatsd-capture\"}",
	    "{\"verb\":\"dogstatsd-capture\",\"seconds\":\"1\",\"seconds\":\"1\"}",
	    "{\"verb\":\"nothing\",\"source\":\"a\"}",
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(lines); i++) {
		struct bh_ctl_request r;

		cr_assert_eq(
		    bh_ctl_request_parse(bh_str_from(lines[i]), &r), BH_E_FORMAT, "%s", lines[i]);
	}
}

Test(ctl_request, the_registry_is_asked_by_identifier_or_file)
{
	static const struct {
		const char *line;
		int rc;
		enum bh_verb verb;
		const char *arg;
	} cases[] = {
	    {"{\"verb\":\"registry\"}", 0, BH_VERB_REGISTRY, ""},
	    {"{\"verb\":\"registry-show\",\"identifier\":\"file:/a%FF b\"}", 0,
		BH_VERB_REGISTRY_SHOW, "file:/a%FF b"},
	    {"{\"verb\":\"registry-forget\",\"identifier\":\"x\"}", 0, BH_VERB_REGISTRY_FORGET,
		"x"},
	    {"{\"verb\":\"registry-import\",\"file\":\"/a\"}", 0, BH_VERB_REGISTRY_IMPORT, "/a"},
	    {"{\"verb\":\"registry-show\"}", BH_E_FORMAT, 0, ""},
	    {"{\"verb\":\"registry-show\",\"identifier\":\"\"}", BH_E_FORMAT, 0, ""},
	    {"{\"verb\":\"registry-show\",\"file\":\"/a\"}", BH_E_FORMAT, 0, ""},
	    {"{\"verb\":\"registry-import\",\"identifier\":\"/a\"}", BH_E_FORMAT, 0, ""},
	    {"{\"verb\":\"registry\",\"identifier\":\"x\"}", BH_E_FORMAT, 0, ""},
	    {"{\"verb\":\"spool\",\"request\":\"ls%0Aolder=3\"}", 0, BH_VERB_SPOOL, "ls%0Aolder=3"},
	    {"{\"verb\":\"spool-purge\",\"request\":\"purge\"}", 0, BH_VERB_SPOOL_PURGE, "purge"},
	    {"{\"verb\":\"spool-replay\"}", BH_E_FORMAT, 0, ""},
	    {"{\"verb\":\"spool-acknowledge\",\"request\":\"acknowledge\"}", 0,
		BH_VERB_SPOOL_ACKNOWLEDGE, "acknowledge"},
	    {"{\"verb\":\"spool\",\"file\":\"/x\"}", BH_E_FORMAT, 0, ""},
	    {"{\"verb\":\"diagnose\"}", 0, BH_VERB_DIAGNOSE, ""},
	    {"{\"verb\":\"diagnose\",\"request\":\"x\"}", BH_E_FORMAT, 0, ""},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		struct bh_ctl_request r;

		cr_assert_eq(bh_ctl_request_parse(bh_str_from(cases[i].line), &r), cases[i].rc,
		    "%s", cases[i].line);
		if (cases[i].rc)
			continue;
		cr_expect_eq(r.verb, cases[i].verb);
		cr_expect(bh_str_eq(r.arg, bh_str_from(cases[i].arg)), "%s", cases[i].line);
	}
}
