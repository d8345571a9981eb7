#include <criterion/criterion.h>

#include "common/err.h"
#include "common/percent.h"

Test(percent, any_byte_comes_back)
{
	static const struct {
		const char *bytes, *text;
	} cases[] = {
	    {"", ""},
	    {"file:/var/log/a b.log", "file:/var/log/a b.log"},
	    {"/\xc3\xa4/\xe2\x82\xac", "/\xc3\xa4/\xe2\x82\xac"},
	    {"/100%", "/100%25"},
	    {"\"\\\n\x7f", "%22%5C%0A%7F"},
	    {"a\xff\xc3", "a%FF%C3"},
	    {"\xff\xc3\xa4\xc3", "%FF\xc3\xa4%C3"},
	    {"\xc2\x9b[2J\xc2\xa0", "%C2%9B[2J\xc2\xa0"},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		struct bh_buf text = BH_BUF_INIT, back = BH_BUF_INIT;

		cr_expect_eq(bh_percent_encode(bh_str_from(cases[i].bytes), &text), 0);
		cr_expect(bh_str_eq(bh_buf_view(&text), bh_str_from(cases[i].text)), "%s is %s",
		    cases[i].text, text.data ? text.data : "");
		cr_expect_eq(bh_percent_decode(bh_buf_view(&text), &back), 0);
		cr_expect(bh_str_eq(bh_buf_view(&back), bh_str_from(cases[i].bytes)));
		bh_buf_release(&text);
		bh_buf_release(&back);
	}
}

Test(percent, half_an_escape_is_refused)
{
	static const char *const cases[] = {"%", "a%2", "%zz", "%2", "%%25", "%-1"};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		struct bh_buf out = BH_BUF_INIT;

		cr_expect_eq(
		    bh_percent_decode(bh_str_from(cases[i]), &out), BH_E_FORMAT, "%s", cases[i]);
		bh_buf_release(&out);
	}
}
