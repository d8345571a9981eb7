/*
 * spec/logs.md §6.5, §7 and §8 as tables: lines in, messages out as text. A message is written as
 * its content, tags and flags, a blank one as nothing; they are joined by '|'. "~" among the lines
 * is a time-out; "/" stands before what was still held at the end.
 */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/attrs.h"
#include "common/rng.h"
#include "logs-agent/aggregator.h"

#define TR BH_TRUNCATED

struct out {
	struct bh_buf text;
	uint64_t raw;
	size_t messages;
	size_t fail_at; /* number of the message that is refused; 0 = none */
	bool at_end;    /* the next message is the first of the last flush */
};

static int collect(void *ctx, const struct bh_message *m)
{
	struct out *o = ctx;

	if (o->messages++)
		(void)bh_buf_str(&o->text, "|");
	if (o->at_end)
		(void)bh_buf_str(&o->text, "/");
	o->at_end = false;
	(void)bh_buf_append(&o->text, m->content.p, m->content.n);
	for (unsigned i = 0; i < BH_MESSAGE_TAGS; i++)
		if (m->tags >> i & 1)
			(void)bh_buf_printf(&o->text, " #%s", bh_message_tag_text(i));
	if (m->cut)
		(void)bh_buf_str(&o->text, " CUT");
	if (m->status != BH_STATUS_INFO)
		(void)bh_buf_printf(&o->text, " %s", bh_log_status_name(m->status));
	o->raw += m->raw;
	return o->messages == o->fail_at ? BH_E_LIMIT : 0;
}

/* A source of one kind and one tailer of it. */
struct rig {
	struct bh_aggregation shared;
	struct bh_aggregator_work work;
	struct bh_aggregator a;
	struct out out;
	uint64_t fed;
};

static struct bh_aggregation_options options(enum bh_aggregation_kind kind, size_t limit)
{
	return (struct bh_aggregation_options){
	    .kind = kind,
	    .limit = limit,
	    .regex = BH_STR_LIT("\\d"),
	    .match_limit = 100000,
	    .label = {.time_threshold = 0.5, .json = true, .datetime = true},
	    .json = true,
	};
}

static void rig_open(struct rig *r, const struct bh_aggregation_options *o)
{
	struct bh_err err = BH_ERR_INIT;

	memset(r, 0, sizeof(*r));
	cr_assert_eq(bh_aggregation_init(&r->shared, o, NULL, NULL, &err), 0, "%s", err.text);
	cr_assert_eq(bh_aggregator_work_init(&r->work), 0);
	bh_aggregator_init(&r->a, &r->shared, &r->work, collect, &r->out);
}

static void rig_close(struct rig *r)
{
	bh_aggregator_release(&r->a);
	bh_aggregator_work_release(&r->work);
	bh_aggregation_release(&r->shared);
	bh_buf_release(&r->out.text);
}

static void check_sum(const struct rig *r)
{
	cr_assert_eq(r->out.raw + bh_aggregator_held(&r->a), r->fed,
	    "raw: %llu out, %llu held, %llu fed", (unsigned long long)r->out.raw,
	    (unsigned long long)bh_aggregator_held(&r->a), (unsigned long long)r->fed);
}

static int feed_line(struct rig *r, struct bh_str content, bool cut, enum bh_log_status status)
{
	struct bh_line line = {content, content.n + !cut, status, cut};
	char *copy = malloc(content.n + 1);
	int rc;

	/* Borrowed for the call only: freed behind it, so that a sanitizer sees who kept it. */
	cr_assert_not_null(copy);
	memcpy(copy, content.p, content.n);
	line.content.p = copy;
	r->fed += line.raw;
	rc = bh_aggregator_line(&r->a, &line);
	free(copy);
	check_sum(r);
	return rc;
}

/* Lines end with \n, cut ones with \a; a line "E!…" has the status error. */
static int feed(struct rig *r, const char *in)
{
	int rc = 0;

	while (*in) {
		size_t n = strcspn(in, "\n\a");

		if (in[0] == '~')
			rc = bh_aggregator_flush(&r->a);
		else
			rc = feed_line(r, (struct bh_str){in, n}, in[n] == '\a',
			    strncmp(in, "E!", 2) == 0 ? BH_STATUS_ERROR : BH_STATUS_INFO);
		in += n + (in[n] != '\0');
	}
	return rc;
}

struct row {
	const char *rule, *in, *out;
};

/* A new tailer for each row. */
static void check_rows(const struct bh_aggregation_options *o, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct rig r;

		rig_open(&r, o);
		cr_expect_eq(feed(&r, rows[i].in), 0);
		if (bh_aggregator_held(&r.a)) {
			r.out.at_end = true;
			cr_expect_eq(bh_aggregator_flush(&r.a), 0);
		}
		check_sum(&r);
		cr_expect_eq(bh_aggregator_held(&r.a), 0);
		cr_expect_str_eq(r.out.text.data ? r.out.text.data : "", rows[i].out,
		    "%s: %s\ngives %s\nnot   %s", rows[i].rule, rows[i].in,
		    r.out.text.data ? r.out.text.data : "", rows[i].out);
		rig_close(&r);
	}
}

#define CHECK(o, rows) check_rows(&(o), rows, BH_ARRAY_LEN(rows))

/* --- §7.2 ----------------------------------------------------------------------------------- */

Test(aggregator, single_lines)
{
	static const struct row rows[] = {
	    {"§7.2 each line alone", "a\nb\n", "a|b"},
	    {"§1 blank lines count", "\n \r\n", "|"},
	    {"§7.2 a cut line and its rest", "abcd\a ef \ng\n", "abcd" TR " CUT|" TR "ef CUT|g"},
	    {"§7.2 three pieces", "abcd\aefgh\ai\nj\n",
		"abcd" TR " CUT|" TR "efgh" TR " CUT|" TR "i CUT|j"},
	    {"§7.2 longer than L without the flag", "abcde\nf\n", "abcde" TR " CUT|" TR "f CUT"},
	    {"§7.2 exactly L", "abcd\ne\n", "abcd|e"},
	    {"§6.5 markers stand outside what is trimmed", " ab \a  \nx\n",
		"ab" TR " CUT|" TR " CUT|x"},
	    {"§7.2 status", "E!x\ny\n", "E!x error|y"},
	    {"§7.1 nothing waits, a time-out changes nothing", "abcd\a~\nef\n",
		"abcd" TR " CUT|" TR "ef CUT"},
	};
	static const struct row trimmed[] = {
	    {"§6.5 both ends are trimmed", " \ta b\r\n\xc2\xa0x\xe3\x80\x80\n", "a b|x"},
	    {"§6.5 what is trimmed counts in L", "   123456789\nx\n",
		"123456789" TR " CUT|" TR "x CUT"},
	};
	struct bh_aggregation_options o = options(BH_AGGREGATE_SINGLE, 4);

	CHECK(o, rows);
	o.limit = 11;
	CHECK(o, trimmed);
}

Test(aggregator, single_lines_tagged)
{
	static const struct row rows[] = {
	    {"§7.2 tag", "abcd\aef\ng\n",
		"abcd" TR " #truncated:single_line CUT|" TR "ef #truncated:single_line CUT|g"},
	};
	struct bh_aggregation_options o = options(BH_AGGREGATE_SINGLE, 4);

	o.tag_truncated = o.tag_multi_line = true;
	CHECK(o, rows);
}

/* --- §7.3 ----------------------------------------------------------------------------------- */

Test(aggregator, regex_groups)
{
	static const struct row rows[] = {
	    {"§7.3 lines join until one matches", "1 a\nb\n c\n2\n", "1 a\\nb\\n c|/2"},
	    {"§7.3 before the first match each is alone", "a\nb\n1\nc\n", "a|b|/1\\nc"},
	    {"§7.3 the content is not trimmed before it is matched", "1\n 2\n", "/1\\n 2"},
	    {"§7.3 ends are trimmed, joints stay", "1 \n \n\n", "/1 \\n \\n"},
	    {"§7.3 blank lines before the first match", "\n\n1\n", "||/1"},
	    {"§7.3 no joint while the text is empty", "1\n~\n\nx\n", "1|/x"},
	    {"§7.3 time-out", "1\na\n~\nb\n2\n", "1\\na|b|/2"},
	    {"§7.3 status of the last line", "1\nE!x\n", "/1\\nE!x error"},
	    {"§7.3 status of the last line", "1\nE!x\ny\n", "/1\\nE!x\\ny"},
	};
	struct bh_aggregation_options o = options(BH_AGGREGATE_REGEX, 40);

	CHECK(o, rows);
}

Test(aggregator, regex_anchor_is_glued_on)
{
	static const struct row rows[] = {
	    {"§7.3 ^foo|bar", "foo\nx foo\nx bar\ny\n", "foo\\nx foo|/x bar\\ny"},
	};
	struct bh_aggregation_options o = options(BH_AGGREGATE_REGEX, 100);

	o.regex = BH_STR_LIT("foo|bar");
	CHECK(o, rows);
}

Test(aggregator, regex_overflow)
{
	static const struct row rows[] = {
	    {"§7.3 step 6, then a continuation", "1bcdefgh\nijk\n2\n",
		"1bcdefgh" TR " CUT|" TR "ijk" TR " CUT|/2"},
	    {"§7.3 step 6 with a joint", "1bc\ndefg\n2\n", "1bc\\ndefg" TR " CUT|/2"},
	    {"§7.3 a match after an overflow starts clean", "1bcdefgh\n2\n",
		"1bcdefgh" TR " CUT|/2"},
	    {"§7.3 below L", "1bcdefg\n2\n", "1bcdefg|/2"},
	    {"§7.3 before the first match nothing is carried", "abcdefgh\nx\n",
		"abcdefgh" TR " CUT|/x"},
	    {"§7.3 a cut line reaches L by itself", "1bcdefgh\ai\n2\n",
		"1bcdefgh" TR " CUT|" TR "i" TR " CUT|/2"},
	    {"§7.3 the flag of a short cut line is ignored", "1b\ai\n2\n", "1b\\ni|/2"},
	    {"§7.3 step 3 stands before step 4", "1bcdefgh\n~\nx\n",
		"1bcdefgh" TR " CUT|" TR "x" TR " CUT"},
	};
	struct bh_aggregation_options o = options(BH_AGGREGATE_REGEX, 8);

	CHECK(o, rows);
}

Test(aggregator, regex_head_marker_counts)
{
	/* 15 bytes of marker, a joint of 2, and 6 or 7 of lines. */
	static const struct row rows[] = {
	    {"§7.3 step 6, L - 1 bytes", "1bcdefghijklmnopqrstuvwx\nabc\ndef\n2\n",
		"1bcdefghijklmnopqrstuvwx" TR " CUT|" TR "abc\\ndef CUT|/2"},
	    {"§7.3 step 6, L bytes", "1bcdefghijklmnopqrstuvwx\nabc\ndefg\ngh\n2\n",
		"1bcdefghijklmnopqrstuvwx" TR " CUT|" TR "abc\\ndefg" TR " CUT|" TR "gh CUT|/2"},
	};
	struct bh_aggregation_options o = options(BH_AGGREGATE_REGEX, 24);

	CHECK(o, rows);
}

Test(aggregator, regex_tags)
{
	static const struct row rows[] = {
	    {"§7.3 tags", "1bc\ndefg\nx\n2\n3bcdefgh\n4\ny\n",
		"1bc\\ndefg" TR " #truncated:multiline_regex #multiline:multi_line CUT|" TR "x" TR
		" #truncated:multiline_regex CUT|2|"
		"3bcdefgh" TR " #truncated:multiline_regex CUT|/4\\ny #multiline:multi_line"},
	};
	struct bh_aggregation_options o = options(BH_AGGREGATE_REGEX, 8);

	o.tag_truncated = o.tag_multi_line = true;
	CHECK(o, rows);
}

Test(aggregator, regex_must_be_accepted)
{
	struct bh_aggregation_options o = options(BH_AGGREGATE_REGEX, 8);
	struct bh_err err = BH_ERR_INIT;
	struct bh_aggregation shared;

	o.regex = BH_STR_LIT("(");
	cr_assert_eq(bh_aggregation_init(&shared, &o, NULL, NULL, &err), BH_E_CONFIG);
	cr_expect(err.text[0] != '\0');
}

Test(aggregator, regex_given_up_is_no_match_and_counted)
{
	struct bh_aggregation_options o = options(BH_AGGREGATE_REGEX, 1000);
	struct rig r;

	o.regex = BH_STR_LIT("(a|aa)+(a|aa)+(a|aa)+b");
	o.match_limit = 50;
	rig_open(&r, &o);
	cr_expect_eq(feed(&r, "aab\nx\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab aab c ab\nx\n"), 0);
	cr_expect_eq(feed(&r, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac b\nx\n"), 0);
	cr_expect_geq(r.a.regex_limit_hits, 1);
	rig_close(&r);
}

/* --- §8.5 ----------------------------------------------------------------------------------- */

#define T1 "2024-03-28 13:45:30"
#define T2 "2024-03-28 13:45:31"

Test(aggregator, combining)
{
	static const struct row rows[] = {
	    {"§8.5 a time starts a group", T1 " a\n  at b\n  at c\n" T2 " d\n",
		T1 " a\\n  at b\\n  at c|/" T2 " d"},
	    {"§8.5 aggregate with an empty bucket", "a\nb\n" T1 "\nc\n", "a|b|/" T1 "\\nc"},
	    {"§8.5 no_aggregate stands alone", T1 "\n{\"a\":1}\nb\n", T1 "|{\"a\":1}|b"},
	    {"§8.5 blank lines inside stay as joints", T1 "\n\n\nb\n", "/" T1 "\\n\\n\\nb"},
	    {"§8.5 ends are trimmed", T1 " \n x \t\n", "/" T1 " \\n x"},
	    {"§8.5 status of the first line", T1 "\nE!x\n", "/" T1 "\\nE!x"},
	    {"§8.5 status of the first line", "E! " T1 "\nx\n", "/E! " T1 "\\nx error"},
	    {"§8.5 time-out", T1 "\na\n~\nb\n", T1 "\\na|b"},
	};
	struct bh_aggregation_options o = options(BH_AGGREGATE_AUTO, 100);

	CHECK(o, rows);
}

Test(aggregator, combining_overflow)
{
	/* L = 24; a time has 19 bytes. */
	static const struct row rows[] = {
	    {"§8.5 len + 2 + length < L", T1 "\nab\n", "/" T1 "\\nab"},
	    {"§8.5 len + 2 + length = L: all go out singly", T1 "\nabc\nd\n", T1 "|abc|d"},
	    {"§8.5 so that no group reaches L", T1 "\nabc\n", T1 "|abc"},
	    {"§8.5 joints count", T1 "\n\na\n\n", T1 "||a|"},
	    {"§8.5 raw length ≥ L is flushed at once", T1 " abc\nd\n", T1 " abc|d"},
	    {"§8.5 and does not wait", T1 " abc\n", T1 " abc"},
	    {"§8.5 len ≥ L is cut", T1 " abcd\nd\ne\n", T1 " abcd" TR " CUT|" TR "d CUT|e"},
	    {"§8.5 a start after a cut continues it", T1 " abcd\a" T2 "\n",
		T1 " abcd" TR " CUT|/" TR T2 " CUT"},
	    {"§8.5 no_aggregate is never continued", T1 " abcd\a{\"a\":1}\n",
		T1 " abcd" TR " CUT|{\"a\":1}"},
	    {"§8.5 alone, of L bytes", "abcdefghijklmnopqrstuvwx\ny\n",
		"abcdefghijklmnopqrstuvwx" TR " CUT|" TR "y CUT"},
	    {"§8.5 a cut line among those that go out singly", T1 "\nabcdefghijklmnopqrstuvwx\ay\n",
		T1 "|abcdefghijklmnopqrstuvwx" TR " CUT|" TR "y CUT"},
	    {"§8.5 a cut line that is shorter than L after decoding", "abc\ad\n",
		"abc" TR " CUT|" TR "d CUT"},
	};
	struct bh_aggregation_options o = options(BH_AGGREGATE_AUTO, 24);

	CHECK(o, rows);
}

Test(aggregator, combining_tags)
{
	static const struct row rows[] = {
	    {"§8.5 tags", T1 "\na\n~\nb\nabcdefghijklmnopqrstuvwx\n" T1 "\na\n",
		T1 "\\na #multiline:auto_multiline|b|abcdefghijklmnopqrstuvwx" TR
		   " #truncated:single_line CUT|/" TR T1
		   "\\na #truncated:auto_multiline #multiline:auto_multiline CUT"},
	};
	struct bh_aggregation_options o = options(BH_AGGREGATE_AUTO, 24);

	o.tag_truncated = o.tag_multi_line = true;
	CHECK(o, rows);
}

/* --- §8.4 ----------------------------------------------------------------------------------- */

Test(aggregator, json)
{
	static const struct row rows[] = {
	    {"§8.4 an object over lines becomes one", "{\n  \"a\": 1,\n  \"b c\": [1, 2]\n}\nx\n",
		"{\"a\":1,\"b c\":[1,2]}|x"},
	    {"§8.4 a valid line passes as it is", "{ \"a\": 1 }\n", "{ \"a\": 1 }"},
	    {"§8.4 so does an array", "[\n1\n]\n[1, 2]\n", "[|1|]|[1, 2]"},
	    {"§8.4 strings byte for byte", "{\"a\":\n\" \\\" \\u00e9 \xff\" }\n",
		"{\"a\":\" \\\" \\u00e9 \xff\"}"},
	    {"§8.4 a string over lines closes as the bytes say", "{\"a\":\"x \n y\"}\n",
		"{\"a\":\"x  y\"}"},
	    {"§8.4 a number over lines", "{\"a\":1\n2}\n", "{\"a\":12}"},
	    {"§8.4 a syntax error lets all pass", "{\n \"a\" 1\n}\n", "{|\"a\" 1|}"},
	    {"§8.4 the line with the error is not looked at again", "{\n{\n\"a\":1}\n",
		"{|{|\"a\":1}"},
	    {"§8.4 text after the end", "{\n} x\n", "{|} x"},
	    {"§8.4 blanks after the end are fine", "{\n}  \nx\n", "{}|x"},
	    {"§8.4 a time-out lets all pass", "{\n\"a\":1\n~\n}\n", "{|\"a\":1|}"},
	    {"§8.4 so does the end", "{\n\"a\":1\n", "/{|\"a\":1"},
	    {"§8.4 blank lines inside", "{\n\n\"a\":1\n\n}\n", "{\"a\":1}"},
	    {"§8.4 it ends a group", T1 "\n{\n\"a\":1}\nb\n", T1 "|{\"a\":1}|b"},
	    {"§8.4 leading blanks", "  {\n}\n", "{}"},
	};
	struct bh_aggregation_options o = options(BH_AGGREGATE_AUTO, 200);

	CHECK(o, rows);
}

Test(aggregator, json_limit)
{
	static const struct row rows[] = {
	    {"§8.4 raw length L", "{\n\"abc\":1\n}\n", "{\"abc\":1}"}, /* 2 + 8 + 2 */
	    {"§8.4 raw length L + 1", "{\n\"abcd\":1\n}\n", "{|\"abcd\":1|}"},
	};
	struct bh_aggregation_options o = options(BH_AGGREGATE_AUTO, 12);

	CHECK(o, rows);
}

Test(aggregator, json_options)
{
	static const struct row tagged[] = {
	    {"§8.4 tag", "{\n\"a\":1}\n{\"b\":1}\n{\nx\n",
		"{\"a\":1} #aggregated_json:true|{\"b\":1}|{|x"},
	};
	static const struct row off[] = {{"§8.4 off", "{\n\"a\":1}\n", "{|\"a\":1}"}};
	static const struct row joined[] = {
	    {"§8.5 tags of lines are those of their group", T1 "\n{\n\"a\":1}\nx\n",
		"/" T1 "\\n{\"a\":1}\\nx #aggregated_json:true"},
	};
	struct bh_aggregation_options o = options(BH_AGGREGATE_AUTO, 100);

	o.tag_json = true;
	CHECK(o, tagged);
	o.label.json = false;
	CHECK(o, joined);
	o.json = false;
	CHECK(o, off);
}

Test(aggregator, json_status_is_that_of_the_last_line)
{
	static const enum bh_log_status status[] = {
	    BH_STATUS_ERROR, BH_STATUS_INFO, BH_STATUS_WARN};
	static const char *const lines[] = {"{", "\"a\":1", "}"};
	struct bh_aggregation_options o = options(BH_AGGREGATE_AUTO, 100);
	struct rig r;

	rig_open(&r, &o);
	for (size_t i = 0; i < BH_ARRAY_LEN(lines); i++)
		cr_expect_eq(feed_line(&r, bh_str_from(lines[i]), false, status[i]), 0);
	cr_expect_str_eq(r.out.text.data, "{\"a\":1} warn");
	rig_close(&r);
}

/* --- §8.6 ----------------------------------------------------------------------------------- */

#define DETECTED " #auto_multiline_detected:true"

Test(aggregator, detection)
{
	static const struct row rows[] = {
	    {"§8.6 the start of a would-be group is tagged", T1 " a\n  at b\n  at c\n" T2 "\n",
		T1 " a" DETECTED "|at b|at c|/" T2},
	    {"§8.6 a start before a start is not", T1 "\n" T2 "\n", T1 "|/" T2},
	    {"§8.6 nor before what stands alone", T1 "\n{\"a\":1}\nx\n", T1 "|{\"a\":1}|x"},
	    {"§8.6 nor after the time-out", T1 "\n~\nx\n", T1 "|x"},
	    {"§8.6 a blank line is aggregate", T1 "\n\n", T1 DETECTED "|"},
	    {"§8.6 no JSON aggregation", "{\n\"a\":1\n}\n", "{|\"a\":1|}"},
	    {"§8.6 the rest as §7.2", "  " T1 " \nabcdefghijklmnopqrstuvwx\aabc\n",
		T1 DETECTED "|abcdefghijklmnopqrstuvwx" TR " CUT|" TR "abc CUT"},
	    {"§8.6 what waits can be cut", T1 " abcd\ax\ny\n",
		T1 " abcd" TR DETECTED " CUT|" TR "x CUT|y"},
	};
	static const struct row tagged[] = {
	    {"§8.6 both tags", T1 " abcd\ax\n",
		T1 " abcd" TR " #truncated:single_line" DETECTED " CUT|" TR
		   "x #truncated:single_line CUT"},
	};
	struct bh_aggregation_options o = options(BH_AGGREGATE_DETECT, 24);

	CHECK(o, rows);
	o.tag_truncated = true;
	CHECK(o, tagged);
}

Test(aggregator, detection_keeps_the_status_of_what_waits)
{
	struct bh_aggregation_options o = options(BH_AGGREGATE_DETECT, 24);
	struct rig r;

	rig_open(&r, &o);
	for (unsigned s = 0; s < BH_STATUS__N; s++) {
		cr_expect_eq(feed_line(&r, BH_STR_LIT(T1), false, (enum bh_log_status)s), 0);
		cr_expect_eq(bh_aggregator_held(&r.a), strlen(T1) + 1);
	}
	cr_expect_eq(bh_aggregator_flush(&r.a), 0);
	cr_expect_str_eq(r.out.text.data,
	    T1 " emergency|" T1 " alert|" T1 " critical|" T1 " error|" T1 " warn|" T1 " notice|" T1
	       "|" T1 " debug");
	rig_close(&r);
}

/* --- what holds for all kinds --------------------------------------------------------------- */

/* The content of lines that pass is borrowed, not copied. */
static int note_content(void *ctx, const struct bh_message *m)
{
	*(const char **)ctx = m->content.p;
	return 0;
}

Test(aggregator, lines_that_pass_are_not_copied)
{
	static const enum bh_aggregation_kind kinds[] = {
	    BH_AGGREGATE_SINGLE, BH_AGGREGATE_DETECT, BH_AGGREGATE_AUTO};
	const struct bh_line line = {BH_STR_LIT("  some text"), 12, BH_STATUS_INFO, false};

	for (size_t i = 0; i < BH_ARRAY_LEN(kinds); i++) {
		struct bh_aggregation_options o = options(kinds[i], 100);
		const char *seen = NULL;
		struct rig r;

		rig_open(&r, &o);
		bh_aggregator_init(&r.a, &r.shared, &r.work, note_content, &seen);
		cr_expect_eq(bh_aggregator_line(&r.a, &line), 0);
		cr_expect_eq(seen, line.content.p + 2);
		rig_close(&r);
	}
}

Test(aggregator, a_tailer_at_rest_owns_no_memory)
{
	static char big[200000];

	cr_expect_leq(sizeof(struct bh_aggregator), 512);
	memset(big, 'x', sizeof(big));
	memcpy(big, T1, strlen(T1));
	for (unsigned kind = 0; kind < BH_AGGREGATE__N; kind++) {
		struct bh_aggregation_options o =
		    options((enum bh_aggregation_kind)kind, sizeof(big) + 100);
		struct rig r;

		rig_open(&r, &o);
		cr_expect_eq(feed_line(&r, (struct bh_str){big, sizeof(big)}, true, 0), 0);
		cr_expect_eq(feed(&r, "x\n{\n1\n"), 0);
		cr_expect_eq(bh_aggregator_flush(&r.a), 0);
		cr_expect_eq(bh_aggregator_held(&r.a), 0);
		cr_expect_eq(r.a.group.text.cap + r.a.group.meta.cap, 0, "kind %u", kind);
		cr_expect_eq(r.a.json.text.cap + r.a.json.meta.cap, 0, "kind %u", kind);
		cr_expect_leq(r.work.marked.cap, BH_SPARE_SIZE, "kind %u", kind);
		for (unsigned i = 0; i < r.work.spares.n; i++)
			cr_expect_leq(r.work.spares.v[i].cap, BH_SPARE_SIZE);
		rig_close(&r);
	}
}

static const char *const fragments[] = {T1, T2 " text", "  at x", "", "{", "}", "\"a\":1,",
    "\"b\":\"x\"", "{\"a\":1}", "[", "1 one", "E!", " \r", "{ \"a\": [", "]",
    "abcdefghijklmnopqrstuvwxyz 0123456789"};

static int random_line(struct rig *r, struct bh_rng *rng)
{
	char line[64];
	size_t n = 0;

	for (uint64_t parts = bh_rng_u64(rng) % 2; parts < 2; parts++) {
		const char *f = fragments[bh_rng_u64(rng) % BH_ARRAY_LEN(fragments)];
		size_t k = BH_MIN(strlen(f), sizeof(line) - n);

		memcpy(line + n, f, k);
		n += k;
	}
	return feed_line(r, (struct bh_str){line, n}, bh_rng_u64(rng) % 16 == 0,
	    (enum bh_log_status)(bh_rng_u64(rng) % BH_STATUS__N));
}

Test(aggregator, raw_lengths_add_up_over_random_lines)
{
	struct bh_rng rng;

	bh_rng_seed(&rng, 4);
	for (unsigned round = 0; round < 400; round++) {
		struct bh_aggregation_options o = options(
		    (enum bh_aggregation_kind)(round % BH_AGGREGATE__N), 1 + bh_rng_u64(&rng) % 90);
		struct rig r;

		rig_open(&r, &o);
		for (int i = 0; i < 200; i++) {
			cr_assert_eq(random_line(&r, &rng), 0);
			if (bh_rng_u64(&rng) % 10 == 0) {
				cr_assert_eq(bh_aggregator_flush(&r.a), 0);
				cr_assert_eq(bh_aggregator_held(&r.a), 0);
				check_sum(&r);
			}
		}
		cr_assert_eq(bh_aggregator_flush(&r.a), 0);
		cr_assert_eq(r.out.raw, r.fed);
		rig_close(&r);
	}
}

Test(aggregator, raw_lengths_add_up_when_messages_are_refused)
{
	struct bh_rng rng;

	bh_rng_seed(&rng, 5);
	for (unsigned round = 0; round < 400; round++) {
		struct bh_aggregation_options o = options(
		    (enum bh_aggregation_kind)(round % BH_AGGREGATE__N), 1 + bh_rng_u64(&rng) % 90);
		struct rig r;
		int rc = 0;

		rig_open(&r, &o);
		r.out.fail_at = 1 + bh_rng_u64(&rng) % 20;
		for (int i = 0; i < 400 && !rc; i++)
			rc = random_line(&r, &rng);
		cr_assert_eq(rc, BH_E_LIMIT, "fn's error comes up");
		cr_assert_eq(random_line(&r, &rng), BH_E_LIMIT, "and stays");
		cr_assert_eq(bh_aggregator_flush(&r.a), BH_E_LIMIT);
		cr_assert_eq(r.out.messages, r.out.fail_at, "nothing is emitted behind it");
		check_sum(&r);
		rig_close(&r);
	}
}

Test(aggregator, lines_may_hold_any_bytes)
{
	for (unsigned kind = 0; kind < BH_AGGREGATE__N; kind++) {
		struct bh_aggregation_options o = options((enum bh_aggregation_kind)kind, 100);
		struct rig r;

		rig_open(&r, &o);
		cr_expect_eq(feed_line(&r, (struct bh_str){"1\0b", 3}, false, BH_STATUS_INFO), 0);
		cr_expect_eq(bh_aggregator_flush(&r.a), 0);
		cr_expect_eq(r.out.text.len, 3);
		cr_expect_eq(memcmp(r.out.text.data, "1\0b", 3), 0);
		rig_close(&r);
	}
}
