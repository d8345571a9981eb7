#include <criterion/criterion.h>

#include "common/utf8.h"
#include "dogstatsd/sanitize.h"

#define FFFD "\xEF\xBF\xBD"

static void expect_clean(const char *in, const char *want)
{
	struct bh_buf out = BH_BUF_INIT;

	cr_assert_eq(bh_text_sanitize(bh_str_from(in), &out), 0);
	cr_expect_str_eq(out.len ? out.data : "", want);
	bh_buf_release(&out);
}

Test(sanitize, replaces_each_run_of_invalid_bytes_by_one_mark)
{
	expect_clean("", "");
	expect_clean("plain", "plain");
	expect_clean("caf\xC3\xA9", "caf\xC3\xA9");
	expect_clean("\xFF", FFFD);
	expect_clean("a\xFF\xFE\xFD"
		     "b",
	    "a" FFFD "b");
	expect_clean("a\xFF"
		     "b\xFF",
	    "a" FFFD "b" FFFD);
	expect_clean("\xE2\x82", FFFD);
	expect_clean("\xE2\x82,x", FFFD ",x");
}

Test(sanitize, knows_valid_text)
{
	cr_expect(bh_text_is_valid(BH_STR_LIT("abcdefgh\0ijklmnop")));
	cr_expect(bh_text_is_valid(BH_STR_LIT("\xF0\x9F\x98\x80 \xED\x9F\xBF \xF4\x8F\xBF\xBF")));
	cr_expect(bh_text_is_valid((struct bh_str){NULL, 0}));
}

Test(sanitize, knows_the_forms_that_utf8_forbids)
{
	static const char *const bad[] = {"\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80",
	    "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\x80", "\xC3", "\xE2\x82",
	    "\xE2\x28\xA1", "12345678\xFF", "\xF0\x9F\x98"};

	for (size_t i = 0; i < BH_ARRAY_LEN(bad); i++)
		cr_expect_not(bh_text_is_valid(bh_str_from(bad[i])), "row %zu", i);
}

Test(sanitize, finds_where_validity_ends)
{
	cr_expect_eq(bh_utf8_valid_prefix("0123456789\xFF", 11), 10);
	cr_expect_eq(bh_utf8_valid_prefix("ab\xC3\xA9\xC3", 5), 4);
}
