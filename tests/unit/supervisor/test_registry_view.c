#include <criterion/criterion.h>

#include "supervisor/registry_view.h"

static void expect(const struct bh_origin *o, bool imported, const char *want)
{
	struct bh_buf json = BH_BUF_INIT;
	struct bh_jsonw w;

	bh_jsonw_init(&w, &json);
	bh_jsonw_object(&w, NULL);
	bh_registry_row_json(&w, o, imported, 3);
	bh_jsonw_object_end(&w);
	cr_expect_str_eq(json.data, want);
	bh_buf_release(&json);
}

Test(registry_view, numbers_that_only_name_are_text_and_bytes_are_escaped)
{
	const struct bh_origin o = {.identifier = BH_STR_LIT("file:/a\xff\"\n%"),
	    .gen = UINT64_MAX,
	    .path = BH_STR_LIT("/a\xff\"\n%"),
	    .dev = UINT64_MAX,
	    .ino = 1ULL << 63,
	    .offset_first = BH_STR_LIT("1"),
	    .offset_last = BH_STR_LIT("2"),
	    .fp_value = UINT64_MAX,
	    .fp_config = BH_STR_LIT("line_checksum:1:0:10000"),
	    .tailing_mode = BH_STR_LIT("end"),
	    .ingestion_ns = -1,
	    .last_size = UINT64_MAX,
	    .state = BH_ORIGIN_FORGOTTEN};

	expect(&o, false,
	    "{\"identifier\":\"file:/a%FF%22%0A%25\",\"path\":\"/a%FF%22%0A%25\","
	    "\"state\":\"forgotten\",\"imported\":false,\"delivered\":\"1\",\"safe\":\"2\","
	    "\"size\":9223372036854775807,\"open_parts\":3,"
	    "\"generation\":\"18446744073709551615\",\"dev\":\"18446744073709551615\","
	    "\"ino\":\"9223372036854775808\",\"tailing_mode\":\"end\",\"ingestion_ns\":-1,"
	    "\"fingerprint\":{\"value\":\"18446744073709551615\","
	    "\"config\":\"line_checksum:1:0:10000\"}}");
}

Test(registry_view, without_a_fingerprint_there_is_none)
{
	const struct bh_origin o = {.identifier = BH_STR_LIT("docker:x")};

	expect(&o, true,
	    "{\"identifier\":\"docker:x\",\"path\":\"\",\"state\":\"live\",\"imported\":true,"
	    "\"delivered\":\"\",\"safe\":\"\",\"size\":0,\"open_parts\":3,"
	    "\"generation\":\"0\",\"dev\":\"0\",\"ino\":\"0\",\"tailing_mode\":\"\","
	    "\"ingestion_ns\":0}");
}
