#include <criterion/criterion.h>
#include <string.h>

#include "common/crc.h"
#include "logs-agent/generation.h"
#include "logs-agent/glob.h"
#include "logs-agent/record.h"
#include "logs-agent/trim.h"

Test(record, escapes_every_byte_to_valid_json)
{
	static const struct {
		struct bh_str in;
		const char *want;
	} rows[] = {
	    {{"plain", 5}, "plain"},
	    {{"a\"b\\c", 5}, "a\\\"b\\\\c"},
	    {{"\0\x01\x1f", 3}, "\\u0000\\u0001\\u001f"},
	    {{"t\tn\nr\r", 6}, "t\\tn\\nr\\r"},
	    {{"\xff", 1}, "\xef\xbf\xbd"},
	    {{"\xed\xa0\x80", 3}, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
	    {{"\xc0\xaf", 2}, "\xef\xbf\xbd\xef\xbf\xbd"},
	    {{"\xe4\xb8", 2}, "\xef\xbf\xbd\xef\xbf\xbd"},
	    {{"\x7f\xc3\xa9", 3}, "\x7f\xc3\xa9"},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++) {
		struct bh_buf out = BH_BUF_INIT;

		cr_assert_eq(bh_json_escape(&out, rows[i].in), 0);
		cr_expect_str_eq(out.data, rows[i].want, "row %zu", i);
		bh_buf_release(&out);
	}
}

/* One byte at a time, as the table of RFC 8259 §7 says. */
static void escape_plainly(struct bh_buf *out, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if (c == '"' || c == '\\')
			(void)bh_buf_printf(out, "\\%c", c);
		else if (c == '\n' || c == '\r' || c == '\t')
			(void)bh_buf_printf(out, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
		else if (c < 0x20)
			(void)bh_buf_printf(out, "\\u%04x", c);
		else
			(void)bh_buf_append(out, p + i, 1);
	}
}

/* Every byte of ASCII at every place of a word, beside neighbours that could lend it a borrow, and
 * at the places where room is made for the next step. */
Test(record, escapes_alike_at_every_place_of_a_word)
{
	static const char around[] = {'a', '"', ' ', '!', '\x1f', '\x7f', ']', '\0'};
	char text[1040];

	for (size_t side = 0; side < sizeof(around); side++) {
		for (unsigned c = 0; c < 0x80; c++) {
			for (size_t at = 500; at < 530; at++) {
				struct bh_buf out = BH_BUF_INIT, want = BH_BUF_INIT;
				size_t n = at + 1 + (at + c) % 13;

				memset(text, 'x', sizeof(text));
				text[at - 1] = text[at + 1] = around[side];
				text[at] = (char)c;
				escape_plainly(&want, text, n);
				cr_assert_eq(bh_json_escape(&out, (struct bh_str){text, n}), 0);
				cr_assert(bh_str_eq(bh_buf_view(&out), bh_buf_view(&want)),
				    "byte %u at %zu beside %u", c, at, around[side]);
				bh_buf_release(&out);
				bh_buf_release(&want);
			}
		}
	}
}

Test(record, letters_of_several_bytes_may_lie_over_a_step)
{
	struct bh_buf text = BH_BUF_INIT, out = BH_BUF_INIT;

	for (size_t lead = 0; lead < 4; lead++) {
		bh_buf_clear(&text);
		bh_buf_clear(&out);
		(void)bh_buf_append(&text, "abc", lead);
		for (int i = 0; i < 600; i++)
			(void)bh_buf_str(&text, "\xe2\x82\xac\xf0\x9f\x98\x80");
		cr_assert_eq(bh_json_escape(&out, bh_buf_view(&text)), 0);
		cr_expect(bh_str_eq(bh_buf_view(&out), bh_buf_view(&text)));
	}
	bh_buf_release(&text);
	bh_buf_release(&out);
}

Test(record, trims_the_white_space_of_the_table_and_nothing_else)
{
	static const char *const rows[][2] = {
	    {"  a b \t\r", "a b"},
	    {"\xc2\xa0x\xe2\x80\x89", "x"},
	    {"\xc2\x85", ""},
	    {"\xef\xbb\xbfz", "\xef\xbb\xbfz"},
	    {"\xa0q\x85", "\xa0q\x85"},
	    {"", ""},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++) {
		struct bh_str s = bh_trim(bh_str_from(rows[i][0]));

		cr_expect(bh_str_eq(s, bh_str_from(rows[i][1])), "row %zu: %.*s", i, (int)s.n, s.p);
	}
}

Test(glob, follows_gos_rules)
{
	static const struct {
		const char *pattern, *name;
		bool match;
	} rows[] = {
	    {"*.log", "a.log", true},
	    {"*.log", ".hidden.log", true},
	    {"*", "", true},
	    {"a*b*c", "axxbyyc", true},
	    {"a*b*c", "axxbyy", false},
	    {"?.log", "a.log", true},
	    {"?.log", ".log", false},
	    {"[a-c]x", "bx", true},
	    {"[^a-c]x", "bx", false},
	    {"[^a-c]x", "dx", true},
	    {"[!a]x", "!x", true},
	    {"\\*x", "*x", true},
	    {"\\*x", "ax", false},
	    {"app.log", "app.log.1", false},
	    {"[a", "a", false},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++)
		cr_expect_eq(bh_glob_match(rows[i].pattern, rows[i].name), rows[i].match,
		    "%s against %s", rows[i].pattern, rows[i].name);
}

Test(window, keeps_the_last_bytes_however_they_came)
{
	char all[1000], last[BH_MARKER_MAX];

	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (char)(i * 7);
	memcpy(last, all + sizeof(all) - BH_MARKER_MAX, BH_MARKER_MAX);
	for (size_t step = 1; step <= sizeof(all); step += 13) {
		struct bh_window w = {.n = 0};

		for (size_t at = 0; at < sizeof(all); at += step)
			bh_window_add(&w, all + at, BH_MIN(step, sizeof(all) - at));
		cr_assert_eq(w.n, BH_MARKER_MAX);
		cr_assert_eq(memcmp(w.bytes, last, BH_MARKER_MAX), 0, "step %zu", step);
	}
}
