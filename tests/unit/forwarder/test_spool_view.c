/* What bulkheadctl spool asks, in words, and which rows it means. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/base64.h"
#include "common/err.h"
#include "forwarder/spool_view.h"
#include "proto/link.h"

static const struct {
	const char *text;
	int rc;
	enum bh_spool_verb verb;
	uint64_t id;
	const char *destination;
	int class;
	int64_t older_s;
} requests[] = {
    {"ls", 0, BH_SPOOL_LS, 0, "", BH_CLASS_ALL, -1},
    {"ls\n", 0, BH_SPOOL_LS, 0, "", BH_CLASS_ALL, -1},
    {"show\nid=7", 0, BH_SPOOL_SHOW, 7, "", BH_CLASS_ALL, -1},
    {"purge\ndestination=logs/primary\nclass=logs\nolder=3600", 0, BH_SPOOL_PURGE, 0,
	"logs/primary", BH_CLASS_LOGS, 3600},
    {"replay\nclass=metrics\nolder=0", 0, BH_SPOOL_REPLAY, 0, "", BH_CLASS_METRICS, 0},
    {"snapshot\nfile=/a=b", 0, BH_SPOOL_SNAPSHOT, 0, "", BH_CLASS_ALL, -1},
    {"", BH_E_FORMAT, 0, 0, "", 0, 0},
    {"list", BH_E_FORMAT, 0, 0, "", 0, 0},
    {"show", BH_E_FORMAT, 0, 0, "", 0, 0},
    {"show\nid=0", BH_E_FORMAT, 0, 0, "", 0, 0},
    {"show\nid=-1", BH_E_FORMAT, 0, 0, "", 0, 0},
    {"show\nid=12345678901234567890", BH_E_FORMAT, 0, 0, "", 0, 0},
    {"ls\nolder=x", BH_E_FORMAT, 0, 0, "", 0, 0},
    {"ls\nolder=99999999999", BH_E_FORMAT, 0, 0, "", 0, 0},
    {"ls\nclass=traces", BH_E_FORMAT, 0, 0, "", 0, 0},
    {"ls\ndestination=", BH_E_FORMAT, 0, 0, "", 0, 0},
    {"ls\nname", BH_E_FORMAT, 0, 0, "", 0, 0},
    {"ls\nname=x", BH_E_FORMAT, 0, 0, "", 0, 0},
    {"ls\n\n", BH_E_FORMAT, 0, 0, "", 0, 0},
};

Test(spool_view, requests)
{
	for (size_t i = 0; i < BH_ARRAY_LEN(requests); i++) {
		struct bh_spool_request r;
		const char *why = NULL;

		cr_assert_eq(bh_spool_request_parse(bh_str_from(requests[i].text), &r, &why),
		    requests[i].rc, "%s", requests[i].text);
		if (requests[i].rc) {
			cr_expect_not_null(why);
			continue;
		}
		cr_expect_eq(r.verb, requests[i].verb);
		cr_expect_eq(r.id, requests[i].id);
		cr_expect_str_eq(r.destination, requests[i].destination);
		cr_expect_eq((int)r.class, requests[i].class);
		cr_expect_eq(r.older_s, requests[i].older_s);
	}
}

/* What was refused for good is meant when it is named, and only then. */
Test(spool_view, the_quarantine_is_meant_when_it_is_named)
{
	struct bh_spool_request r = {.older_s = -1};

	cr_expect(bh_spool_wants_destination(&r, "logs/primary"));
	cr_expect_not(bh_spool_wants_destination(&r, "quarantine"));
	(void)snprintf(r.destination, sizeof(r.destination), "quarantine");
	cr_expect(bh_spool_wants_destination(&r, "quarantine"));
	cr_expect_not(bh_spool_wants_destination(&r, "logs/primary"));
}

Test(spool_view, rows_are_selected_by_class_and_age)
{
	struct bh_spool_request r = {.older_s = -1};

	cr_expect(bh_spool_wants_row(&r, BH_KIND_LOGS, 5000, 1000));
	r.class = BH_CLASS_METRICS;
	cr_expect_not(bh_spool_wants_row(&r, BH_KIND_LOGS, 0, 1000));
	cr_expect(bh_spool_wants_row(&r, BH_KIND_SKETCHES, 0, 1000));
	r.older_s = 10;
	cr_expect(bh_spool_wants_row(&r, BH_KIND_SERIES_V2, 90000, 100000));
	cr_expect_not(bh_spool_wants_row(&r, BH_KIND_SERIES_V2, 90001, 100000));
}

/* RFC 4648 §10 */
Test(spool_view, base64)
{
	static const char *const vectors[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="},
	    {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"},
	    {"\xff\xfe\xfd", "//79"}};

	for (size_t i = 0; i < BH_ARRAY_LEN(vectors); i++) {
		struct bh_buf out = BH_BUF_INIT;

		cr_expect_eq(bh_base64_encode(bh_str_from(vectors[i][0]), &out), 0);
		cr_expect(
		    bh_str_eq(bh_buf_view(&out), bh_str_from(vectors[i][1])), "%s", vectors[i][0]);
		bh_buf_release(&out);
	}
}
