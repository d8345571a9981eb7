/* spec/logs.md §11.4: frames of a connection. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "common/rng.h"
#include "logs-agent/syslog_framer.h"

struct out {
	struct bh_buf text; /* frames joined by '|', cut ones marked '+' */
	size_t raw;
};

static int collect(void *ctx, const struct bh_frame *f)
{
	struct out *o = ctx;

	(void)bh_buf_append(&o->text, f->content.p, f->content.n);
	(void)bh_buf_str(&o->text, f->cut ? "+|" : "|");
	o->raw += f->raw;
	return 0;
}

static void run(
    size_t limit, const char *in, size_t n, size_t step, struct bh_rng *rng, struct out *o)
{
	struct bh_syslog_framer f;

	*o = (struct out){BH_BUF_INIT, 0};
	bh_syslog_framer_init(&f, limit);
	for (size_t at = 0, part; at < n; at += part) {
		part = rng ? 1 + bh_rng_u64(rng) % step : step;
		part = BH_MIN(part, n - at);
		cr_assert_eq(bh_syslog_framer_feed(&f, in + at, part, collect, o), 0);
		cr_assert_eq(o->raw + bh_syslog_framer_waiting(&f), at + part);
		cr_assert_leq(f.rest.len, f.limit);
	}
	cr_assert_eq(bh_syslog_framer_end(&f, collect, o), 0);
	cr_assert_eq(o->raw + bh_syslog_framer_waiting(&f), n);
	bh_syslog_framer_release(&f);
}

struct row {
	size_t limit;
	const char *in;
	size_t n;
	const char *out;
};

#define ROW(limit, in, out) \
	{ \
		limit, in, sizeof(in) - 1, out \
	}

static void check_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t step = 1; step <= 25; step++) {
			const char *text;
			struct out o;

			run(rows[i].limit, rows[i].in, rows[i].n, step, NULL, &o);
			text = o.text.data ? o.text.data : "";
			cr_expect_str_eq(
			    text, rows[i].out, "%s, step %zu: %s", rows[i].in, step, text);
			bh_buf_release(&o.text);
		}
	}
}

Test(syslog_framer, lines)
{
	static const struct row rows[] = {
	    ROW(100, "<3>a\n<4>b\n", "<3>a|<4>b|"),
	    ROW(100, "<3>a\0<4>b\0", "<3>a|<4>b|"),
	    ROW(100, "a\r\n\n\0b", "a\r|||b|"),
	    ROW(100, "", ""),
	    ROW(4, "abcd\n", "abcd|"),
	    ROW(4, "abcde\0x\n", "abcd+|e|x|"),
	    ROW(4, "abcdefgh", "abcd+|efgh|"),
	};

	check_rows(rows, BH_ARRAY_LEN(rows));
}

Test(syslog_framer, counted_frames)
{
	static const struct row rows[] = {
	    ROW(100, "5 abcde3 xyz", "abcde|xyz|"),
	    ROW(100,
		"5 ab\nde\n3 xyz\0"
		"<3>t\n",
		"ab\nde|xyz|<3>t|"),
	    ROW(100, "3 abc\n\n<3>t\n", "abc||<3>t|"), /* one is skipped */
	    ROW(100, "2 1 x\n", "1 |x|"),
	    ROW(100, "000 abc\n", "000 abc|"),
	    ROW(100, "10 abc", "abc|"), /* closed too early */
	    ROW(100, "10 ", ""),
	    ROW(100, "3 abc\n", "abc|"),
	    ROW(4, "4 abcd", "abcd|"),
	    ROW(4, "5 abcde\n", "abcd+|e|"),
	    ROW(4, "8 abcdefgh1 x", "abcd+|efgh|x|"),
	    ROW(4, "9 abc", "abc|"),
	};

	check_rows(rows, BH_ARRAY_LEN(rows));
}

Test(syslog_framer, a_count_that_is_none)
{
	static const struct row rows[] = {
	    ROW(100, "12:30 text\nx\n", "12:30 text|x|"),
	    ROW(100, "7\nx\n", "7|x|"),
	    ROW(100, "7\0x\n", "7|x|"),
	    ROW(100, "12", "12|"),
	    ROW(100, "123456789 abc", "abc|"),
	    ROW(100, "1234567890 abc\n", "1234567890 abc|"),
	    ROW(4, "1234567890 abc\n", "1234+|5678+|90 a+|bc|"),
	    ROW(4, "12345", "1234+|5|"),
	    ROW(4, "1234\n", "1234|"),
	};

	check_rows(rows, BH_ARRAY_LEN(rows));
}

Test(syslog_framer, frames_do_not_depend_on_how_reads_split_the_bytes)
{
	struct bh_rng rng;
	char in[4096];

	bh_rng_seed(&rng, 11);
	for (int round = 0; round < 200; round++) {
		struct out whole, split;

		for (size_t i = 0; i < sizeof(in); i++)
			in[i] = "0123456789  \n\0<ab"[bh_rng_u64(&rng) % 17];
		run(17, in, sizeof(in), sizeof(in), NULL, &whole);
		run(17, in, sizeof(in), 1 + bh_rng_u64(&rng) % 100, &rng, &split);
		cr_assert_eq(whole.text.len, split.text.len);
		cr_assert_eq(memcmp(whole.text.data, split.text.data, whole.text.len), 0);
		bh_buf_release(&whole.text);
		bh_buf_release(&split.text);
	}
}

static int refuse(void *ctx, const struct bh_frame *f)
{
	(void)f;
	return --*(int *)ctx < 0 ? -EIO : 0;
}

Test(syslog_framer, an_error_of_the_callback_stops_the_feed)
{
	struct bh_syslog_framer f;
	int good = 1;

	bh_syslog_framer_init(&f, 100);
	cr_expect_eq(bh_syslog_framer_feed(&f, "a\nb\nc\n", 6, refuse, &good), -EIO);
	cr_expect_eq(good, -1);
	bh_syslog_framer_release(&f);
}
