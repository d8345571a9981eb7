#include <criterion/criterion.h>
#include <string.h>

#include "common/attrs.h"
#include "supervisor/ctl/format.h"

Test(format, a_long_name_loses_its_middle)
{
	static const struct {
		const char *text;
		size_t width;
		const char *want;
	} cases[] = {
	    {"short", 8, "short"},
	    {"12345678", 8, "12345678"},
	    {"123456789", 8, "123...89"},
	    {"/var/log/app/current.log", 13, "/var/...t.log"},
	    {"\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc", 5, "\xc3\xa4...\xc3\xbc"},
	    {"\xc3\xa4\xc3\xb6\xc3\xbc", 3, "\xc3\xa4\xc3\xb6\xc3\xbc"},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		struct bh_buf out = BH_BUF_INIT;

		bh_fmt_cut(&out, cases[i].text, cases[i].width);
		cr_assert_str_eq(out.data, cases[i].want);
		bh_buf_release(&out);
	}
}

Test(format, padding_counts_characters_not_bytes)
{
	struct bh_buf out = BH_BUF_INIT;

	bh_fmt_left(&out, "\xc3\xa4", 3);
	bh_buf_u8(&out, '|');
	bh_fmt_right(&out, "\xc3\xa4", 3);
	cr_assert_str_eq(out.data, "\xc3\xa4  |  \xc3\xa4");
	bh_buf_release(&out);
}

Test(format, words_are_wrapped_below_their_lead)
{
	struct bh_buf out = BH_BUF_INIT;
	char text[200];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	text[40] = text[75] = text[90] = ' ';
	bh_fmt_wrap(&out, "  - ", text);
	for (const char *line = out.data; *line; line = strchr(line, '\n') + 1) {
		cr_assert_leq(strcspn(line, "\n"), (size_t)BH_COLUMNS);
		cr_assert(strncmp(line, line == out.data ? "  - " : "    ", 4) == 0, "%s", line);
	}
	cr_assert(strstr(out.data, "..."), "the word that fits no line is cut");
	bh_buf_release(&out);
}

Test(format, uptimes_read_as_supervisorctl_writes_them)
{
	static const struct {
		uint64_t seconds;
		const char *want;
	} cases[] = {
	    {0, "0:00:00"},
	    {65, "0:01:05"},
	    {86399, "23:59:59"},
	    {86400 + 7384, "1 day, 2:03:04"},
	    {3 * 86400, "3 days, 0:00:00"},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		char text[BH_FMT_MAX];

		bh_fmt_uptime(text, cases[i].seconds);
		cr_assert_str_eq(text, cases[i].want);
	}
}

Test(format, counts_never_take_more_than_nine_characters)
{
	static const struct {
		uint64_t n;
		const char *want;
	} cases[] = {
	    {0, "0"},
	    {999999999, "999999999"},
	    {1000000000, "1000000k"},
	    {99999999999, "99999999k"},
	    {100000000000, "100000M"},
	    {UINT64_MAX, "18446744T"},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		char text[BH_FMT_MAX];

		bh_fmt_count(text, cases[i].n);
		cr_assert_str_eq(text, cases[i].want);
		cr_assert_leq(strlen(text), (size_t)9);
	}
}

Test(format, memory_has_a_unit)
{
	char text[BH_FMT_MAX];

	bh_fmt_kib(text, 640);
	cr_assert_str_eq(text, "640 KiB");
	bh_fmt_kib(text, 2150);
	cr_assert_str_eq(text, "2.1 MiB");
	bh_fmt_kib(text, 3 * 1024 * 1024);
	cr_assert_str_eq(text, "3.0 GiB");
}
