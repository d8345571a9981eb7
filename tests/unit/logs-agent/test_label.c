/* spec/logs.md §8.2 and §8.3 as tables. */
#include <criterion/criterion.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/attrs.h"
#include "common/rng.h"
#include "logs-agent/label.h"

/* --- the table of pairs --------------------------------------------------------------------- */

/* A text whose first token is the one of that name in §8.2's table. */
static unsigned kind(const char *name)
{
	static const char *const texts[][2] = {{"D1", "1"}, {"D2", "12"}, {"D3", "123"},
	    {"D4", "1234"}, {"D6", "123456"}, {"_s", " "}, {"MTH", "jan"}, {"DAY", "mon"},
	    {"ZONE", "utc"}};
	struct bh_tokenizer t;
	uint8_t token;

	for (size_t i = 0; i < BH_ARRAY_LEN(texts); i++)
		if (strcmp(texts[i][0], name) == 0)
			name = texts[i][1];
	bh_tokenizer_init(&t, bh_str_from(name));
	cr_assert_eq(bh_tokenizer_read(&t, &token, 1), 1);
	return token;
}

static const struct {
	const char *left, *right;
} table[] = {
    {"D1", "_s , / :"},
    {"D2", "_s ' * + , - . / : T _"},
    {"D3", "_s * + ZONE"},
    {"D4", "_s * - / : ZONE"},
    {"D6", "+ ZONE"},
    {"_s", "+ D1 D2 D4 MTH PM ZONE"},
    {"MTH", "_s - /"},
    {"DAY", ","},
    {"PM", ":"},
    {"T", "' D2"},
    {"'", "D2 T"},
    {"*", "D2 D3 ZONE"},
    {"+", "D2 D4"},
    {",", "_s D3"},
    {"-", "D2 D4 MTH"},
    {".", "D2 D3 D6"},
    {"/", "D1 D2 D4 MTH"},
    {":", "D2 D3"},
    {"_", "D2"},
};

Test(label, pairs_are_those_of_the_table_and_no_other)
{
	bool want[BH_TOKEN__N][BH_TOKEN__N] = {{false}};

	for (size_t i = 0; i < BH_ARRAY_LEN(table); i++) {
		char right[64], *save = NULL;

		(void)snprintf(right, sizeof(right), "%s", table[i].right);
		for (char *r = strtok_r(right, " ", &save); r; r = strtok_r(NULL, " ", &save))
			want[kind(table[i].left)][kind(r)] = true;
	}
	for (unsigned l = 0; l < BH_TOKEN__N; l++)
		for (unsigned r = 0; r < BH_TOKEN__N; r++)
			cr_expect_eq(bh_timestamp_pair(l, r), want[l][r], "%u %u", l, r);
}

/* --- the score ------------------------------------------------------------------------------ */

static double score(const char *text)
{
	struct bh_tokenizer t;
	uint8_t tokens[64];

	bh_tokenizer_init(&t, bh_str_from(text));
	return bh_timestamp_score(tokens, bh_tokenizer_read(&t, tokens, sizeof(tokens)));
}

Test(label, score_is_the_best_window)
{
	static const struct {
		const char *in;
		double want;
	} rows[] = {
	    {"", 0},
	    {"2024/05/16", 0},                      /* 5 tokens */
	    {"10/10/10:10", 0},                     /* 7 tokens */
	    {"10/10/10:10:", 0},                    /* 8 tokens: a window of 7 */
	    {"10/10/10:10:10", 1},                  /* 9 tokens: 8 pairs */
	    {"10/10/10:10:10 (((", 1},              /* whatever follows a start of 8 pairs */
	    {"(10/10/10:10:10", 1},                 /* the window starts behind the first pair */
	    {"x 10/10/10:10", 0},                   /* " 10/10/10:10" has 7 pairs */
	    {"x 10/10/10:10 ", 1},                  /* 8 */
	    {"10/10/10:10x10:10/10/10", 10.0 / 14}, /* 6 pairs, 2 breaks, 6 pairs */
	    {"a b c d e f", 0},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++)
		cr_expect_float_eq(score(rows[i].in), rows[i].want, 1e-9, "§8.2 \"%s\" has %g",
		    rows[i].in, score(rows[i].in));
}

/* The pass of §8.2 as it is written there. */
static double plain_score(const uint8_t *t, size_t n)
{
	size_t start = 0, end = 0, tmp = 0, run = 0;
	int m[64], cur, max;

	if (n < 8)
		return 0;
	for (size_t i = 0; i + 1 < n; i++)
		m[i] = bh_timestamp_pair(t[i], t[i + 1]) ? 1 : -1;
	while (run < n - 1 && m[run] == 1)
		run++;
	if (run >= 8)
		return 1;
	cur = max = m[0];
	for (size_t i = 1; i < n - 1; i++) {
		if (m[i] > cur + m[i]) {
			cur = m[i];
			tmp = i;
		} else {
			cur += m[i];
		}
		if (cur > max) {
			max = cur;
			start = tmp;
			end = i;
		}
	}
	end++;
	return end - start < 8 ? 0 : (double)max / (double)(end - start);
}

/* Texts in which times are likely. */
static size_t random_text(struct bh_rng *rng, char *text, size_t size)
{
	static const char alphabet[] = "1234//::  -T.";
	size_t n = bh_rng_u64(rng) % size;

	for (size_t i = 0; i < n; i++)
		text[i] = alphabet[bh_rng_u64(rng) % (sizeof(alphabet) - 1)];
	return n;
}

Test(label, score_is_that_of_the_plain_pass_over_random_tokens)
{
	struct bh_rng rng;

	bh_rng_seed(&rng, 1);
	for (int round = 0; round < 20000; round++) {
		struct bh_tokenizer t;
		uint8_t tokens[64];
		char text[64];
		size_t n = random_text(&rng, text, sizeof(text));

		bh_tokenizer_init(&t, (struct bh_str){text, n});
		n = bh_tokenizer_read(&t, tokens, sizeof(tokens));
		cr_assert_float_eq(bh_timestamp_score(tokens, n), plain_score(tokens, n), 1e-12);
	}
}

/* The short cuts of a label change nothing. */
Test(label, start_is_where_the_score_is_above_the_threshold)
{
	static const double thresholds[] = {-1, 0, 0.2, 0.5, 0.65, 0.9, 1};
	struct bh_rng rng;

	bh_rng_seed(&rng, 2);
	for (int round = 0; round < 50000; round++) {
		struct bh_labeler l = {.max_bytes = 64,
		    .time_threshold = thresholds[round % (int)BH_ARRAY_LEN(thresholds)],
		    .datetime = true};
		struct bh_tokenizer t;
		uint8_t tokens[64];
		char text[64];
		struct bh_str in = {text, random_text(&rng, text, sizeof(text))};
		bool start = bh_labeler_label(&l, NULL, in, NULL) == BH_LABEL_START_GROUP;
		size_t n;

		bh_tokenizer_init(&t, in);
		n = bh_tokenizer_read(&t, tokens, sizeof(tokens));
		cr_assert_eq(start, in.n > 0 && plain_score(tokens, n) > l.time_threshold,
		    "\"%.*s\" at %g", (int)in.n, text, l.time_threshold);
	}
}

/* --- labels --------------------------------------------------------------------------------- */

static const struct bh_label_options defaults = {
    .time_threshold = 0.5, .match_limit = 100000, .json = true, .datetime = true};

static enum bh_line_label label(const struct bh_label_options *o, struct bh_str in)
{
	struct bh_pattern_scratch *scratch;
	enum bh_line_label got;
	struct bh_labeler l;
	uint64_t hits = 0;

	cr_assert_eq(bh_pattern_scratch_new(&scratch), 0);
	cr_assert_eq(bh_labeler_init(&l, o, NULL, NULL), 0);
	got = bh_labeler_label(&l, scratch, in, &hits);
	cr_expect_eq(hits, 0);
	bh_labeler_release(&l);
	bh_pattern_scratch_free(scratch);
	return got;
}

#define START BH_LABEL_START_GROUP
#define ALONE BH_LABEL_NO_AGGREGATE
#define JOIN  BH_LABEL_AGGREGATE

struct label_row {
	const char *in;
	enum bh_line_label want;
};

static void check(
    const char *what, const struct bh_label_options *o, const struct label_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		cr_expect_eq(
		    label(o, bh_str_from(rows[i].in)), rows[i].want, "%s \"%s\"", what, rows[i].in);
}

Test(label, examples)
{
	static const struct label_row rows[] = {
	    {"2024-03-28 13:45:30 x", START},
	    {"Jun 14 15:16:01 combo sshd[1]:", START},
	    {"[Sun Dec 04 04:47:44 2005] [notice]", START},
	    {"127.0.0.1 - - [16/May/2024:19:49:17 +0000]", START},
	    {"acb def 10:10:10 foo 2024-05-15 hijk lmop", START},
	    {"12:30:20 - info", JOIN},
	    {"abc this 13:45:30  is a log", JOIN},
	    {"20171223-22:15:29:606|Step", JOIN},
	    {"1234-1234-1234-123-21-1", JOIN},
	    {"fd12:3456:789a:1::1", JOIN},
	    {"2024/05/16", JOIN},
	    {"2024-03-28T13:45:30.123456Z INFO", START},
	    {"", JOIN},
	    {"\tat com.example.Main(Main.java:17)", JOIN},
	};

	check("§8.2", &defaults, rows, BH_ARRAY_LEN(rows));
}

Test(label, only_the_first_bytes_count)
{
	char line[96];
	struct bh_label_options o = defaults;

	/* The time ends at byte 60, then at 61: without its last digit a pair is missing. */
	memset(line, 'x', sizeof(line));
	memcpy(line + 41, "2024-03-28 13:45:30", 19);
	cr_expect_eq(label(&o, (struct bh_str){line, 96}), START, "§8.1 60 bytes");
	o.max_bytes = 50;
	cr_expect_eq(label(&o, (struct bh_str){line, 96}), JOIN, "§8.1 50 bytes");
	o.max_bytes = 5000;
	cr_expect_eq(label(&o, (struct bh_str){line, 96}), START, "§8.1 more than the line");
}

Test(label, json_stands_alone)
{
	static const struct label_row rows[] = {
	    {"{\"a\":1}", ALONE}, {"{}", ALONE}, {" \t\f\r\n{ \t\f\r\n\"", ALONE},
	    {"{\v\"", JOIN}, /* §21: RE2's \s has no vertical tab */
	    {"\v{\"", JOIN}, {"{", JOIN}, {"{1", JOIN}, {"{ 2024-03-28 13:45:30", START},
	    {"[{\"a\":1}]", JOIN}, {"x{\"", JOIN},
	    {"{\"t\":\"2024-03-28 13:45:30\"}", ALONE}, /* before the time */
	};

	check("§8.2 rule 3", &defaults, rows, BH_ARRAY_LEN(rows));
}

Test(label, detections_can_be_off)
{
	static const struct label_row no_json[] = {
	    {"{\"a\":1}", JOIN}, {"{\"t\":\"2024-03-28 13:45:30\"}", START}};
	static const struct label_row no_time[] = {
	    {"2024-03-28 13:45:30 x", JOIN}, {"{\"a\":1}", ALONE}};
	static const struct label_row threshold[] = {
	    {"2024-03-28 13:45:30 x", JOIN}, {"127.0.0.1 - - [16/May/2024:19:49:17 +0000]", JOIN}};
	struct bh_label_options o = defaults;

	o.json = false;
	check("§8.2 rule 3 off", &o, no_json, BH_ARRAY_LEN(no_json));
	o = defaults;
	o.datetime = false;
	check("§8.2 rule 4 off", &o, no_time, BH_ARRAY_LEN(no_time));
	o = defaults;
	o.time_threshold = 1; /* nothing is more than that */
	check("§8.2 threshold", &o, threshold, BH_ARRAY_LEN(threshold));
}

/* --- samples -------------------------------------------------------------------------------- */

static char empty[] = "";

#define REGEX(text, l) \
	{ \
		.regex = (char[]){text}, .sample = empty, .match_threshold = 0.75, .label = (l) \
	}
#define SAMPLE(text, threshold, l) \
	{ \
		.regex = empty, .sample = (char[]){text}, .match_threshold = (threshold), \
		.label = (l) \
	}

Test(label, samples_come_first_and_in_order)
{
	struct bh_log_sample own[] = {
	    REGEX("begin|ends", START),
	    REGEX("begin now", ALONE),
	    SAMPLE("!!! 12 abc", 0.75, START),
	};
	struct bh_log_sample global[] = {
	    REGEX("2024", ALONE), SAMPLE("{\"id\": 1", 1, JOIN), REGEX("beg", JOIN)};
	struct bh_label_options o = defaults;
	static const struct label_row rows[] = {
	    {"begin now", START}, {"x begin", JOIN}, /* ^ holds for the first alternative … */
	    {"x ends", START},                       /* … and not for the second (§21) */
	    {"beg", JOIN},                           /* global, behind the source's own */
	    {"! 34 xyz", START},                     /* ! _s D2 _s C3 */
	    {"! 34 xyzz", START},                    /* 4 of 5 ≥ round(3.75) */
	    {"! 345 xyzz", JOIN},                    /* 3 of 5 */
	    {"!", START},                            /* only what both have is compared */
	    {"2024-03-28 13:45:30", ALONE},
	    {"{\"id\": 7, \"more\": 1}", JOIN}, /* before the look for JSON */
	    {"", JOIN},                         /* rule 1 before all */
	};

	o.own = (struct bh_log_samples){own, BH_ARRAY_LEN(own)};
	o.global = (struct bh_log_samples){global, BH_ARRAY_LEN(global)};
	check("§8.3", &o, rows, BH_ARRAY_LEN(rows));
}

Test(label, an_empty_line_is_part_of_a_group_before_all)
{
	struct bh_log_sample any[] = {REGEX("z*$", START)};
	struct bh_label_options o = defaults;
	static const struct label_row rows[] = {{"", JOIN}, {"zz", START}};

	o.own = (struct bh_log_samples){any, 1};
	check("§8.2 rule 1", &o, rows, BH_ARRAY_LEN(rows));
}

Test(label, regex_wins_over_sample)
{
	struct bh_log_sample both[] = {REGEX("abc", ALONE)};
	struct bh_label_options o = defaults;
	static const struct label_row rows[] = {{"abcd", ALONE}, {"xyz", JOIN}};

	both[0].sample = (char[]){"xyz"};
	o.own = (struct bh_log_samples){both, 1};
	check("§8.3", &o, rows, BH_ARRAY_LEN(rows));
}

Test(label, sample_is_cut_whole)
{
	/* 61 tokens of the sample are beyond the 60 bytes of a line. */
	struct bh_log_sample s[] = {
	    SAMPLE("a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a."
		   "a.a.a.a.a.a.a.a.a.a.",
		1, ALONE)};
	struct bh_label_options o = defaults;
	static const struct label_row rows[] = {
	    {"a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.b..", ALONE},
	    {"a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.1.b..", JOIN},
	};

	o.global = (struct bh_log_samples){s, 1};
	check("§8.3", &o, rows, BH_ARRAY_LEN(rows));
	o.max_bytes = 100;
	cr_expect_eq(label(&o, bh_str_from("a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a."
					   "a.a.a.1.")),
	    JOIN, "byte 61 counts now");
}

Test(label, likeness_is_rounded_half_away_from_zero)
{
	const uint8_t a[] = {1, 2, 3, 4, 5, 6}, b[] = {1, 2, 3, 9, 9, 9};

	cr_expect(bh_tokens_alike(a, 6, b, 6, 0.5), "3 of 6");
	cr_expect_not(bh_tokens_alike(a, 6, b, 6, 0.59), "3.54: 4 are needed");
	cr_expect(bh_tokens_alike(a, 6, b, 6, 0.58), "3.48: 3");
	cr_expect_not(bh_tokens_alike(a, 5, b, 5, 0.7), "3.5: 4 are needed");
	cr_expect(bh_tokens_alike(a, 6, b, 3, 1), "the shorter list decides");
	cr_expect(bh_tokens_alike(a, 0, b, 0, 1), "two empty lists");
	cr_expect_not(bh_tokens_alike(a, 0, b, 1, 0.1), "one empty list");
}

static void count_fault(void *ctx, const struct bh_log_sample *sample, const char *why)
{
	unsigned *n = ctx;

	cr_expect(sample != NULL && why[0] != '\0');
	(*n)++;
}

Test(label, a_bad_sample_is_left_out_alone)
{
	struct bh_log_sample s[] = {REGEX("(", START), SAMPLE("x", 0, START),
	    SAMPLE("x", 1.5, START), SAMPLE("x", NAN, START), SAMPLE("", 1, START),
	    REGEX("good", ALONE)};
	struct bh_label_options o = defaults;
	static const struct label_row rows[] = {{"good", ALONE}, {"x", JOIN}};
	struct bh_labeler l;
	unsigned faults = 0;

	o.own = (struct bh_log_samples){s, BH_ARRAY_LEN(s)};
	cr_assert_eq(bh_labeler_init(&l, &o, count_fault, &faults), 0);
	cr_expect_eq(faults, 5);
	cr_expect_eq(l.samples_n, 1);
	bh_labeler_release(&l);
	check("§8.3", &o, rows, BH_ARRAY_LEN(rows));
}
