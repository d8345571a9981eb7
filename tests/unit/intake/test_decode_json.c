#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "tests/intake/decode_json.h"

typedef int decoder(struct bh_str body, struct bh_decoded *d, struct bh_err *err);

/* Decodes and compares all records, members sorted. */
static void expect(decoder *decode, const char *body, const char *want)
{
	struct bh_err err = BH_ERR_INIT;
	struct bh_decoded d;
	char *got;

	bh_decoded_init(&d);
	cr_assert_eq(decode(bh_str_from(body), &d, &err), 0, "%s: %s", body, err.text);
	got = json_dumps(d.records, JSON_COMPACT | JSON_SORT_KEYS);
	cr_expect_str_eq(got, want);
	free(got);
	bh_decoded_release(&d);
}

static void expect_refused(decoder *decode, const char *body, const char *cause)
{
	struct bh_err err = BH_ERR_INIT;
	struct bh_decoded d;

	bh_decoded_init(&d);
	cr_expect_eq(decode(bh_str_from(body), &d, &err), BH_E_FORMAT, "%s", body);
	cr_expect(strstr(err.text, cause), "%s: \"%s\" names \"%s\"", body, err.text, cause);
	bh_decoded_release(&d);
}

Test(decode_json, series_v1_is_kept_as_it_is)
{
	expect(bh_decode_series_v1,
	    "{\"series\":[{\"metric\":\"page.views\",\"points\":[[1700000000,3.5]],"
	    "\"tags\":[\"env:prod\"],\"host\":\"h1\",\"type\":\"rate\",\"interval\":10}]}",
	    "[{\"host\":\"h1\",\"interval\":10,\"kind\":\"series\",\"metric\":\"page.views\","
	    "\"points\":[[1700000000,3.5]],\"tags\":[\"env:prod\"],\"type\":\"rate\"}]");
}

Test(decode_json, series_v1_of_another_shape_is_refused)
{
	static const struct {
		const char *body;
		const char *cause;
	} cases[] = {
	    {"", "line 1"},
	    {"{\"series\":", "line 1"},
	    {"[]", "no array \"series\""},
	    {"{\"series\":{}}", "no array \"series\""},
	    {"{\"series\":[7]}", "no metric name"},
	    {"{\"series\":[{\"points\":[]}]}", "no metric name"},
	    {"{\"series\":[{\"metric\":\"m\"}]}", "points is not an array"},
	    {"{\"series\":[{\"metric\":\"m\",\"type\":\"set\",\"points\":[]}]}", "unknown type"},
	    {"{\"series\":[{\"metric\":\"m\",\"points\":[[1.5,1]]}]}", "integer seconds"},
	    {"{\"series\":[{\"metric\":\"m\",\"points\":[[1,\"1\"]]}]}", "integer seconds"},
	    {"{\"series\":[{\"metric\":\"m\",\"points\":[[1,1,1]]}]}", "integer seconds"},
	    {"{\"series\":[{\"metric\":\"m\",\"points\":[],\"tags\":[1]}]}", "array of strings"},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++)
		expect_refused(bh_decode_series_v1, cases[i].body, cases[i].cause);
}

Test(decode_json, checks_are_kept_and_their_status_is_checked)
{
	expect(bh_decode_checks, "[{\"check\":\"up\",\"status\":0}]",
	    "[{\"check\":\"up\",\"kind\":\"check\",\"status\":0}]");
	expect_refused(bh_decode_checks, "{}", "not an array");
	expect_refused(bh_decode_checks, "[{\"status\":0}]", "no name");
	expect_refused(bh_decode_checks, "[{\"check\":\"up\",\"status\":4}]", "0 to 3");
}

Test(decode_json, intake_tells_events_from_metadata)
{
	expect(bh_decode_intake,
	    "{\"apiKey\":\"\",\"events\":{\"api\":[{\"msg_title\":\"t\",\"msg_text\":\"x\"}]}}",
	    "[{\"kind\":\"event\",\"msg_text\":\"x\",\"msg_title\":\"t\",\"source\":\"api\"}]");
	expect(bh_decode_intake, "{\"internalHostname\":\"h\"}",
	    "[{\"internalHostname\":\"h\",\"kind\":\"metadata\"}]");
	expect_refused(bh_decode_intake, "[]", "not an object");
	expect_refused(bh_decode_intake, "{\"events\":[]}", "events is not an object");
	expect_refused(bh_decode_intake, "{\"events\":{\"a\":{}}}", "not an array");
	expect_refused(bh_decode_intake, "{\"events\":{\"a\":[{}]}}", "no title");
}

Test(decode_json, metadata_is_any_object)
{
	expect(bh_decode_metadata, "{\"uuid\":\"u\"}", "[{\"kind\":\"metadata\",\"uuid\":\"u\"}]");
	expect_refused(bh_decode_metadata, "[]", "not an object");
}

Test(decode_json, logs_keep_every_member_and_nul)
{
	expect(bh_decode_logs,
	    "[{\"message\":\"a\\u0000b\",\"ddtags\":\"env:x\"},{\"message\":\"\"}]",
	    "[{\"ddtags\":\"env:x\",\"kind\":\"log\",\"message\":\"a\\u0000b\"},"
	    "{\"kind\":\"log\",\"message\":\"\"}]");
}

Test(decode_json, a_client_cannot_choose_the_kind)
{
	expect(bh_decode_logs, "[{\"message\":\"m\",\"kind\":\"series\"}]",
	    "[{\"kind\":\"log\",\"message\":\"m\"}]");
}

Test(decode_json, the_probe_stores_nothing)
{
	expect(bh_decode_logs, "{}", "[]");
}

Test(decode_json, logs_of_another_shape_are_refused)
{
	static const struct {
		const char *body;
		const char *cause;
	} cases[] = {
	    {"", "line 1"},
	    {"[{\"message\":\"a\"}", "line 1"},
	    {"[{\"message\":\"a\"}] x", "line 1"},
	    {"[{\"message\":\"\xff\"}]", "0xff"},
	    {"\"text\"", "expected"},
	    {"[{}]", "log 0: no string \"message\""},
	    {"[{\"message\":\"a\"},{\"message\":7}]", "log 1: no string \"message\""},
	    {"[[]]", "log 0"},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++)
		expect_refused(bh_decode_logs, cases[i].body, cases[i].cause);
}
