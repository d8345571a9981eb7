/* spec/logs.md §13.1. */
#include <criterion/criterion.h>

#include "logs-agent/docker.h"
#include "logs-agent/json_scan.h"

#define BAD "\xef\xbf\xbd"

struct row {
	const char *in, *content;
	enum bh_std_stream stream;
	bool partial;
};

static void check_rows(const struct row *rows, size_t n)
{
	struct bh_buf text = BH_BUF_INIT;

	for (size_t i = 0; i < n; i++) {
		const struct row *r = &rows[i];
		struct bh_piece p;

		cr_assert_eq(bh_docker_parse(&text, bh_str_from(r->in), &p), 0);
		cr_expect(bh_str_eq(p.content, bh_str_from(r->content)), "%s gives %.*s", r->in,
		    (int)p.content.n, p.content.p);
		cr_expect_eq(p.stream, r->stream, "%s", r->in);
		cr_expect_eq(p.status,
		    r->stream == BH_STREAM_STDERR ? BH_STATUS_ERROR : BH_STATUS_INFO, "%s", r->in);
		cr_expect_eq(p.partial, r->partial, "%s", r->in);
	}
	bh_buf_release(&text);
}

Test(docker, lines)
{
	static const struct row rows[] = {
	    {"{\"log\":\"text\\n\",\"stream\":\"stdout\",\"time\":\"2024-01-02T03:04:05.1Z\"}",
		"text", BH_STREAM_STDOUT, false},
	    {"{\"log\":\"oops\\n\",\"stream\":\"stderr\"}", "oops", BH_STREAM_STDERR, false},
	    {"{\"log\":\"half\",\"stream\":\"stdout\"}", "half", BH_STREAM_STDOUT, true},
	    {"{\"log\":\"\",\"stream\":\"stdout\"}", "", BH_STREAM_STDOUT, false},
	    {"{\"log\":\"\\n\",\"stream\":\"stdout\"}", "", BH_STREAM_STDOUT, false},
	    {"{\"log\":\"a\\n\\n\",\"stream\":\"stdout\"}", "a\n", BH_STREAM_STDOUT, false},
	    {"{\"stream\":\"stdout\"}", "", BH_STREAM_STDOUT, false},
	    {"{}", "", BH_STREAM_OTHER, false},
	    {"{\"log\":\"x\\n\",\"stream\":\"tty\"}", "x", BH_STREAM_OTHER, false},
	    {" {\t\"log\" : \"x\\n\" , \"stream\" : \"stderr\" } \r", "x", BH_STREAM_STDERR, false},
	    {"{\"log\":\"x\\n\",\"attrs\":{\"a\":[1,-2.5e+3,{}],\"b\":null},\"n\":[],\"t\":true}",
		"x", BH_STREAM_OTHER, false},
	};

	check_rows(rows, BH_ARRAY_LEN(rows));
}

Test(docker, keys_without_case_and_the_last_counts)
{
	static const struct row rows[] = {
	    {"{\"LOG\":\"a\\n\",\"Stream\":\"stderr\"}", "a", BH_STREAM_STDERR, false},
	    {"{\"log\":\"a\\n\",\"Log\":\"b\\n\"}", "b", BH_STREAM_OTHER, false},
	    {"{\"l\\u006fg\":\"a\\n\"}", "a", BH_STREAM_OTHER, false},
	    {"{\"log\":\"a\\n\",\"log\":null}", "a", BH_STREAM_OTHER, false},
	    {"{\"log\":\"a\\n\",\"logs\":\"b\\n\",\"lo\":1}", "a", BH_STREAM_OTHER, false},
	};

	check_rows(rows, BH_ARRAY_LEN(rows));
}

Test(docker, escapes)
{
	static const struct row rows[] = {
	    {"{\"log\":\"\\\"\\\\\\/\\b\\f\\r\\t\\n\"}", "\"\\/\b\f\r\t", BH_STREAM_OTHER, false},
	    {"{\"log\":\"caf\\u00e9 \\u20AC\\n\"}", "caf\xc3\xa9 \xe2\x82\xac", BH_STREAM_OTHER,
		false},
	    {"{\"log\":\"\\ud83d\\ude00\\n\"}", "\xf0\x9f\x98\x80", BH_STREAM_OTHER, false},
	    {"{\"log\":\"\\ud83d\\n\"}", BAD, BH_STREAM_OTHER, false},
	    {"{\"log\":\"\\ude00x\\n\"}", BAD "x", BH_STREAM_OTHER, false},
	    {"{\"log\":\"\\ud83d\\ud83d\\ude00\\n\"}", BAD "\xf0\x9f\x98\x80", BH_STREAM_OTHER,
		false},
	    {"{\"log\":\"\\ud83d\\u0041\\n\"}", BAD "A", BH_STREAM_OTHER, false},
	    {"{\"log\":\"raw \xff byte\\n\"}", "raw \xff byte", BH_STREAM_OTHER, false},
	    {"{\"log\":\"a\\u000a\"}", "a", BH_STREAM_OTHER, false},
	    {"{\"log\":\"a\\\\n\"}", "a\\n", BH_STREAM_OTHER, true}, /* a backslash, an n */
	    {"{\"log\":\"\\n\",\"stream\":\"std\\u0065rr\"}", "", BH_STREAM_STDERR, false},
	};

	check_rows(rows, BH_ARRAY_LEN(rows));
}

Test(docker, nul_is_an_ordinary_character)
{
	struct bh_buf text = BH_BUF_INIT;
	struct bh_piece p;

	cr_assert_eq(bh_docker_parse(&text, bh_str_from("{\"log\":\"a\\u0000b\\n\"}"), &p), 0);
	cr_expect(bh_str_eq(p.content, BH_STR_LIT("a\0b")));
	bh_buf_release(&text);
}

Test(docker, what_is_no_object_of_texts_passes_raw)
{
	static const char *const lines[] = {"", " ", "plain text", "null", "[]", "\"log\"", "17",
	    "{", "{\"log\":\"a", "{\"log\":\"a\"", "{\"log\":\"a\"}}", "{\"log\":\"a\"} x",
	    "{\"log\":\"a\",}", "{\"log\" \"a\"}", "{log:\"a\"}", "{\"log\":1}", "{\"log\":{}}",
	    "{\"log\":\"a\",\"stream\":1}", "{\"log\":\"a\",\"time\":false}", "{\"log\":nul}",
	    "{\"log\":\"\\x\"}", "{\"log\":\"\\u12g4\"}", "{\"log\":\"\\u12\"}", "{\"log\":\"\\",
	    "{\"log\":\"tab\there\"}", "{\"a\":01}", "{\"a\":1.}", "{\"a\":.5}", "{\"a\":1e}",
	    "{\"a\":+1}", "{\"a\":-}", "{\"a\":tru}", "{\"a\":[1,]}", "{\"a\":[,1]}", "{\"a\":[1}}",
	    "{\"a\":{\"b\"}}", "{\"a\":{\"b\":1]}", "{\"a\":{\"b\":1,}}", "{,}", "{\"a\":}",
	    "{\"a\":[}"};

	for (size_t i = 0; i < BH_ARRAY_LEN(lines); i++) {
		const struct row row = {lines[i], lines[i], BH_STREAM_OTHER, false};

		check_rows(&row, 1);
	}
}

Test(docker, nesting_is_bounded)
{
	for (size_t depth = 1; depth < 100; depth++) {
		struct bh_buf line = BH_BUF_INIT, text = BH_BUF_INIT;
		struct bh_piece p;

		(void)bh_buf_str(&line, "{\"log\":\"x\\n\",\"a\":");
		for (size_t i = 0; i < depth; i++)
			(void)bh_buf_str(&line, i % 2 ? "[" : "{\"k\":");
		(void)bh_buf_str(&line, "1");
		for (size_t i = depth; i-- > 0;)
			(void)bh_buf_str(&line, i % 2 ? "]" : "}");
		(void)bh_buf_str(&line, "}");
		cr_assert_eq(bh_docker_parse(&text, bh_buf_view(&line), &p), 0);
		cr_expect_eq(p.content.n, depth < BH_JSCAN_DEPTH ? 1 : line.len, "%zu", depth);
		bh_buf_release(&line);
		bh_buf_release(&text);
	}
}

/* The usual line is not copied, and no line needs memory once the longest was seen. */
Test(docker, content_is_borrowed_where_it_can_be)
{
	struct bh_str usual = BH_STR_LIT("{\"log\":\"plain\\n\",\"stream\":\"stdout\"}");
	struct bh_buf text = BH_BUF_INIT;
	struct bh_piece p;

	cr_assert_eq(bh_docker_parse(&text, usual, &p), 0);
	cr_expect(p.content.p == usual.p + 8);
	cr_expect_eq(text.cap, 0u);
	bh_buf_release(&text);
}
