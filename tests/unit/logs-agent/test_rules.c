/* spec/logs.md §9: order, verdicts, replacement, bounds. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "logs-agent/rules.h"

static struct bh_rules_work work;

static void teardown(void)
{
	bh_rules_work_release(&work);
}

TestSuite(rules, .fini = teardown);

/* A rule as it is written; its texts are not freed. */
static struct bh_log_rule rule(
    enum bh_rule_type type, const char *name, const char *pattern, const char *placeholder)
{
	struct bh_log_rule r = {.type = type};

	r.name = strdup(name);
	r.pattern = strdup(pattern);
	r.replace_placeholder = strdup(placeholder);
	cr_assert(r.name && r.pattern && r.replace_placeholder);
	return r;
}

static void free_rules(struct bh_log_rule *rules, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(rules[i].name);
		free(rules[i].pattern);
		free(rules[i].replace_placeholder);
	}
}

#define EXCLUDE(name, pattern)  rule(BH_RULE_EXCLUDE_AT_MATCH, name, pattern, "")
#define INCLUDE(name, pattern)  rule(BH_RULE_INCLUDE_AT_MATCH, name, pattern, "")
#define MASK(name, pattern, to) rule(BH_RULE_MASK_SEQUENCES, name, pattern, to)

/* Of rules that are given up here. */
static struct bh_ruleset *compile(
    struct bh_log_rule *global, size_t global_n, struct bh_log_rule *own, size_t own_n)
{
	struct bh_err err = BH_ERR_INIT;
	struct bh_ruleset *set;

	cr_assert_eq(bh_ruleset_new(&set, global, global_n, own, own_n, &err), 0, "%s", err.text);
	free_rules(global, global_n);
	free_rules(own, own_n);
	return set;
}

/* Content after the rules, "dropped by <name>" when it is dropped; until the next call. */
static const char *apply(struct bh_ruleset *set, struct bh_str content, bool cut)
{
	static char out[400];
	struct bh_message m = {.content = content, .cut = cut};
	struct bh_rules_result result;

	cr_assert_eq(bh_ruleset_apply(set, &work, &m, &result), 0);
	if (result.verdict == BH_RULES_DROP)
		(void)snprintf(
		    out, sizeof(out), "dropped by %s", bh_ruleset_state(set, result.rule)->name);
	else
		(void)snprintf(out, sizeof(out), "%.*s", (int)result.content.n,
		    result.content.n ? result.content.p : "");
	return out;
}

/* Pattern, content, template, what Go's ReplaceAll makes of them. */
static const char *const replacements[][4] = {
    {"a*", "baaac", "x", "xbxcx"},
    {"a*", "", "x", "x"},
    {"a*", "\xc3\xa9\xe2\x82\xac", "-", "-\xc3\xa9-\xe2\x82\xac-"},
    {"(?:)", "abc", "-", "-a-b-c-"},
    {"()", "\xc3\xa9", "-", "-\xc3\xa9-"},
    {"b*", "abba", "<$0>", "<>a<bb>a<>"},
    {"a|", "ba", "x", "xbx"},
    {"\\b", "ab cd", "|", "|ab| |cd|"},
    {"^", "ab", "x", "xab"},
    {"$", "ab\n", "x", "ab\nx"},
    {"(?m)$", "a\nb", "x", "ax\nbx"},
    {"(?m)^", "a\nb\n", "x", "xa\nxb\nx"},
    {"a??", "aa", "x", "xaxax"},
    {"a+", "caaat", "$0$0", "caaaaaat"},
    {"(a)(b)?", "ac", "[$1|$2]", "[a|]c"},
    {"(a)", "a", "$1_x", ""},
    {"(a)", "a", "${1}_x", "a_x"},
    {"(a)", "a", "$$1", "$1"},
    {"(a)", "a", "$$$1", "$a"},
    {"(a)", "a", "$", "$"},
    {"(a)", "a", "a$", "a$"},
    {"(a)", "a", "$-$1", "$-a"},
    {"(a)", "a", "${1", "${1"},
    {"(a)", "a", "${}", "${}"},
    {"(a)", "a", "${1 }", "${1 }"},
    {"(a)", "a", "$01", ""},
    {"(a)", "a", "$9", ""},
    {"(a)", "a", "$00", ""},
    {"(a)", "a", "$0", "a"},
    {"(a)", "a", "\\1", "\\1"},
    {"(a)", "a", "$99999999999", ""},
    {"(?P<k>a)(?P<v>b)", "ab", "$v$k", "ba"},
    {"(?P<k>a)", "a", "$k1", ""},
    {"(?P<k>a)", "a", "${k}1", "a1"},
    {"(?P<1x>a)", "a", "$1x", "a"},
    {"(?P<1_x>a)", "a", "$1_x", "a"},
    {"(?P<n>a)|(?P<n>b)", "ab", "[$n]", "[a][b]"},
    {"(a)", "a", "$1\xc3\xa9", ""},
    {"(a)", "a", "$1\xe2\x86\x92", "a\xe2\x86\x92"},
    {"(?P<password>pw)=(\\w+)", "pw=x pw=y", "$password= ${2}", "pw= x pw= y"},
    {"(user)=(\\w+)", "user=bob", "$1=[redacted]", "user=[redacted]"},
    {"\\d{3}-\\d{2}-\\d{4}", "ssn 123-45-6789.", "[ssn]", "ssn [ssn]."},
    {"(?i)TOKEN=\\w+", "a Token=x", "t", "a t"},
    {"x", "abc", "y", "abc"},
    {"b", "abc", "", "ac"},
    {"abc", "abc", "", ""},
    {"(.)", "a\xc3\xa9", "$1$1", "aa\xc3\xa9\xc3\xa9"},
};

Test(rules, masks_replace_as_go_does)
{
	for (size_t i = 0; i < BH_ARRAY_LEN(replacements); i++) {
		const char *const *row = replacements[i];
		struct bh_log_rule own[] = {MASK("m", row[0], row[2])};
		struct bh_ruleset *set = compile(NULL, 0, own, 1);
		const char *got = apply(set, bh_str_from(row[1]), false);

		cr_expect_str_eq(
		    got, row[3], "%s -> %s on %s gives %s", row[0], row[2], row[1], got);
		bh_ruleset_free(set);
	}
}

Test(rules, exclude_include_truncated)
{
	struct bh_log_rule own[] = {EXCLUDE("no debug", "DEBUG"), INCLUDE("has id", "id=\\d+"),
	    INCLUDE("has user", "user="), rule(BH_RULE_EXCLUDE_TRUNCATED, "whole", "", "")};
	struct bh_ruleset *set = compile(NULL, 0, own, BH_ARRAY_LEN(own));

	cr_expect_str_eq(apply(set, BH_STR_LIT("DEBUG id=1 user=x"), false), "dropped by no debug");
	cr_expect_str_eq(apply(set, BH_STR_LIT("id=1"), false), "dropped by has user");
	cr_expect_str_eq(apply(set, BH_STR_LIT("user="), false), "dropped by has id");
	cr_expect_str_eq(apply(set, BH_STR_LIT("id=1 user="), true), "dropped by whole");
	cr_expect_str_eq(apply(set, BH_STR_LIT("id=1 user="), false), "id=1 user=");
	cr_expect_str_eq(apply(set, BH_STR_LIT(""), false), "dropped by has id");
	cr_expect_eq(bh_ruleset_state(set, 0)->dropped, 1);
	cr_expect_eq(bh_ruleset_state(set, 1)->dropped, 2);
	cr_expect_eq(bh_ruleset_state(set, 2)->dropped, 1);
	cr_expect_eq(bh_ruleset_state(set, 3)->dropped, 1);
	bh_ruleset_free(set);
}

Test(rules, global_rules_come_first_and_each_sees_what_the_last_one_made)
{
	struct bh_log_rule global[] = {
	    MASK("one", "a", "b"), rule(BH_RULE_MULTI_LINE, "ml", "^", ""), MASK("two", "b", "cc")};
	struct bh_log_rule own[] = {rule(BH_RULE_MULTI_LINE, "ml", "(", ""),
	    MASK("three", "c", "d"), EXCLUDE("four", "ddddd")};
	struct bh_ruleset *set = compile(global, 3, own, 3);

	cr_expect_str_eq(apply(set, BH_STR_LIT("a-b"), false), "dd-dd");
	cr_expect_str_eq(apply(set, BH_STR_LIT("aab"), false), "dropped by four");
	cr_expect_str_eq(apply(set, BH_STR_LIT("xyz"), false), "xyz");
	cr_assert_eq(bh_ruleset_count(set), 4);
	cr_expect(bh_ruleset_state(set, 1)->global);
	cr_expect_str_eq(bh_ruleset_state(set, 2)->name, "three");
	cr_expect_not(bh_ruleset_state(set, 2)->global);
	bh_ruleset_free(set);
}

Test(rules, a_content_that_no_rule_changes_is_not_copied)
{
	struct bh_log_rule own[] = {MASK("m", "\\d+", "0"), EXCLUDE("e", "x")};
	struct bh_ruleset *set = compile(NULL, 0, own, 2);
	struct bh_message m = {.content = BH_STR_LIT("no digit")};
	struct bh_rules_result result;

	cr_assert_eq(bh_ruleset_apply(set, &work, &m, &result), 0);
	cr_expect_eq(result.content.p, m.content.p);
	bh_ruleset_free(set);
	set = compile(NULL, 0, NULL, 0);
	cr_assert_eq(bh_ruleset_apply(set, &work, &m, &result), 0);
	cr_expect_eq(result.content.p, m.content.p);
	bh_ruleset_free(set);
}

Test(rules, buffers_are_used_again)
{
	struct bh_log_rule own[] = {MASK("one", "a", "bb"), MASK("two", "b", "c")};
	struct bh_ruleset *set = compile(NULL, 0, own, 2);
	const char *first, *second;

	cr_expect_str_eq(apply(set, BH_STR_LIT("aaaaaaaaaaaaaaaaaaaaaa"), false),
	    "cccccccccccccccccccccccccccccccccccccccccccc");
	first = work.bufs[0].data;
	second = work.bufs[1].data;
	for (int i = 0; i < 1000; i++)
		cr_assert_str_eq(apply(set, BH_STR_LIT("a a"), false), "cc cc");
	cr_expect_eq(work.bufs[0].data, first);
	cr_expect_eq(work.bufs[1].data, second);
	bh_ruleset_free(set);
}

Test(rules, broken_utf8_does_not_hide_what_must_be_masked)
{
	struct bh_log_rule own[] = {MASK("m", "key=\\w+", "key=***"), MASK("e", "z*", "")};
	struct bh_ruleset *set = compile(NULL, 0, own, 2);

	cr_expect_str_eq(apply(set, BH_STR_LIT("\xff key=abc \xe4\xb8 key=d\xc3"), false),
	    "\xff key=*** \xe4\xb8 key=***\xc3");
	bh_ruleset_free(set);
}

Test(rules, a_wrong_rule_is_named)
{
	static const struct {
		enum bh_rule_type type;
		const char *pattern, *text;
	} rows[] = {
	    {BH_RULE_EXCLUDE_AT_MATCH, "ab(?!c)",
		"invalid pattern ab(?!c) for processing rule: r: at byte 2: look-ahead (?! is not "
		"supported"},
	    {BH_RULE_MASK_SEQUENCES, "a**",
		"invalid pattern a** for processing rule: r: at byte 2: a repeat of a repeat (*) "
		"is "
		"not supported"},
	    {BH_RULE_INCLUDE_AT_MATCH, "", "no pattern provided for processing rule: r"},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++) {
		struct bh_log_rule own[] = {
		    EXCLUDE("fine", "x"), rule(rows[i].type, "r", rows[i].pattern, "")};
		struct bh_err err = BH_ERR_INIT;
		struct bh_ruleset *set;

		cr_expect_eq(bh_ruleset_new(&set, NULL, 0, own, 2, &err), BH_E_CONFIG);
		cr_expect_null(set);
		cr_expect_str_eq(err.text, rows[i].text, "%s", err.text);
		free_rules(own, 2);
	}
}

/* --- bounds (§9.3, §9.4) -----------------------------------------------------------------------
 */

#define LINE 1000000

static struct bh_str hostile_line(void)
{
	static char line[LINE];

	memset(line, 'a', sizeof(line));
	memcpy(line + sizeof(line) - 6, " @ b=!", 6);
	return (struct bh_str){line, sizeof(line)};
}

static void interpret(void)
{
	cr_assert_eq(bh_pattern_scratch_new(&work.scratch), 0);
	bh_pattern_scratch_interpret(work.scratch);
}

static void beyond_the_limit(void)
{
	struct bh_log_rule own[] = {EXCLUDE("e", "(\\w+\\d?)+@"), INCLUDE("i", "(a?){18}b"),
	    MASK("plain", "((a+)+)+@$", ""), MASK("literal", "^", "x"),
	    MASK("m", "[a-z\\[ :]+\\d", "$1")};
	struct bh_ruleset *set = compile(NULL, 0, own, 5);

	cr_expect_str_eq(apply(set, hostile_line(), false), "x[redacted: rule limit]");
	cr_expect_eq(bh_ruleset_state(set, 0)->limit_hits, 1);
	cr_expect_eq(bh_ruleset_state(set, 1)->limit_hits, 1);
	cr_expect_eq(bh_ruleset_state(set, 2)->limit_hits, 1);
	cr_expect_eq(bh_ruleset_state(set, 3)->limit_hits, 0);
	cr_expect_eq(bh_ruleset_state(set, 4)->limit_hits, 0);
	cr_expect_eq(bh_ruleset_state(set, 0)->dropped, 0);
	bh_ruleset_free(set);
}

Test(rules, beyond_the_limit_messages_are_kept_and_masks_redact)
{
	beyond_the_limit();
}

Test(rules, beyond_the_limit_of_the_interpreter_too)
{
	interpret();
	beyond_the_limit();
}

Test(rules, the_placeholder_is_taken_literally_beyond_the_limit)
{
	struct bh_log_rule own[] = {MASK("m", "(\\w+)@\\w", "<$1$$>")};
	struct bh_ruleset *set = compile(NULL, 0, own, 1);

	cr_expect_str_eq(apply(set, hostile_line(), false), "<$1$$>");
	cr_expect_str_eq(apply(set, BH_STR_LIT("joe@x"), false), "<joe$>");
	cr_expect_eq(bh_ruleset_state(set, 0)->limit_hits, 1);
	bh_ruleset_free(set);
}

Test(rules, the_limit_is_news_once_a_minute)
{
	struct bh_log_rule own[] = {MASK("m", "(\\w+)@\\w", "x")};
	struct bh_ruleset *set = compile(NULL, 0, own, 1);

	cr_expect_eq(bh_ruleset_limit_news(set, 0, BH_NS_PER_S), 0);
	(void)apply(set, hostile_line(), false);
	cr_expect_eq(bh_ruleset_limit_news(set, 0, BH_NS_PER_S), 1);
	(void)apply(set, hostile_line(), false);
	(void)apply(set, hostile_line(), false);
	cr_expect_eq(bh_ruleset_limit_news(set, 0, 60 * BH_NS_PER_S), 0);
	cr_expect_eq(bh_ruleset_limit_news(set, 0, 61 * BH_NS_PER_S), 2);
	cr_expect_eq(bh_ruleset_limit_news(set, 0, 200 * BH_NS_PER_S), 0);
	bh_ruleset_free(set);
}

Test(rules, what_hostile_rules_leave_is_enough_for_the_next)
{
	struct bh_log_rule own[] = {EXCLUDE("1", "\\w+@\\w"), EXCLUDE("2", "[a-f]+@\\w"),
	    EXCLUDE("3", "[a-z]+@\\w"), EXCLUDE("4", "b=!$")};
	struct bh_ruleset *set = compile(NULL, 0, own, 4);

	cr_expect_str_eq(apply(set, hostile_line(), false), "dropped by 4");
	for (size_t i = 0; i < 3; i++)
		cr_expect_eq(bh_ruleset_state(set, i)->limit_hits, 1, "rule %zu", i);
	bh_ruleset_free(set);
}

Test(rules, a_mask_cannot_blow_up_a_content)
{
	struct bh_log_rule own[] = {MASK("m", "(.*)(b=!)", "$1$1$1$1$1$2"), EXCLUDE("never", "zz")};
	struct bh_ruleset *set = compile(NULL, 0, own, 2);

	cr_expect_str_eq(apply(set, hostile_line(), false), "$1$1$1$1$1$2");
	cr_expect_eq(bh_ruleset_state(set, 0)->limit_hits, 1);
	cr_expect_leq(work.bufs[0].cap + work.bufs[1].cap, 4 * BH_RULES_CONTENT_MAX);
	bh_ruleset_free(set);
}
