/*
 * spec/logs.md §9.4: what RE2, as Go has it, takes and refuses, and what PCRE2 is given instead.
 * Verdicts and matches of the tables are those of Go's regexp package.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "common/re2.h"

struct row {
	const char *re2, *out;
};

static const struct row accepted[] = {
    {"", ""},
    {"a", "a"},
    {"abc", "abc"},
    {"a|b", "a|b"},
    {"a||b", "a||b"},
    {"(|a)", "(|a)"},
    {"()", "()"},
    {"(?:)", "(?:)"},
    {"a*", "a*"},
    {"a+?", "a+?"},
    {"a?\?", "a?\?"},
    {"a{2}", "a{2}"},
    {"a{2,}?", "a{2,}?"},
    {"a{2,3}", "a{2,3}"},
    {"a{0}", "a{0}"},
    {"a{1000}", "a{1000}"},
    {"(a{10}){100}", "(a{10}){100}"},
    {"((a{10}){10}){10}", "((a{10}){10}){10}"},
    {"a{,3}", "a\\{\\,3\\}"},
    {"a{", "a\\{"},
    {"a{1", "a\\{1"},
    {"a{x}", "a\\{x\\}"},
    {"a{1,x}", "a\\{1\\,x\\}"},
    {"a{02}", "a\\{02\\}"},
    {"}", "\\}"},
    {"]", "\\]"},
    {"a]b", "a\\]b"},
    {"(?i)abc", "(?i)abc"},
    {"(?i:a)b", "(?:(?i)a)b"},
    {"(?-i)a", "a"},
    {"(?i)a(?-i)b", "(?i)a(?-i)b"},
    {"(?im-s)a.b$", "(?im)a.b$"},
    {"(?s).", "(?s)."},
    {"(?m)^a$", "(?m)^a$"},
    {"^a$", "^a$"},
    {"\\Aa\\z", "\\Aa\\z"},
    {"a(?i)*", "a*"},
    {"a*(?i)*", "(?:a*)*"},
    {"(a(?i)b|c)d", "(a(?i)b|c)d"},
    {"(?U)a*b+?c{2}", "a*?b+c{2}?"},
    {"(?U)a{2,}", "a{2,}?"},
    {"(?U:a*)a*", "(?:a*?)a*"},
    {"(?)a", "a"},
    {"^*", "(?:^)*"},
    {"$+", "(?:$)+"},
    {"\\b?", "(?:\\b)?"},
    {"(?:^)*", "(?:^)*"},
    {"()*", "()*"},
    {"\\d\\D\\w\\W", "\\d\\D\\w\\W"},
    {"\\s", "[\\x09-\\x0a\\x0c-\\x0d ]"},
    {"\\S", "[^\\x09-\\x0a\\x0c-\\x0d ]"},
    {"[\\s]", "[\\x09-\\x0a\\x0c-\\x0d ]"},
    {"[\\S]", "[\\x00-\\x08\\x0b\\x0e-\\x1f\\!-\\x{10ffff}]"},
    {"[^\\s]", "[^\\x09-\\x0a\\x0c-\\x0d ]"},
    {"[\\w.-]", "[0-9A-Z_a-z\\.\\-]"},
    {"[\\d-z]", "[0-9\\-z]"},
    {"[^\\W]", "[^\\x00-\\/\\:-\\@\\[-\\^\\`\\{-\\x{10ffff}]"},
    {"\\v", "\\x0b"},
    {"[\\v]", "[\\x0b]"},
    {"(?i)\\w", "(?i)[0-9A-Z_a-z]"},
    {"(?i)[[:upper:]]", "(?i)[A-Z]"},
    {"(?i)[^[:^lower:]]",
	"(?i)[^\\x00-\\@\\[-\\`\\{-\\x{17e}\\x{180}-\\x{2129}\\x{212b}-\\x{10ffff}]"},
    {"[[:space:]]", "[\\x09-\\x0d ]"},
    {"[[:^digit:]]", "[\\x00-\\/\\:-\\x{10ffff}]"},
    {"[[:alpha:]_]", "[A-Za-z_]"},
    {"[[:xdigit:]]+", "[0-9A-Fa-f]+"},
    {"[[]", "[\\[]"},
    {"[[.a.]]", "[\\[\\.a\\.]\\]"},
    {"[]a]", "[\\]a]"},
    {"[^]a]", "[^\\]a]"},
    {"[a-]", "[a\\-]"},
    {"[-a]", "[\\-a]"},
    {"[a\\]b]", "[a\\]b]"},
    {"[--0]", "[\\--0]"},
    {"[a-c-e]", "[a-c\\-e]"},
    {"[^a]", "[^a]"},
    {"[^\\n]", "[^\\x0a]"},
    {"[\\x00-\\x7f]", "[\\x00-\\x7f]"},
    {"[\\x{d800}-\\x{e000}]", "[\\x{e000}]"},
    {"[\\x{d800}]", "[^\\x00-\\x{10ffff}]"},
    {"[^\\x{d800}]", "[\\x00-\\x{10ffff}]"},
    {"[é-ü]", "[\\xe9-\\xfc]"},
    {"[\\p{Lu}x]", "[\\p{Lu}x]"},
    {"[^\\PL]", "[^\\P{L}]"},
    {"\\pL", "\\p{L}"},
    {"\\PN", "\\P{N}"},
    {"\\p{Greek}", "\\p{sc:Greek}"},
    {"\\p{^Greek}", "\\P{sc:Greek}"},
    {"\\P{Han}", "\\P{sc:Han}"},
    {"\\p{Lu}", "\\p{Lu}"},
    {"(?i)\\p{Lu}", "(?i)\\p{L&}"},
    {"\\p{Any}", "\\p{Any}"},
    {"\\p{C}", "\\p{C}"},
    {"\\x41", "A"},
    {"\\x{41}", "A"},
    {"\\x{10FFFF}", "\\x{10ffff}"},
    {"\\x{d800}", "[^\\x00-\\x{10ffff}]"},
    {"\\012", "\\x0a"},
    {"\\123", "S"},
    {"\\0", "\\x00"},
    {"\\08", "\\x008"},
    {"\\1234", "S4"},
    {"\\a\\f\\n\\r\\t", "\\x07\\x0c\\x0a\\x0d\\x09"},
    {"\\.\\*\\[\\]\\/\\_\\-\\\"", "\\.\\*\\[\\]\\/_\\-\\\""},
    {"\\Qa.b\\E*", "a\\.b*"},
    {"\\Q(", "\\("},
    {"\\Q\\Ea", "a"},
    {"a*\\Q\\E*", "(?:a*)*"},
    {"a\\Qbc\\E+", "abc+"},
    {"é+", "é+"},
    {"#a b", "\\#a b"},
    {"a,b:c=d", "a\\,b\\:c\\=d"},
    {"(?P<n>a)", "(a)"},
    {"(?<n>a)", "(a)"},
    {"(?P<1x>a)", "(a)"},
    {"(?P<a_long_name_of_more_than_thirty_two_letters>a)", "(a)"},
    {"(?P<n>a)(?P<n>b)", "(a)(b)"},
    {"(?:a|(b))", "(?:a|(b))"},
    {"((((a))))", "((((a))))"},
    {"\\$\\{x\\}", "\\$\\{x\\}"},
    {"\\d{3}-\\d{2}-\\d{4}", "\\d{3}\\-\\d{2}\\-\\d{4}"},
    {"(?i)(api[_-]?key|token)=[^&\\s]+",
	"((?i)api[_\\-]?key|token)(?i)\\=[^\\&\\x09-\\x0a\\x0c-\\x0d ]+"},
    {"\\b\\d{1,3}(?:\\.\\d{1,3}){3}\\b", "\\b\\d{1,3}(?:\\.\\d{1,3}){3}\\b"},
};

static const struct row refused[] = {
    {"[[:alpha:]", "at byte 0: missing ] of the class that begins here"},
    {"*", "at byte 0: nothing to repeat"},
    {"+a", "at byte 0: nothing to repeat"},
    {"?", "at byte 0: nothing to repeat"},
    {"{2}", "at byte 0: nothing to repeat"},
    {"(?i)*", "at byte 4: nothing to repeat"},
    {"|*", "at byte 1: nothing to repeat"},
    {"a|+", "at byte 2: nothing to repeat"},
    {"(*", "at byte 0: verb (* is not supported"},
    {"(*UTF)a", "at byte 0: verb (* is not supported"},
    {"a**", "at byte 2: a repeat of a repeat (*) is not supported"},
    {"a+*", "at byte 2: a repeat of a repeat (*) is not supported"},
    {"a*+", "at byte 2: a repeat of a repeat (+) is not supported"},
    {"a++", "at byte 2: a repeat of a repeat (+) is not supported"},
    {"a?+", "at byte 2: a repeat of a repeat (+) is not supported"},
    {"a?\??", "at byte 3: a repeat of a repeat (?) is not supported"},
    {"a{2}{3}", "at byte 4: a repeat of a repeat ({) is not supported"},
    {"a{2}*", "at byte 4: a repeat of a repeat (*) is not supported"},
    {"a*{2}", "at byte 2: a repeat of a repeat ({) is not supported"},
    {"(", "at byte 0: missing ) of the group that begins here"},
    {"(a", "at byte 0: missing ) of the group that begins here"},
    {"a)", "at byte 1: unexpected )"},
    {")", "at byte 0: unexpected )"},
    {"(()", "at byte 0: missing ) of the group that begins here"},
    {"[", "at byte 0: missing ] of the class that begins here"},
    {"[a", "at byte 0: missing ] of the class that begins here"},
    {"[]", "at byte 0: missing ] of the class that begins here"},
    {"[^]", "at byte 0: missing ] of the class that begins here"},
    {"[^", "at byte 0: missing ] of the class that begins here"},
    {"[a-\\d]", "at byte 3: \\d is not supported here"},
    {"[\\w-\\d", "at byte 0: missing ] of the class that begins here"},
    {"[z-a]", "at byte 1: range z-a runs backwards"},
    {"[b-a]", "at byte 1: range b-a runs backwards"},
    {"[\\b]", "at byte 1: \\b is not supported here"},
    {"[\\z]", "at byte 1: \\z is not supported here"},
    {"[\\Qa\\E]", "at byte 1: \\Q is not supported here"},
    {"[[:foo:]]", "at byte 1: unknown character class [:foo:]"},
    {"[[:]]:]]", "at byte 1: unknown character class [:]]:]"},
    {"a{1001}", "at byte 1: repeat count above 1000"},
    {"a{2,1001}", "at byte 1: repeat count above 1000"},
    {"a{1001,}", "at byte 1: repeat count above 1000"},
    {"a{3,2}", "at byte 1: repeat counts run backwards"},
    {"a{99999999999}", "at byte 1: repeat count above 1000"},
    {"(a{101}){10}", "at byte 8: repeats multiply to more than 1000"},
    {"((a{10}){11}){10}", "at byte 13: repeats multiply to more than 1000"},
    {"(?=a)", "at byte 0: look-ahead (?= is not supported"},
    {"(?!a)", "at byte 0: look-ahead (?! is not supported"},
    {"(?<=a)", "at byte 0: look-behind (?<= is not supported"},
    {"(?<!a)", "at byte 0: look-behind (?<! is not supported"},
    {"abcdefg(?=x)", "at byte 7: look-ahead (?= is not supported"},
    {"(?>a)", "at byte 0: atomic group (?> is not supported"},
    {"(?#c)", "at byte 0: comment (?# is not supported"},
    {"(?|a)", "at byte 0: branch reset (?| is not supported"},
    {"(?(1)a)", "at byte 0: condition (?( is not supported"},
    {"(?P=n)", "at byte 0: back reference (?P= is not supported"},
    {"(?P>n)", "at byte 0: recursion (?P> is not supported"},
    {"(?R)", "at byte 0: recursion (?R is not supported"},
    {"(?1)", "at byte 0: group options are i, m, s, U and -, then : or )"},
    {"(?&n)", "at byte 0: recursion (?& is not supported"},
    {"(?C1)", "at byte 0: callout (?C is not supported"},
    {"(?'n'a)", "at byte 0: group name in quotes (?' is not supported"},
    {"(?x)a", "at byte 0: group options are i, m, s, U and -, then : or )"},
    {"(?n)", "at byte 0: group options are i, m, s, U and -, then : or )"},
    {"(?-)a", "at byte 0: group options are i, m, s, U and -, then : or )"},
    {"(?i-)a", "at byte 0: group options are i, m, s, U and -, then : or )"},
    {"(?-:a)", "at byte 0: group options are i, m, s, U and -, then : or )"},
    {"(?i--s)a", "at byte 0: group options are i, m, s, U and -, then : or )"},
    {"(?i", "at byte 0: group options are i, m, s, U and -, then : or )"},
    {"(?", "at byte 0: group options are i, m, s, U and -, then : or )"},
    {"(?P", "at byte 0: group options are i, m, s, U and -, then : or )"},
    {"(?P<n", "at byte 0: missing > of a group's name"},
    {"(?P<>a)", "at byte 0: a group's name is made of letters, digits and _"},
    {"(?<n-x>a)", "at byte 0: a group's name is made of letters, digits and _"},
    {"(?P<é>a)", "at byte 0: a group's name is made of letters, digits and _"},
    {"\\", "at byte 0: a backslash ends the pattern"},
    {"a\\", "at byte 1: a backslash ends the pattern"},
    {"\\1", "at byte 0: back reference \\1 is not supported"},
    {"\\7", "at byte 0: back reference \\7 is not supported"},
    {"\\8", "at byte 0: back reference \\8 is not supported"},
    {"\\9", "at byte 0: back reference \\9 is not supported"},
    {"\\k<n>", "at byte 0: reference \\k is not supported"},
    {"\\k{n}", "at byte 0: reference \\k is not supported"},
    {"\\g1", "at byte 0: reference \\g is not supported"},
    {"\\C", "at byte 0: \\C is not supported here"},
    {"\\E", "at byte 0: \\E is not supported here"},
    {"\\G", "at byte 0: \\G is not supported here"},
    {"\\K", "at byte 0: \\K is not supported here"},
    {"\\R", "at byte 0: \\R is not supported here"},
    {"\\X", "at byte 0: \\X is not supported here"},
    {"\\Z", "at byte 0: \\Z is not supported here"},
    {"\\h", "at byte 0: \\h is not supported here"},
    {"\\H", "at byte 0: \\H is not supported here"},
    {"\\N", "at byte 0: \\N is not supported here"},
    {"\\V", "at byte 0: \\V is not supported here"},
    {"\\u0041", "at byte 0: \\u is not supported here"},
    {"\\y", "at byte 0: \\y is not supported here"},
    {"\\é", "at byte 0: this character takes no backslash"},
    {"\\x", "at byte 0: \\x wants two hexadecimal digits, or {1..10FFFF}"},
    {"\\x4", "at byte 0: \\x wants two hexadecimal digits, or {1..10FFFF}"},
    {"\\xg1", "at byte 0: \\x wants two hexadecimal digits, or {1..10FFFF}"},
    {"\\x{}", "at byte 0: \\x wants two hexadecimal digits, or {1..10FFFF}"},
    {"\\x{g}", "at byte 0: \\x wants two hexadecimal digits, or {1..10FFFF}"},
    {"\\x{41", "at byte 0: \\x wants two hexadecimal digits, or {1..10FFFF}"},
    {"\\x{110000}", "at byte 0: \\x wants two hexadecimal digits, or {1..10FFFF}"},
    {"\\p", "at byte 0: \\p without a name"},
    {"\\p{", "at byte 0: missing } of \\p{"},
    {"\\p{Foo}", "at byte 0: unknown character class \\p{Foo}"},
    {"\\p{greek}", "at byte 0: unknown character class \\p{greek}"},
    {"\\p{L&}", "at byte 0: unknown character class \\p{L&}"},
    {"\\pé", "at byte 0: unknown character class \\pé"},
    {"[\\p{Foo}]", "at byte 1: unknown character class \\p{Foo}"},
    {"\\P", "at byte 0: \\P without a name"},
};

/* Ends of the first match, "no", or "refused". */
static const struct {
	const char *re2, *subject, *match;
} matches[] = {
    {"a\\sb", "a\vb", "no"},
    {"a\\Sb", "a\vb", "0-3"},
    {"[\\s]", "\v", "no"},
    {"[[:space:]]", "\v", "0-1"},
    {"a$", "a\n", "no"},
    {"(?m)a$", "a\n", "0-1"},
    {"(?m)^$", "a\n", "2-2"},
    {"(?m)^", "a\n", "0-0"},
    {"(?m:^b)", "a\nb", "2-3"},
    {"a.b", "a\rb", "0-3"},
    {"a.b", "a\nb", "no"},
    {"(?s)a.b", "a\nb", "0-3"},
    {"\\x{e9}", "\xc3\xa9", "0-2"},
    {"(?i)\xc3\x89", "\xc3\xa9", "0-2"},
    {"\\w", "\xc3\xa9", "no"},
    {"(?i)k", "\xe2\x84\xaa", "0-3"},
    {"(?i)\\w", "\xe2\x84\xaa", "0-3"},
    {"(?i)\\W", "\xe2\x84\xaa", "no"},
    {"(?i)[[:upper:]]", "\xc5\xbf", "0-2"},
    {"\\d", "\xd9\xa1", "no"},
    {"(?U)a+", "aaa", "0-1"},
    {"(?U)a+?", "aaa", "0-3"},
    {"a|ab", "ab", "0-1"},
    {"(?:a|ab)c", "abc", "0-3"},
    {"[^\\Wb\\p{Lu}]", "\xcf\x83", "no"},
    {"\\p{Greek}", "\xcf\x83", "0-2"},
    {"a*(?i)*b", "aab", "0-3"},
    {"^*b", "ab", "1-2"},
    {"\\08", "8", "no"},
    {"a{,3}", "a{,3}", "0-5"},
    {"a{02}", "aa", "no"},
    {"[a-]", "-", "0-1"},
    {"\\Qa.b\\E", "axb", "no"},
    {"b",
	"\xff\xfe\xff"
	"b",
	"3-4"},
    {"^b",
	"\xff"
	"b",
	"no"},
    {"b$", "b\xff", "no"},
};

/* The translation as text the caller frees; NULL when it is refused, with the reason in err. */
static char *translate(const char *p, size_t n, struct bh_err *err)
{
	struct bh_buf out = BH_BUF_INIT;
	size_t len;
	int rc;

	rc = bh_buf_str(&out, "");
	if (!rc)
		rc = bh_re2_translate((struct bh_str){p, n}, &out, err);
	if (rc) {
		cr_assert_eq(out.len, 0, "%s", p);
		bh_buf_release(&out);
		return NULL;
	}
	return bh_buf_detach(&out, &len);
}

/* Fails the test when PCRE2 does not take what the translator wrote. */
static pcre2_code *compile(const char *text)
{
	pcre2_compile_context *how = pcre2_compile_context_create(NULL);
	pcre2_code *code;
	PCRE2_SIZE at = 0;
	int why = 0;

	cr_assert_not_null(how);
	cr_assert_eq(pcre2_set_newline(how, PCRE2_NEWLINE_LF), 0);
	cr_assert_eq(pcre2_set_parens_nest_limit(how, 400), 0);
	code = pcre2_compile((PCRE2_SPTR)text, strlen(text),
	    PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_CIRCUMFLEX, &why,
	    &at, how);
	pcre2_compile_context_free(how);
	cr_assert_not_null(code, "%.200s: %d at %zu", text, why, at);
	return code;
}

Test(re2, what_is_accepted_is_rewritten_as_the_table_says)
{
	for (size_t i = 0; i < BH_ARRAY_LEN(accepted); i++) {
		const struct row *r = &accepted[i];
		struct bh_err err = BH_ERR_INIT;
		char *text = translate(r->re2, strlen(r->re2), &err);

		cr_assert_not_null(text, "%s: %s", r->re2, err.text);
		cr_expect_str_eq(text, r->out, "%s gives %s", r->re2, text);
		pcre2_code_free(compile(text));
		free(text);
	}
}

Test(re2, what_re2_refuses_is_refused_with_its_place)
{
	for (size_t i = 0; i < BH_ARRAY_LEN(refused); i++) {
		const struct row *r = &refused[i];
		struct bh_err err = BH_ERR_INIT;

		cr_expect_null(translate(r->re2, strlen(r->re2), &err), "%s", r->re2);
		cr_expect_eq(err.code, BH_E_CONFIG, "%s", r->re2);
		cr_expect_str_eq(err.text, r->out, "%s says %s", r->re2, err.text);
	}
}

Test(re2, the_translation_matches_what_re2_matches)
{
	for (size_t i = 0; i < BH_ARRAY_LEN(matches); i++) {
		struct bh_err err = BH_ERR_INIT;
		char *text = translate(matches[i].re2, strlen(matches[i].re2), &err),
		     got[64] = "no";
		pcre2_code *code;
		pcre2_match_data *data;

		cr_assert_not_null(text, "%s: %s", matches[i].re2, err.text);
		code = compile(text);
		data = pcre2_match_data_create_from_pattern(code, NULL);
		cr_assert_not_null(data);
		if (pcre2_match(code, (PCRE2_SPTR)matches[i].subject, strlen(matches[i].subject), 0,
			0, data, NULL) > 0) {
			const PCRE2_SIZE *at = pcre2_get_ovector_pointer(data);

			(void)snprintf(got, sizeof(got), "%zu-%zu", at[0], at[1]);
		}
		cr_expect_str_eq(got, matches[i].match, "row %zu, %s: %s", i, text, got);
		pcre2_match_data_free(data);
		pcre2_code_free(code);
		free(text);
	}
}

Test(re2, any_byte_but_broken_utf8_may_stand_in_a_pattern)
{
	struct bh_err err = BH_ERR_INIT;
	char *text = translate("a\0b", 3, &err);

	cr_assert_str_eq(text, "a\\x00b");
	free(text);
	cr_assert_null(translate("ab\xc3(", 4, &err));
	cr_assert_str_eq(err.text, "at byte 2: not UTF-8");
	cr_assert_null(translate("\xed\xa0\x80", 3, &err));
}

/* n times what, each. */
static char *many(size_t n, const char *open, const char *middle, const char *close)
{
	struct bh_buf b = BH_BUF_INIT;
	size_t len;

	for (size_t i = 0; i < n; i++)
		(void)bh_buf_str(&b, open);
	(void)bh_buf_str(&b, middle);
	for (size_t i = 0; i < n; i++)
		(void)bh_buf_str(&b, close);
	cr_assert_eq(bh_buf_failed(&b), 0);
	return bh_buf_detach(&b, &len);
}

static void nesting(size_t n, const char *open, const char *close, bool fits)
{
	char *re2 = many(n, open, "a", close), *text;
	struct bh_err err = BH_ERR_INIT;

	text = translate(re2, strlen(re2), &err);
	cr_expect_eq(text != NULL, fits, "%zu of %s…%s: %s", n, open, close, err.text);
	if (text)
		pcre2_code_free(compile(text));
	free(text);
	free(re2);
}

Test(re2, nesting_is_bounded)
{
	nesting(400, "(", ")", true);
	nesting(401, "(", ")", false);
	nesting(20000, "(?:", ")", false);
	nesting(400, "(?i:", ")*", true);
	nesting(400, "((?i)b", "(?-i)c)*", true);
	/* A repeat that is kept apart from another by nothing nests as well. */
	nesting(401, "", "*(?i)", true);
	nesting(402, "", "*(?i)", false);
}

Test(re2, length_is_bounded)
{
	char *re2 = many(BH_RE2_PATTERN_MAX, "a", "", "");
	struct bh_err err = BH_ERR_INIT;

	cr_expect_eq(bh_re2_translate((struct bh_str){re2, BH_RE2_PATTERN_MAX}, NULL, &err), 0);
	free(re2);
	re2 = many(BH_RE2_PATTERN_MAX + 1, "a", "", "");
	cr_expect_eq(bh_re2_translate(bh_str_from(re2), NULL, &err), BH_E_LIMIT);
	free(re2);
}

static int note(void *ctx, uint32_t number, struct bh_str name)
{
	return bh_buf_printf(ctx, "%u=%.*s ", number, (int)name.n, name.p);
}

static int stop(BH_UNUSED void *ctx, uint32_t number, BH_UNUSED struct bh_str name)
{
	return number == 2 ? -ENOMEM : 0;
}

Test(re2, groups_are_named_apart_from_the_text)
{
	struct bh_str re2 = BH_STR_LIT("(a)(?P<x>(?<1st>b)(?:c))|(?<x>d)");
	struct bh_buf names = BH_BUF_INIT, out = BH_BUF_INIT;

	cr_assert_eq(bh_re2_translate_groups(re2, &out, note, &names, NULL), 0);
	cr_assert_str_eq(names.data, "2=x 3=1st 4=x ");
	cr_assert_str_eq(out.data, "(a)((b)(?:c))|(d)");
	cr_assert_eq(bh_re2_translate_groups(re2, &out, stop, NULL, NULL), -ENOMEM);
	bh_buf_release(&names);
	bh_buf_release(&out);
}

Test(re2, the_output_is_appended)
{
	struct bh_buf out = BH_BUF_INIT;

	cr_assert_eq(bh_buf_str(&out, "x|"), 0);
	cr_assert_eq(bh_re2_translate(BH_STR_LIT("^*"), &out, NULL), 0);
	cr_assert_str_eq(out.data, "x|(?:^)*");
	bh_buf_release(&out);
}
