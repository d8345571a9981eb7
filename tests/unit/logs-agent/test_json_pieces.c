/* spec/logs.md §8.4: what is an object, what can become one, what cannot. */
#include <criterion/criterion.h>

#include <string.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "logs-agent/json_pieces.h"

static enum bh_json_verdict scan(struct bh_str in, size_t step)
{
	enum bh_json_verdict v = BH_JSON_INCOMPLETE;
	struct bh_json_pieces s;

	bh_json_pieces_init(&s);
	for (size_t at = 0; at < in.n; at += step)
		v = bh_json_pieces_feed(&s, (struct bh_str){in.p + at, BH_MIN(step, in.n - at)});
	return v;
}

#define Y BH_JSON_COMPLETE
#define M BH_JSON_INCOMPLETE
#define N BH_JSON_INVALID

static const struct {
	const char *in;
	enum bh_json_verdict want;
} rows[] = {
    {"{}", Y},
    {" \t\r\n{ } \n", Y},
    {"{\"a\":1}", Y},
    {"{\"a\":{\"b\":[1,[],{}]},\"c\":null}", Y},
    {"{\"a\":[true,false,null,\"x\"]}", Y},
    {"{\"\":\"\"}", Y},
    {"{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00eF\"}", Y},
    {"{\"a\":\"\xff\xc3\x28\"}", Y},
    {"{\"a\":\"\x7f\"}", Y},
    {"{\"a\":0}", Y},
    {"{\"a\":-0}", Y},
    {"{\"a\":-0.0e-00}", Y},
    {"{\"a\":120.50E+07 }", Y},
    {"{\"a\":1e9}", Y},
    {"{\"a\":[1 ,2 ]}", Y},
    {"", M},
    {"  ", M},
    {"{", M},
    {"{\"a", M},
    {"{\"a\"", M},
    {"{\"a\":", M},
    {"{\"a\":1", M},
    {"{\"a\":1,", M},
    {"{\"a\":[", M},
    {"{\"a\":tru", M},
    {"{\"a\":-", M},
    {"{\"a\":1.", M},
    {"{\"a\":1e", M},
    {"{\"a\":1e+", M},
    {"{\"a\":\"\\", M},
    {"{\"a\":\"\\u12", M},
    {"[", N},
    {"[]", N},
    {"1", N},
    {"\"a\"", N},
    {"null", N},
    {"x", N},
    {"}", N},
    {"{}}", N},
    {"{}x", N},
    {"{} {", N},
    {"{,", N},
    {"{\"a\",", N},
    {"{\"a\":}", N},
    {"{\"a\":1,}", N},
    {"{\"a\":1]", N},
    {"{\"a\":[1}", N},
    {"{\"a\":[1,]", N},
    {"{\"a\":[,", N},
    {"{\"a\" 1", N},
    {"{\"a\"::", N},
    {"{\"a\":1 2", N},
    {"{\"a\":01", N},
    {"{\"a\":+1", N},
    {"{\"a\":.5", N},
    {"{\"a\":1.e", N},
    {"{\"a\":1.}", N},
    {"{\"a\":-}", N},
    {"{\"a\":1e}", N},
    {"{\"a\":1e+}", N},
    {"{\"a\":1e5e", N},
    {"{\"a\":1e5.", N},
    {"{\"a\":1.5.", N},
    {"{\"a\":truE", N},
    {"{\"a\":nulll", N},
    {"{\"a\":\"\n", N},
    {"{\"a\":\"\\x", N},
    {"{\"a\":\"\\u12g", N},
    {"{a:", N},
    {"{'a'", N},
    {"{1:", N},
    {"{\"a\":1,\"b\"}", N},
    {"{\"a\":\v1", N},
    {"\xef\xbb\xbf{", N},
};

Test(json_pieces, verdicts_do_not_depend_on_how_the_text_is_split)
{
	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++)
		for (size_t step = 1; step < 40; step++)
			cr_expect_eq(scan(bh_str_from(rows[i].in), step), rows[i].want,
			    "§8.4 %s in steps of %zu", rows[i].in, step);
}

Test(json_pieces, nul_is_never_json)
{
	cr_expect_eq(scan((struct bh_str){"{\0}", 3}, 3), N);
	cr_expect_eq(scan((struct bh_str){"{\"\0", 3}, 3), N);
	cr_expect_eq(scan((struct bh_str){"{\"\\\0", 4}, 4), N);
}

/* { "a": [[[ … ]]] } with n levels in all. */
static struct bh_buf nested(unsigned n)
{
	struct bh_buf b = BH_BUF_INIT;

	(void)bh_buf_str(&b, "{\"a\":");
	for (unsigned i = 1; i < n; i++)
		(void)bh_buf_str(&b, i % 3 ? "[" : "{\"b\":");
	(void)bh_buf_str(&b, "1");
	for (unsigned i = n - 1; i > 0; i--)
		(void)bh_buf_str(&b, i % 3 ? "]" : "}");
	(void)bh_buf_str(&b, "}");
	return b;
}

Test(json_pieces, depth_is_bounded)
{
	struct bh_buf fits = nested(BH_JSON_DEPTH), deeper = nested(BH_JSON_DEPTH + 1);

	cr_expect_eq(scan(bh_buf_view(&fits), 7), Y);
	cr_expect_eq(scan(bh_buf_view(&deeper), 7), N);
	bh_buf_release(&fits);
	bh_buf_release(&deeper);
}

Test(json_pieces, compacts_outside_strings_only)
{
	static const char *const texts[][2] = {
	    {"{ }", "{}"},
	    {" {\t\"a b\" :\r\n [ 1 , 2 ] } ", "{\"a b\":[1,2]}"},
	    {"{\"a\":\" \\\" \\\\\" , \"b\\\\\" : 1}", "{\"a\":\" \\\" \\\\\",\"b\\\\\":1}"},
	    {"{\"b\":1, \"a\":1.50e+1, \"b\":\"\\u0041 \xff\"}",
		"{\"b\":1,\"a\":1.50e+1,\"b\":\"\\u0041 \xff\"}"},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(texts); i++) {
		char text[128];
		size_t n = strlen(texts[i][0]);

		memcpy(text, texts[i][0], n);
		cr_expect_eq(scan(bh_str_from(texts[i][0]), 128), Y);
		n = bh_json_compact(text, n);
		text[n] = '\0';
		cr_expect_str_eq(text, texts[i][1], "§8.4 gives %s", text);
	}
}
