#include "dogstatsd/number.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/err.h"

#define STACK_TEXT 256

static const double tens[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12,
    1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* digit *( ["_"] digit ) at *i; moves *i behind it. A stray underscore is left for the caller, for
 * whom it is garbage. */
static bool digits(const char *p, size_t n, size_t *i, bool hex)
{
	size_t at = *i;

	while (at < n && (hex ? is_hex(p[at]) : is_digit(p[at]))) {
		at++;
		if (at + 1 < n && p[at] == '_' && (hex ? is_hex(p[at + 1]) : is_digit(p[at + 1])))
			at++;
	}
	if (at == *i)
		return false;
	*i = at;
	return true;
}

/* digits [ "." [ digits ] ] | "." digits */
static bool mantissa(const char *p, size_t n, size_t *i, bool hex)
{
	bool whole = digits(p, n, i, hex);

	if (*i < n && p[*i] == '.') {
		(*i)++;
		return digits(p, n, i, hex) || whole;
	}
	return whole;
}

static bool is_number(const char *p, size_t n)
{
	size_t i = 0;
	bool hex;

	if (n && (p[0] == '+' || p[0] == '-'))
		i++;
	hex = n - i > 2 && p[i] == '0' && (p[i + 1] | 32) == 'x';
	if (hex) {
		i += 2;
		if (p[i] == '_')
			i++;
	}
	if (!mantissa(p, n, &i, hex))
		return false;
	if (i == n)
		return !hex; /* hexadecimal needs its exponent */
	if ((p[i] | 32) != (hex ? 'p' : 'e'))
		return false;
	i++;
	if (i < n && (p[i] == '+' || p[i] == '-'))
		i++;
	return digits(p, n, &i, false) && i == n;
}

static bool is_word(const char *p, size_t n, const char *word)
{
	return n == strlen(word) && strncasecmp(p, word, n) == 0;
}

static bool special(const char *p, size_t n, double *v)
{
	bool negative = n && p[0] == '-';
	size_t i = n && (p[0] == '-' || p[0] == '+');

	if (is_word(p, n, "nan")) {
		*v = NAN;
		return true;
	}
	if (is_word(p + i, n - i, "inf") || is_word(p + i, n - i, "infinity")) {
		*v = negative ? -INFINITY : INFINITY;
		return true;
	}
	return false;
}

static int parse_slow(const char *p, size_t n, double *v)
{
	char stack[STACK_TEXT], *text = stack;
	size_t len = 0;
	int rc = 0;

	if (special(p, n, v))
		return 0;
	if (!is_number(p, n))
		return BH_E_FORMAT;
	if (n >= sizeof(stack)) {
		text = malloc(n + 1);
		if (!text)
			return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		if (p[i] != '_')
			text[len++] = p[i];
	}
	text[len] = '\0';
	*v = strtod(text, NULL);
	if (isinf(*v))
		rc = BH_E_FORMAT;
	if (text != stack)
		free(text);
	return rc;
}

int bh_parse_float(const char *p, size_t n, double *v)
{
	size_t i = 0, whole, fraction = 0;
	uint64_t m = 0;
	bool negative = false;

	if (n && (p[0] == '-' || p[0] == '+')) {
		negative = p[0] == '-';
		i = 1;
	}
	whole = i;
	for (; i < n && is_digit(p[i]); i++)
		m = m * 10 + (uint64_t)(p[i] - '0');
	whole = i - whole;
	if (i < n && p[i] == '.') {
		fraction = ++i;
		for (; i < n && is_digit(p[i]); i++)
			m = m * 10 + (uint64_t)(p[i] - '0');
		fraction = i - fraction;
	}
	/* Exact: up to 19 digits fit 64 bits, the conversion of an integer rounds correctly, and
	 * the quotient of two exactly represented numbers does too. */
	if (i == n && whole + fraction > 0 && whole + fraction <= 19 &&
	    (fraction == 0 || m <= (uint64_t)1 << 53)) {
		*v = (double)m / tens[fraction];
		if (negative)
			*v = -*v;
		return 0;
	}
	return parse_slow(p, n, v);
}

int bh_parse_int(const char *p, size_t n, int64_t *v)
{
	bool negative = n && p[0] == '-';
	size_t i = n && (p[0] == '-' || p[0] == '+');
	int64_t x = 0;

	if (i == n)
		return BH_E_FORMAT;
	for (; i < n; i++) {
		int digit = p[i] - '0';

		if (!is_digit(p[i]) || __builtin_mul_overflow(x, 10, &x) ||
		    __builtin_add_overflow(x, negative ? -digit : digit, &x))
			return BH_E_FORMAT;
	}
	*v = x;
	return 0;
}
