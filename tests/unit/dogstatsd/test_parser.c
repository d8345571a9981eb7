#include <criterion/criterion.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/rng.h"
#include "dogstatsd/parser.h"

static struct bh_parser parser;

static void setup(void)
{
	cr_assert_eq(bh_parser_init(&parser, true), 0);
}

static void teardown(void)
{
	bh_parser_release(&parser);
}

TestSuite(parser, .init = setup, .fini = teardown);

static const char *type_name(enum bh_metric_type t)
{
	static const char *const names[] = {"g", "c", "h", "s", "d"};

	return names[t];
}

/* "name type values rate #tags T" of a good line, the error's name of a bad one. */
static const char *describe(struct bh_str line)
{
	static char out[512];
	struct bh_metric m;
	enum bh_parse_result r = bh_parse_metric(&parser, line, &m);
	int n;

	if (r != BH_PARSE_OK)
		return bh_parse_result_name(r);
	n = snprintf(out, sizeof(out), "%.*s %s ", (int)m.name.n, m.name.p, type_name(m.type));
	if (m.type == BH_METRIC_SET)
		n += snprintf(out + n, sizeof(out) - (size_t)n, "'%.*s'", (int)m.raw.n, m.raw.p);
	for (size_t i = 0; m.type != BH_METRIC_SET && i < m.values_n; i++)
		n += snprintf(out + n, sizeof(out) - (size_t)n, "%s%g", i ? "," : "", m.values[i]);
	if (!(m.rate >= 1 && m.rate <= 1))
		n += snprintf(out + n, sizeof(out) - (size_t)n, " @%g", m.rate);
	if (m.tags.n)
		n += snprintf(out + n, sizeof(out) - (size_t)n, " #%.*s", (int)m.tags.n, m.tags.p);
	if (m.timestamp)
		n += snprintf(out + n, sizeof(out) - (size_t)n, " T%lld", (long long)m.timestamp);
	return out;
}

static void expect(const char *line, const char *want)
{
	const char *got = describe(bh_str_from(line));

	cr_expect_str_eq(got, want, "%s\n  gave %s\n  not  %s", line, got, want);
}

Test(parser, reads_every_type)
{
	expect("a.b:1|c", "a.b c 1");
	expect("a.b:1.5|g", "a.b g 1.5");
	expect("a.b:3|h", "a.b h 3");
	expect("a.b:3|ms", "a.b h 3");
	expect("a.b:3|d", "a.b d 3");
	expect("a.b:user:7|s", "a.b s 'user:7'");
	expect("a.b:-3|g", "a.b g -3");
}

Test(parser, reads_packed_values)
{
	expect("a:1:2:3|d", "a d 1,2,3");
	expect("a::1::2:|g", "a g 1,2");
	expect("a:1:x|g", "bad_value");
	expect("a::|g", "bad_value");
	expect("a:::|g", "bad_value");
}

Test(parser, reads_more_packed_values_than_it_had_room_for)
{
	char line[4096] = "a:0";
	struct bh_metric m;
	size_t n = 3;

	for (int i = 1; i < 500; i++)
		n += (size_t)snprintf(line + n, sizeof(line) - n, ":%d", i);
	n += (size_t)snprintf(line + n, sizeof(line) - n, "|d");
	cr_assert_eq(bh_parse_metric(&parser, (struct bh_str){line, n}, &m), BH_PARSE_OK);
	cr_assert_eq(m.values_n, 500);
	for (int i = 0; i < 500; i++)
		cr_assert_eq(m.values[i], i);
}

Test(parser, reads_optional_fields_in_any_order_and_the_last_of_a_kind_wins)
{
	expect("a:1|c|@0.5|#x:1,y", "a c 1 @0.5 #x:1,y");
	expect("a:1|c|#x|@0.1|@0.5|#y,z", "a c 1 @0.5 #y,z");
	expect("a:1|c|#x|#", "a c 1");
	expect("a:1|c|#", "a c 1");
	expect("a:1|c|T1700000000|@0.5", "a c 1 @0.5 T1700000000");
	expect("a:1|c|c:ci-12|e:it-true|card:low|zzz||", "a c 1");
	expect("a:1|c|@0", "a c 1 @0");
	expect("a:1|c|@-2", "a c 1 @-2");
	expect("a:1|c|@NaN", "a c 1 @nan");
	expect("a:1|c|#a,,b", "a c 1 #a,,b");
}

Test(parser, keeps_odd_bytes_of_names)
{
	expect("a b#@/\xC3\xA9:1|c", "a b#@/\xC3\xA9 c 1");
	expect("_e:1|c", "_e c 1");
}

Test(parser, names_the_first_rule_a_line_breaks)
{
	expect("a", "no_type");
	expect("a:1", "no_type");
	expect("|", "no_value");
	expect("a|c", "no_value");
	expect(":1|c", "no_value");
	expect("a:|c", "no_value");
	expect("A::B.c:1|c", "bad_value");
	expect("a:1|", "bad_type");
	expect("a:1|x", "bad_type");
	expect("a:1|G", "bad_type");
	expect("a:1|g ", "bad_type");
	expect("a:1|cc", "bad_type");
	expect("a:1|mss", "bad_type");
	expect("a:|x", "no_value");
	expect("a:x|g", "bad_value");
	expect("a: 1|g", "bad_value");
	expect("a:x|g|@y", "bad_value");
	expect("a:1|g|@", "bad_rate");
	expect("a:1|g|@x|Ty", "bad_rate");
	expect("a:1|g|T", "bad_timestamp");
	expect("a:1|g|T0", "bad_timestamp");
	expect("a:1|g|T-1", "bad_timestamp");
	expect("a:1|g|Txyz", "bad_timestamp");
	expect("a:1|g|T99999999999999999999", "bad_timestamp");
}

Test(parser, leaves_timestamps_unread_when_they_are_off)
{
	parser.timestamps = false;
	expect("a:1|g|T17", "a g 1");
	expect("a:1|g|Txyz", "a g 1");
}

Test(parser, classifies_by_the_first_bytes_alone)
{
	cr_expect_eq(bh_line_classify(BH_STR_LIT("_e{1,1}:a|b")), BH_LINE_EVENT);
	cr_expect_eq(bh_line_classify(BH_STR_LIT("_e:1|c")), BH_LINE_METRIC);
	cr_expect_eq(bh_line_classify(BH_STR_LIT("_sc|a|0")), BH_LINE_CHECK);
	cr_expect_eq(bh_line_classify(BH_STR_LIT("_scary.x:1|c")), BH_LINE_CHECK);
	cr_expect_eq(bh_line_classify(BH_STR_LIT("_s")), BH_LINE_METRIC);
	cr_expect_eq(bh_line_classify(BH_STR_LIT("a")), BH_LINE_METRIC);
}

/* "line!" for a terminated line, "line" for one that is not; lines separated by blanks. */
static const char *cut(const char *datagram, size_t n)
{
	static char out[256];
	struct bh_lines l = bh_lines_init(datagram, n);
	struct bh_str line;
	bool terminated;
	size_t at = 0;

	out[0] = '\0';
	while (bh_lines_next(&l, &line, &terminated))
		at += (size_t)snprintf(out + at, sizeof(out) - at, "%s%.*s%s", at ? " " : "",
		    (int)line.n, line.p, terminated ? "!" : "");
	return out;
}

Test(parser, cuts_datagrams_into_lines)
{
	cr_expect_str_eq(cut("", 0), "");
	cr_expect_str_eq(cut("a", 1), "a");
	cr_expect_str_eq(cut("a\nb", 3), "a! b");
	cr_expect_str_eq(cut("a\nb\n", 4), "a! b!");
	cr_expect_str_eq(cut("\n\n\na\n\n", 6), "a!");
	cr_expect_str_eq(cut("a\r\nb\r", 5), "a! b");
	cr_expect_str_eq(cut("\r\n\r", 3), "");
	cr_expect_str_eq(cut("a\r\r\n", 4), "a\r!");
}

Test(parser, takes_nul_as_an_ordinary_byte)
{
	struct bh_metric m;

	cr_assert_eq(bh_parse_metric(&parser, (struct bh_str){"a\0b:1|c", 7}, &m), BH_PARSE_OK);
	cr_assert_eq(m.name.n, 3);
	cr_assert_eq(
	    bh_parse_metric(&parser, (struct bh_str){"a:1\0|c", 6}, &m), BH_PARSE_BAD_VALUE);
	cr_assert_eq(
	    bh_parse_metric(&parser, (struct bh_str){"a:1|c\0", 6}, &m), BH_PARSE_BAD_TYPE);
}

/* Whatever the bytes are, views stay inside the line (ASan watches the exact copies). */
Test(parser, never_leaves_the_bytes_of_a_line)
{
	static const char alphabet[] = "ab:|#@Tgcmshd,0159.eE+-_xXpPnaif\n\r\0\xff";
	struct bh_rng rng;
	struct bh_metric m;

	bh_rng_seed(&rng, 7);
	for (int round = 0; round < 20000; round++) {
		size_t n = bh_rng_u64(&rng) % 24;
		char *p = malloc(n ? n : 1);

		cr_assert_not_null(p);
		for (size_t i = 0; i < n; i++)
			p[i] = alphabet[bh_rng_u64(&rng) % (sizeof(alphabet) - 1)];
		if (bh_parse_metric(&parser, (struct bh_str){p, n}, &m) == BH_PARSE_OK) {
			cr_assert(m.name.p == p && m.name.n > 0 && m.name.n < n);
			cr_assert(m.values_n >= 1);
			cr_assert(m.tags.n == 0 || (m.tags.p > p && m.tags.p + m.tags.n <= p + n));
		}
		free(p);
	}
}
