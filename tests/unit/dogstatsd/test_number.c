#include <criterion/criterion.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "dogstatsd/number.h"

/* On a copy of exact size, so that reading beyond it is found. */
static int parse(const char *text, size_t n, double *v)
{
	char *copy = malloc(n ? n : 1);
	int rc;

	cr_assert_not_null(copy);
	if (n)
		memcpy(copy, text, n);
	rc = bh_parse_float(copy, n, v);
	free(copy);
	return rc;
}

Test(number, floats_follow_the_table_of_the_protocol)
{
	static const struct {
		const char *text;
		double want;
	} rows[] = {
	    {"+5", 5},
	    {".5", 0.5},
	    {"5.", 5},
	    {"00012", 12},
	    {"0", 0},
	    {"1e3", 1000},
	    {"1E-3", 0.001},
	    {"2e+2", 200},
	    {"0x1p4", 16},
	    {"0X1P-2", 0.25},
	    {"0x1.8p1", 3},
	    {"0x_1p4", 16},
	    {"0xFp0", 15},
	    {"1_000", 1000},
	    {"1_0.2_5", 10.25},
	    {"1e-400", 0},
	    {"1e1_0", 1e10},
	    {"-12.75", -12.75},
	    {"0.1", 0.1},
	    {"123456789012345678", 123456789012345678.0},
	    {"18446744073709551615", 18446744073709551615.0},
	    {"9007199254740993", 9007199254740992.0},
	    {"9007199254740993.5", 9007199254740994.0},
	    {"0.1234567890123456789", 0.1234567890123456789},
	    {"1.7976931348623157e308", 1.7976931348623157e308},
	    {"4.9e-324", 4.9e-324},
	    {"-0.000", 0},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++) {
		double v = NAN;

		cr_expect_eq(parse(rows[i].text, strlen(rows[i].text), &v), 0, "%s", rows[i].text);
		cr_expect_eq(v, rows[i].want, "%s gave %.17g", rows[i].text, v);
	}
}

Test(number, minus_zero_keeps_its_sign)
{
	double v = 1;

	cr_assert_eq(parse("-0", 2, &v), 0);
	cr_assert(v == 0 && signbit(v));
}

Test(number, the_words_for_not_finite_values_are_read)
{
	static const char *const infinite[] = {"inf", "+Inf", "INFINITY", "-Infinity", "-inf"};
	double v;

	for (size_t i = 0; i < BH_ARRAY_LEN(infinite); i++) {
		cr_expect_eq(parse(infinite[i], strlen(infinite[i]), &v), 0, "%s", infinite[i]);
		cr_expect(isinf(v) && signbit(v) == (infinite[i][0] == '-'), "%s", infinite[i]);
	}
	cr_expect(parse("NaN", 3, &v) == 0 && isnan(v));
	cr_expect(parse("nan", 3, &v) == 0 && isnan(v));
}

Test(number, everything_else_is_refused)
{
	static const char *const bad[] = {" 5", "5 ", "\t5", "", ".", "+", "-", "1e", "e5", "1e5.5",
	    "1.2.3", "--1", "+-1", "0x10", "0x", "0xp1", "0x.p1", "0b1", "1f", "666a", "1,5", "_1",
	    "1_", "1__0", "1_.5", "1._5", "1e400", "-1e400", "0x1p99999", "+nan", "-nan", "nan(1)",
	    "infinit", "infinityx", "1e+", "1e_1", "0x1p", "\xEF\xBC\x91"};
	double v;

	for (size_t i = 0; i < BH_ARRAY_LEN(bad); i++)
		cr_expect_eq(
		    parse(bad[i], strlen(bad[i]), &v), BH_E_FORMAT, "'%s' was taken", bad[i]);
	cr_expect_eq(parse("1\0", 2, &v), BH_E_FORMAT);
	cr_expect_eq(parse("1\0002", 3, &v), BH_E_FORMAT);
}

Test(number, very_long_texts_are_exact)
{
	char text[1001];
	double v;

	memset(text, '0', sizeof(text));
	text[1000] = '7';
	cr_expect_eq(parse(text, sizeof(text), &v), 0);
	cr_expect_eq(v, 7);
	text[1] = '.';
	text[1000] = '1';
	cr_expect_eq(parse(text, sizeof(text), &v), 0);
	cr_expect_eq(v, 0);
	memset(text, '9', sizeof(text));
	cr_expect_eq(parse(text, sizeof(text), &v), BH_E_FORMAT);
}

Test(number, integers_have_a_sign_and_digits_only)
{
	static const struct {
		const char *text;
		int rc;
		int64_t want;
	} rows[] = {
	    {"0", 0, 0},
	    {"+7", 0, 7},
	    {"-7", 0, -7},
	    {"0012", 0, 12},
	    {"9223372036854775807", 0, INT64_MAX},
	    {"-9223372036854775808", 0, INT64_MIN},
	    {"9223372036854775808", BH_E_FORMAT, 0},
	    {"-9223372036854775809", BH_E_FORMAT, 0},
	    {"99999999999999999999999", BH_E_FORMAT, 0},
	    {"", BH_E_FORMAT, 0},
	    {"-", BH_E_FORMAT, 0},
	    {" 1", BH_E_FORMAT, 0},
	    {"1_0", BH_E_FORMAT, 0},
	    {"0x1", BH_E_FORMAT, 0},
	    {"1.0", BH_E_FORMAT, 0},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++) {
		int64_t v = 0;

		cr_expect_eq(bh_parse_int(rows[i].text, strlen(rows[i].text), &v), rows[i].rc, "%s",
		    rows[i].text);
		cr_expect_eq(v, rows[i].want, "%s", rows[i].text);
	}
}
