#include <criterion/criterion.h>

#include "supervisor/ctl/view.h"

static void expect(
    void (*view)(const json_t *answer, struct bh_buf *out), const char *answer, const char *want)
{
	json_t *json = json_loads(answer, 0, NULL);
	struct bh_buf out = BH_BUF_INIT;

	cr_assert(json != NULL, "%s", answer);
	view(json, &out);
	cr_expect_str_eq(out.data ? out.data : "", want);
	bh_buf_release(&out);
	json_decref(json);
}

#define ROW(id, path, state, imported, delivered, gen, more) \
	"{\"identifier\":\"" id "\",\"path\":\"" path "\",\"state\":\"" state \
	"\",\"imported\":" imported ",\"delivered\":\"" delivered \
	"\",\"safe\":\"9\",\"size\":10,\"generation\":\"" gen "\"" more "}"
#define ANSWER(rows) "{\"schema\":1,\"time\":\"2026-01-02T03:04:05Z\",\"rows\":[" rows "]}"

Test(view_registry, rows_are_listed_by_path_and_names_are_not_cut)
{
	expect(bh_view_registry,
	    ANSWER(ROW("file:/z", "/z", "finished", "false", "7", "1", "") "," ROW("journald:x", "",
		"live", "true", "s=123456789;i=123456789", "2", "") "," ROW("file:/a",
		"/a-name-that-is-much-longer-than-all-of-the-eighty-columns-of-a-"
		"terminal",
		"live", "false", "5", "3", "")),
	    "STATE           DELIVERED            SAFE            SIZE  PATH\n"
	    "live                    5               9              10  "
	    "/a-name-that-is-much-longer-than-all-of-the-eighty-columns-of-a-terminal\n"
	    "finished                7               9              10  /z\n"
	    "imported   s=1234...56789               9               -  journald:x\n");
}

Test(view_registry, an_answer_without_rows_is_a_heading)
{
	expect(bh_view_registry, "{}",
	    "STATE           DELIVERED            SAFE            SIZE  PATH\n");
}

Test(view_registry, export_takes_the_generation_at_the_path)
{
	expect(bh_view_registry_export,
	    ANSWER(ROW("file:/a", "/a", "finished", "false", "1", "1", "") "," ROW(
		"file:/a", "/a", "live", "true", "2", "2", "") "," ROW("file:/a", "/a", "waiting",
		"false", "3", "3", "") "," ROW("file:/gone", "/gone", "draining", "false", "4", "4",
		"") "," ROW("file:/b%0A%25", "/b", "live", "false", "5", "5",
		",\"tailing_mode\":\"end\",\"ingestion_ns\":6,\"fingerprint\":{\"value\":"
		"\"18446744073709551615\",\"config\":\"line_checksum:1:0:10000\"}")),
	    "{\"Version\":2,\"Registry\":{"
	    "\"file:/a\":{\"LastUpdated\":\"2026-01-02T03:04:05Z\",\"Offset\":\"3\","
	    "\"TailingMode\":\"\",\"IngestionTimestamp\":0},"
	    "\"file:/b\\u000a%\":{\"LastUpdated\":\"2026-01-02T03:04:05Z\",\"Offset\":\"5\","
	    "\"TailingMode\":\"end\",\"IngestionTimestamp\":6,\"Fingerprint\":{"
	    "\"Value\":18446744073709551615,\"Config\":{\"fingerprint_strategy\":\"line_checksum\","
	    "\"count\":1,\"count_to_skip\":0,\"max_bytes\":10000}}}}}\n");
}

Test(view_registry, import_and_forget_say_how_many)
{
	expect(bh_view_registry_import,
	    "{\"version\":1,\"imported\":0,\"skipped\":2,\"ignored\":3}",
	    "version 1: 0 imported, 2 skipped (known already), 3 ignored (no position)\n");
	expect(bh_view_registry_forget, "{\"forgotten\":2}", "2 forgotten\n");
}
