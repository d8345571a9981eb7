#include <criterion/criterion.h>

#include "common/jsonw.h"

Test(jsonw, objects_arrays_and_values_stand_in_the_order_of_the_calls)
{
	struct bh_buf out = BH_BUF_INIT;
	struct bh_jsonw w;

	bh_jsonw_init(&w, &out);
	bh_jsonw_object(&w, NULL);
	bh_jsonw_str(&w, "a", "x");
	bh_jsonw_array(&w, "b");
	bh_jsonw_u64(&w, NULL, UINT64_MAX);
	bh_jsonw_i64(&w, NULL, INT64_MIN);
	bh_jsonw_object(&w, NULL);
	bh_jsonw_object_end(&w);
	bh_jsonw_bool(&w, NULL, false);
	bh_jsonw_array_end(&w);
	bh_jsonw_null(&w, "c");
	bh_jsonw_str(&w, "d", NULL);
	bh_jsonw_raw(&w, "e", BH_STR_LIT("[1]"));
	bh_jsonw_object_end(&w);
	cr_assert_str_eq(out.data,
	    "{\"a\":\"x\",\"b\":[18446744073709551615,-9223372036854775808,{},false],"
	    "\"c\":null,\"d\":null,\"e\":[1]}");
	bh_buf_release(&out);
}

static void assert_string(const char *p, size_t n, const char *want)
{
	struct bh_buf out = BH_BUF_INIT;
	struct bh_jsonw w;

	bh_jsonw_init(&w, &out);
	bh_jsonw_bytes(&w, NULL, p, n);
	cr_assert_str_eq(out.data, want);
	bh_buf_release(&out);
}

Test(jsonw, quotes_and_control_characters_are_escaped)
{
	assert_string("a\"b\\c\n\0\x1f\x7f", 9, "\"a\\\"b\\\\c\\u000a\\u0000\\u001f\\u007f\"");
}

Test(jsonw, what_is_not_utf8_is_replaced_byte_by_byte)
{
	assert_string("\xc3\xa4", 2, "\"\xc3\xa4\"");
	assert_string("a\xff\xfe"
		      "b",
	    4,
	    "\"a\xef\xbf\xbd\xef\xbf\xbd"
	    "b\"");
	assert_string("\xe2\x82", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\"");
	assert_string("\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

Test(jsonw, an_empty_string_is_empty)
{
	assert_string("", 0, "\"\"");
}

Test(jsonw, a_document_begins_with_its_schema)
{
	struct bh_buf out = BH_BUF_INIT;
	struct bh_jsonw w;

	bh_jsonw_document(&w, &out);
	bh_jsonw_bool(&w, "ok", true);
	bh_jsonw_object_end(&w);
	cr_assert_str_eq(out.data, "{\"schema\":1,\"ok\":true}");
	bh_buf_release(&out);
}
