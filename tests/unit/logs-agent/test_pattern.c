/* spec/logs.md §9.3, §9.4: the literal, the bound of effort, broken UTF-8. Dialect: test_re2.c. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "logs-agent/pattern.h"

static struct bh_pattern_scratch *scratch;

static void setup(void)
{
	cr_assert_eq(bh_pattern_scratch_new(&scratch), 0);
}

static void teardown(void)
{
	bh_pattern_scratch_free(scratch);
}

TestSuite(pattern, .init = setup, .fini = teardown);

static struct bh_pattern *compile(const char *re2)
{
	struct bh_err err = BH_ERR_INIT;
	struct bh_pattern *p;

	cr_assert_eq(
	    bh_pattern_new(&p, bh_str_from(re2), 1000000, &err), 0, "%s: %s", re2, err.text);
	return p;
}

Test(pattern, the_literal_is_in_every_match)
{
	static const char *const rows[][2] = {
	    {"", ""},
	    {"abc", "abc"},
	    {"a.bcd.e", "bcd"},
	    {"abc*", "ab"},
	    {"abc?de", "ab"},
	    {"abc+de", "abc"},
	    {"ab{0,2}cde", "cde"},
	    {"ab{2}cde", "cde"},
	    {"abc|abd", ""},
	    {"x(abc|abd)yz", "yz"},
	    {"x(abcd)yz", "abcd"},
	    {"x(abcd)?yz", "yz"},
	    {"x(abcd)*yz", "yz"},
	    {"x(abcd)+yz", "abcd"},
	    {"x(abcd){0}yz", "yz"},
	    {"x(?:(abc)(de|f))g", "abc"},
	    {"(?i)abc", ""},
	    {"abc(?i)def", ""},
	    {"(?i:abc)defg", ""},
	    {"(?s)abc", "abc"},
	    {"^abc$", "abc"},
	    {"\\d+-\\d+", "-"},
	    {"[abc]def[]x]", "def"},
	    {"\\Qa.b\\E", "a.b"},
	    {"a\\.b\\x2ec\\x{e9}d", "a.b.c"},
	    {"\\x{10ffff}ab", "ab"},
	    {"\\p{Greek}ab\\pLc", "ab"},
	    {"h\xc3\xa9\xc3\xa9*", "h\xc3\xa9"},
	    {"a{,3}", "a{,3}"},
	    {"(a|)", ""},
	    {"()ab", "ab"},
	    {"a\\xffbc", "bc"},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++) {
		struct bh_pattern *p = compile(rows[i][0]);
		struct bh_str got = bh_pattern_literal(p);

		cr_expect(bh_str_eq(got, bh_str_from(rows[i][1])), "%s: %.*s", rows[i][0],
		    (int)got.n, got.p);
		bh_pattern_free(p);
	}
}

Test(pattern, a_long_literal_is_shortened)
{
	char re2[200] = "";
	struct bh_pattern *p;

	memset(re2, 'a', sizeof(re2) - 1);
	p = compile(re2);
	cr_expect_eq(bh_pattern_literal(p).n, 64);
	cr_expect_eq(bh_pattern_find(p, scratch, bh_str_from(re2)), BH_MATCH_YES);
	cr_expect_eq(bh_pattern_find(p, scratch, bh_str_from(re2 + 1)), BH_MATCH_NO);
	bh_pattern_free(p);
}

Test(pattern, what_is_wrong_is_said_with_its_place)
{
	struct bh_err err = BH_ERR_INIT;
	struct bh_pattern *p;

	cr_assert_eq(bh_pattern_new(&p, BH_STR_LIT("abcdefg(?=x)"), 1, &err), BH_E_CONFIG);
	cr_expect_null(p);
	cr_expect_str_eq(err.text, "at byte 7: look-ahead (?= is not supported");
	/* RE2 takes this, PCRE2 has no room for it. */
	cr_assert_eq(
	    bh_pattern_new(&p, BH_STR_LIT("(?:(?:[a-z\\x{100}]b){30}c){30}[\\pL]d{9}"), 1, &err),
	    0);
	bh_pattern_free(p);
	cr_assert_eq(bh_pattern_new(&p,
			 BH_STR_LIT("(?:a[^\\x{100}-\\x{200}\\x{300}-\\x{400}]{1,1000}"
				    "(bcdefghijklmnopqrstuvwxyz){1,900}){1}"
				    "(bcdefghijklmnopqrstuvwxyz){1,1000}"
				    "(bcdefghijklmnopqrstuvwxyz){1,1000}"),
			 1, &err),
	    BH_E_CONFIG);
	cr_expect_str_eq(err.text, "regular expression is too large");
}

Test(pattern, names_lead_to_groups)
{
	struct bh_pattern *p = compile("(a)(?P<x>(?<1st>b))|(?<x>d)");

	cr_expect_eq(bh_pattern_groups(p), 4);
	cr_expect_eq(bh_pattern_named(p, BH_STR_LIT("x"), 0), 2);
	cr_expect_eq(bh_pattern_named(p, BH_STR_LIT("x"), 2), 4);
	cr_expect_eq(bh_pattern_named(p, BH_STR_LIT("x"), 4), 0);
	cr_expect_eq(bh_pattern_named(p, BH_STR_LIT("1st"), 0), 3);
	cr_expect_eq(bh_pattern_named(p, BH_STR_LIT("y"), 0), 0);
	bh_pattern_free(p);
}

/* All matches, as "from-to " each, "?" when it gave up. */
static const char *walk(const char *re2, struct bh_str subject)
{
	static char out[200];
	struct bh_pattern *p = compile(re2);
	struct bh_pattern_walk w;
	enum bh_match m;
	size_t n = 0;

	out[0] = '\0';
	bh_pattern_walk_init(&w, p, scratch, subject, 1000);
	while ((m = bh_pattern_walk_next(&w)) == BH_MATCH_YES && n < sizeof(out))
		n += (size_t)snprintf(
		    out + n, sizeof(out) - n, "%zu-%zu ", w.groups[0], w.groups[1]);
	if (m == BH_MATCH_LIMIT)
		(void)snprintf(out + n, sizeof(out) - n, "?");
	bh_pattern_free(p);
	return out;
}

/* With the JIT and without. */
static void expect_walk(const char *re2, struct bh_str subject, const char *matches)
{
	struct bh_pattern_scratch *jit = scratch;

	cr_expect_str_eq(walk(re2, subject), matches, "%s", re2);
	cr_assert_eq(bh_pattern_scratch_new(&scratch), 0);
	bh_pattern_scratch_interpret(scratch);
	cr_expect_str_eq(walk(re2, subject), matches, "%s, interpreted", re2);
	bh_pattern_scratch_free(scratch);
	scratch = jit;
}

Test(pattern, matches_do_not_overlap)
{
	expect_walk("a*", BH_STR_LIT("baaac"), "0-0 1-4 5-5 ");
	expect_walk("", BH_STR_LIT("\xc3\xa9z"), "0-0 2-2 3-3 ");
	expect_walk("aa", BH_STR_LIT("aaaaa"), "0-2 2-4 ");
	expect_walk("^a", BH_STR_LIT("aaa"), "0-1 ");
	expect_walk("\\ba", BH_STR_LIT("aa a"), "0-1 3-4 ");
	expect_walk("a", (struct bh_str){NULL, 0}, "");
	expect_walk("", (struct bh_str){NULL, 0}, "0-0 ");
	expect_walk("\\x00", BH_STR_LIT("a\0b"), "1-2 ");
}

Test(pattern, broken_utf8_hides_nothing_but_itself)
{
	expect_walk("a+", BH_STR_LIT("aa\xff\x61\xc3\x61\xed\xa0\x80\x61"), "0-2 3-4 5-6 9-10 ");
	expect_walk("", BH_STR_LIT("\xff\xc3\xa9"), "0-0 1-1 3-3 ");
	expect_walk("secret=\\w+", BH_STR_LIT("\x80secret=abc\xe4\xb8"), "1-11 ");
	expect_walk(".*key=\\d", BH_STR_LIT("a\xff key=1"), "2-8 ");
	expect_walk("^.*$", BH_STR_LIT("ab\xff"), "");
	expect_walk("\xc3\xa9", BH_STR_LIT("\xe9\xc3\xa9"), "1-3 ");
}

/* Lines of a megabyte that hold the literals. */
static const struct hostile {
	const char *re2, *fill, *end;
} hostile[] = {
    {"\\w+@\\w+", "a", " @"},
    {".*?\\w+@x", "a", " @x"},
    {"(a?){18}b", "a", " b"},
    {"(x+x+)+y", "x", " y"},
    {"(a|aa)+$", "a", "!"},
    {"[a-z ]+\\d", "abc ", ""},
    {"(?:\\d+,?)+;", "123,", "-;"},
    {"(.*)(.*)(.*)(.*)z!\\d", "yz", " z!"},
    {"(?i)(k|s)*\\w+=", "k", " ="},
};

static void megabyte(const struct hostile *h, struct bh_buf *line)
{
	size_t n = strlen(h->fill);

	while (line->len < 1000000 - n)
		cr_assert_eq(bh_buf_append(line, h->fill, n), 0);
	cr_assert_eq(bh_buf_str(line, h->end), 0);
}

static void expect_limit(const struct hostile *h, struct bh_str line, const char *how)
{
	struct bh_pattern *p = compile(h->re2);
	struct bh_pattern_walk w;

	bh_pattern_walk_init(&w, p, scratch, line, 1000000);
	cr_expect_eq(bh_pattern_walk_next(&w), BH_MATCH_LIMIT, "%s %s", h->re2, how);
	bh_pattern_free(p);
}

Test(pattern, a_hostile_line_is_given_up)
{
	for (size_t i = 0; i < BH_ARRAY_LEN(hostile); i++) {
		struct bh_buf line = BH_BUF_INIT;

		megabyte(&hostile[i], &line);
		expect_limit(&hostile[i], bh_buf_view(&line), "as it is");
		line.data[line.len / 2] = '\xff';
		expect_limit(&hostile[i], bh_buf_view(&line), "broken");
		bh_buf_release(&line);
	}
}

Test(pattern, an_ordinary_line_of_a_megabyte_is_searched_to_its_end)
{
	static const char *const patterns[] = {"\\d{3}-\\d{2}-\\d{4}", "(?i)password=\\S+",
	    "\\w+@\\w+\\.com", "\\b(?:\\d{1,3}\\.){3}\\d{1,3}\\b", "[a-z]+-[0-9]+$"};
	const struct hostile h = {"", "GET /index.html 200 12-3 \"x@y\" 10.0.0.1x ", ".com"};
	struct bh_buf line = BH_BUF_INIT;

	megabyte(&h, &line);
	for (size_t i = 0; i < BH_ARRAY_LEN(patterns); i++) {
		struct bh_pattern *p = compile(patterns[i]);

		cr_expect_eq(bh_pattern_find(p, scratch, bh_buf_view(&line)), BH_MATCH_NO, "%s",
		    patterns[i]);
		bh_pattern_free(p);
	}
	bh_buf_release(&line);
}

Test(pattern, a_short_line_is_given_up_as_well)
{
	struct bh_pattern *p = compile("(a?){30}b");
	struct bh_pattern_walk w;

	bh_pattern_walk_init(
	    &w, p, scratch, BH_STR_LIT("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa b"), 1000000);
	cr_expect_eq(w.effort, 1000000);
	cr_expect_neq(bh_pattern_walk_next(&w), BH_MATCH_NO);
	bh_pattern_free(p);
}
