/* spec/logs.md §8.1 as tables. */
#include <criterion/criterion.h>

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "common/attrs.h"
#include "logs-agent/tokens.h"

static const char *const words[BH_TOKEN_C1 - BH_TOKEN_MONTH] = {"MTH", "DAY", "PM", "T", "ZONE",
    "WARN", "FATAL", "ERROR", "PANIC", "ALERT", "SEVERE", "CRIT", "EMERG", "EXCEPTION", "CRASH",
    "FAILED", "DEADLOCK", "TIMEOUT", "UUID", "IPV4"};

static const char marks[] = ":;-_/\\.,'\"`~*+=(){}[]&!@#$%^";

static void name(unsigned kind, char *out, size_t size)
{
	if (kind <= BH_TOKEN_D10)
		(void)snprintf(out, size, "D%u", kind + 1);
	else if (kind == BH_TOKEN_SPACE)
		(void)snprintf(out, size, "_s");
	else if (kind >= BH_TOKEN_C1)
		(void)snprintf(out, size, "C%u", kind - BH_TOKEN_C1 + 1);
	else if (kind >= BH_TOKEN_MONTH)
		(void)snprintf(out, size, "%s", words[kind - BH_TOKEN_MONTH]);
	else
		(void)snprintf(out, size, "%c", marks[kind - BH_TOKEN_COLON]);
}

/* Names joined by blanks; read in steps of `step` tokens. */
static const char *cut(struct bh_str in, size_t step)
{
	static char text[4096];
	struct bh_tokenizer t;
	uint8_t tokens[256];
	size_t n, at = 0;

	text[0] = '\0';
	bh_tokenizer_init(&t, in);
	while ((n = bh_tokenizer_read(&t, tokens, step)) > 0)
		for (size_t i = 0; i < n; i++) {
			char one[16];

			name(tokens[i], one, sizeof(one));
			at += (size_t)snprintf(
			    text + at, sizeof(text) - at, "%s%s", at ? " " : "", one);
		}
	return text;
}

#define UUID "0123abcd-0123-4567-89AB-cdef01234567"

static const char *const rows[][2] = {
    /* runs */
    {"", ""},
    {"1", "D1"},
    {"12345", "D5"},
    {"1234567890", "D10"},
    {"12345678901234", "D10"},
    {"a", "C1"},
    {"abcdefghij", "C10"},
    {"abcdefghijklmnop", "C10"},
    {" \t\r\n x", "_s C1"},
    {"--::", "- :"},
    {"a1b22", "C1 D1 C1 D2"},
    {"<>|?", "C4"},
    {"\xc3\xa9t\xc3\xa9", "C5"},
    {"\v\f", "C2"},
    {"|Step", "C5"},
    {"2024-03-28 13:45:30 x", "D4 - D2 - D2 _s D2 : D2 : D2 _s C1"},
    {"[Sun Dec 04", "[ DAY _s MTH _s D2"},
    /* words: whole runs, any case */
    {"jan Feb MAR apr may jun jul aug sep oct nov dec",
	"MTH _s MTH _s MTH _s MTH _s MTH _s MTH _s MTH _s MTH _s MTH _s MTH _s MTH _s MTH"},
    {"mon tue wed thu fri sat sun", "DAY _s DAY _s DAY _s DAY _s DAY _s DAY _s DAY"},
    {"am PM", "PM _s PM"},
    {"2024T10Z", "D4 T D2 ZONE"},
    {"t z", "T _s ZONE"},
    {"janx xjan", "C4 _s C4"},
    {"Jan|", "C4"},
    {"JAN\xc3", "C4"},
    {"warn WARNING", "WARN _s WARN"},
    {"Fatal error panic alert", "FATAL _s ERROR _s PANIC _s ALERT"},
    {"severe crit critical", "SEVERE _s CRIT _s CRIT"},
    {"emerg emergency exception", "EMERG _s EMERG _s EXCEPTION"},
    {"crash crashed failed failure", "CRASH _s CRASH _s FAILED _s FAILED"},
    {"deadlock timeout", "DEADLOCK _s TIMEOUT"},
    {"errors exceptions emergencyx warns", "C6 _s C10 _s C10 _s C5"},
    /* UUID: bounded by an end or what is not a letter, digit or _ */
    {UUID, "UUID"},
    {"[" UUID "]", "[ UUID ]"},
    {"id=" UUID " x", "C2 = UUID _s C1"},
    {UUID "-1", "UUID - D1"},
    {"x" UUID, "C1 D4 C4 - D4 - D4 - D2 C2 - C4 D8"},
    {"_" UUID, "_ D4 C4 - D4 - D4 - D2 C2 - C4 D8"},
    {UUID "_", "D4 C4 - D4 - D4 - D2 C2 - C4 D8 _"},
    {UUID "8", "D4 C4 - D4 - D4 - D2 C2 - C4 D9"},
    {"0123abcg-0123-4567-89AB-cdef01234567", "D4 C4 - D4 - D4 - D2 C2 - C4 D8"},
    {"0123abcd-0123-4567-89AB-cdef0123456", "D4 C4 - D4 - D4 - D2 C2 - C4 D7"},
    {"01234567-0123-4567-8901-0123456789--", "D8 - D4 - D4 - D4 - D10 -"},
    /* IPv4: four runs of 1-3 digits, single dots */
    {"127.0.0.1", "IPV4"},
    {"127.0.0.1:80", "IPV4 : D2"},
    {"v1.2.3.4", "C1 IPV4"},
    {"1.2.3.4.5", "IPV4 . D1"},
    {"1.2.3", "D1 . D1 . D1"},
    {"1.2.3.", "D1 . D1 . D1 ."},
    {"1.2..3.4", "D1 . D1 . D1 . D1"},
    {"1.2.3.4567", "D1 . D1 . D1 . D4"},
    {"1234.1.2.3.4", "D4 . IPV4"},
    {"999.999.999.999", "IPV4"},
    {"1.2.3.x", "D1 . D1 . D1 . C1"},
};

Test(tokens, runs_and_words_as_the_table_says)
{
	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++)
		for (size_t step = 1; step <= 256; step += 85)
			cr_expect_str_eq(cut(bh_str_from(rows[i][0]), step), rows[i][1],
			    "§8.1 \"%s\" gives %s", rows[i][0], cut(bh_str_from(rows[i][0]), step));
}

Test(tokens, each_of_28_marks_is_a_class_of_its_own)
{
	cr_assert_eq(strlen(marks), 28);
	for (unsigned c = 0; c < 256; c++) {
		const char in[3] = {(char)c, (char)c, (char)c};
		const char *at = c ? strchr(marks, (int)c) : NULL;
		char want[8] = "C3";

		if (at)
			(void)snprintf(want, sizeof(want), "%c", (int)c);
		else if (c >= '0' && c <= '9')
			(void)snprintf(want, sizeof(want), "D3");
		else if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
			(void)snprintf(want, sizeof(want), "_s");
		cr_expect_str_eq(cut((struct bh_str){in, 3}, 256), want, "byte %02x", c);
	}
}

Test(tokens, every_zone_is_known)
{
	static const char *const zones[] = {"Z", "UTC", "GMT", "EST", "EDT", "CST", "CDT", "MST",
	    "MDT", "PST", "PDT", "JST", "KST", "IST", "MSK", "CET", "BST", "HST", "HDT", "NST",
	    "NDT", "CEST", "NZST", "NZDT", "ACST", "ACDT", "AEST", "AEDT", "AWST", "AWDT", "AKST",
	    "AKDT", "CHST", "CHDT"};

	for (size_t i = 0; i < BH_ARRAY_LEN(zones); i++) {
		char small[8] = {0};

		for (size_t k = 0; zones[i][k]; k++)
			small[k] = (char)tolower(zones[i][k]);
		cr_expect_str_eq(cut(bh_str_from(zones[i]), 1), "ZONE", "%s", zones[i]);
		cr_expect_str_eq(cut(bh_str_from(small), 1), "ZONE", "%s", small);
	}
}

Test(tokens, nothing_in_nothing_out)
{
	cr_expect_str_eq(cut((struct bh_str){NULL, 0}, 8), "");
	cr_expect_str_eq(cut((struct bh_str){"T\0T", 3}, 8), "C3", "NUL is a letter");
}
