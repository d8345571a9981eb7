#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "common/rng.h"
#include "logs-agent/framer.h"

struct out {
	enum bh_unit unit;
	struct bh_buf text;  /* frames joined by '|', cut ones marked '+' */
	struct bh_buf bytes; /* contents and terminators: the input again */
};

static int collect(void *ctx, const struct bh_frame *f)
{
	struct out *o = ctx;
	struct bh_str end = bh_frame_terminator(o->unit, f);

	(void)bh_buf_append(&o->text, f->content.p, f->content.n);
	(void)bh_buf_str(&o->text, f->cut ? "+|" : "|");
	(void)bh_buf_append(&o->bytes, f->content.p, f->content.n);
	(void)bh_buf_append(&o->bytes, end.p, end.n);
	return 0;
}

static void release(struct out *o)
{
	bh_buf_release(&o->text);
	bh_buf_release(&o->bytes);
}

/* Reads of 1 to step bytes, or of step bytes each when rng is NULL. */
static void run(enum bh_unit unit, size_t limit, const char *in, size_t n, size_t step,
    struct bh_rng *rng, struct out *o)
{
	struct bh_framer f;

	*o = (struct out){unit, BH_BUF_INIT, BH_BUF_INIT};
	bh_framer_init(&f, unit, limit);
	for (size_t at = 0, part; at < n; at += part) {
		part = rng ? 1 + bh_rng_u64(rng) % step : step;
		part = BH_MIN(part, n - at);
		cr_assert_eq(bh_framer_feed(&f, in + at, part, collect, o), 0);
		cr_assert_eq(o->bytes.len + f.rest.len, at + part, "frames and the rest are all");
		cr_assert_leq(f.rest.len, f.limit + (unit != BH_UNIT_BYTE), "memory is bounded");
	}
	cr_assert_eq(bh_framer_end(&f, collect, o), 0);
	cr_assert_eq(o->bytes.len, n);
	cr_assert(n == 0 || memcmp(o->bytes.data, in, n) == 0, "the terminators are as they were");
	bh_framer_release(&f);
}

struct row {
	const char *in;
	size_t n;
	const char *out;
	size_t out_n;
};

#define ROW(in, out) \
	{ \
		in, sizeof(in) - 1, out, sizeof(out) - 1 \
	}

static void check_rows(enum bh_unit unit, size_t limit, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t step = 1; step <= 12; step++) {
			struct out o;

			run(unit, limit, rows[i].in, rows[i].n, step, NULL, &o);
			cr_expect_eq(o.text.len, rows[i].out_n, "row %zu step %zu", i, step);
			cr_expect(o.text.len == rows[i].out_n &&
				      memcmp(o.text.data, rows[i].out, rows[i].out_n) == 0,
			    "row %zu step %zu", i, step);
			release(&o);
		}
	}
}

Test(framer, cuts_lines_as_the_table_says)
{
	static const struct row rows[] = {
	    ROW("a\nbc\n", "a|bc|"),
	    ROW("\n\n", "||"),
	    ROW("abcd\n", "abcd|"),
	    ROW("abcde\n", "abcd+|e|"),
	    ROW("abcdefgh\n", "abcd+|efgh|"),
	    ROW("abcdefghi", "abcd+|efgh+|i|"),
	    ROW("unfinished", "unfi+|nish+|ed|"),
	    ROW("a\r\n", "a\r|"),
	    ROW("a\rb\n", "a\rb|"),
	    ROW("a\0b\n", "a\0b|"),
	};

	check_rows(BH_UNIT_BYTE, 4, rows, BH_ARRAY_LEN(rows));
}

Test(framer, utf_16_le_lines_end_at_an_aligned_unit)
{
	static const struct row rows[] = {
	    ROW("a\0\n\0b\0\n\0", "a\0|b\0|"),
	    ROW("\n\0\n\0", "||"),
	    ROW("\0\n\0b\n\0", "\0\n\0b|"), /* U+0A00, U+6200 */
	    ROW("\n\n\n\0", "\n\n|"),       /* U+0A0A */
	    ROW("a\0b\0\n\0", "a\0b\0|"),
	    ROW("a\0b\0c\0\n\0", "a\0b\0+|c\0|"),
	    ROW("a\0b\0c\0d\0\n\0", "a\0b\0+|c\0d\0|"),
	    ROW("a\0b\0c", "a\0b\0+|c|"), /* half a unit at the end */
	    ROW("a\0b", "a\0b|"),
	    ROW("a\0b\0", "a\0b\0|"),
	    ROW("a\0b\0\n\0c\0\n\0", "a\0b\0|c\0|"),
	};

	check_rows(BH_UNIT_UTF16_LE, 4, rows, BH_ARRAY_LEN(rows));
	check_rows(BH_UNIT_UTF16_LE, 5, rows, BH_ARRAY_LEN(rows)); /* rounded down */
}

Test(framer, utf_16_be_lines_end_at_an_aligned_unit)
{
	static const struct row rows[] = {
	    ROW("\0a\0\n\0b\0\n", "\0a|\0b|"),
	    ROW("\0\n\0\n", "||"),
	    ROW("a\0\nb\0\n", "a\0\nb|"),
	    ROW("\0a\0b\0c\0\n", "\0a\0b+|\0c|"),
	    ROW("\0a\0b\0", "\0a\0b+|\0|"),
	};

	check_rows(BH_UNIT_UTF16_BE, 4, rows, BH_ARRAY_LEN(rows));
}

Test(framer, a_limit_below_one_unit_is_one_unit)
{
	static const struct row bytes[] = {ROW("ab\n", "a+|b|")};
	static const struct row pairs[] = {ROW("a\0b\0\n\0", "a\0+|b\0|")};

	check_rows(BH_UNIT_BYTE, 0, bytes, 1);
	check_rows(BH_UNIT_UTF16_LE, 0, pairs, 1);
	check_rows(BH_UNIT_UTF16_LE, 1, pairs, 1);
	check_rows(BH_UNIT_UTF16_LE, 3, pairs, 1);
}

Test(framer, frames_do_not_depend_on_how_reads_split_the_bytes)
{
	struct bh_rng rng;
	char in[4096];

	bh_rng_seed(&rng, 9);
	for (int round = 0; round < 300; round++) {
		enum bh_unit unit = (enum bh_unit)(round % 3);
		struct out whole, split;

		for (size_t i = 0; i < sizeof(in); i++) {
			uint64_t r = bh_rng_u64(&rng);

			in[i] = (char)(r % 6 == 0 ? '\n' : r % 6 < 3 ? '\0' : (char)(r >> 8));
		}
		run(unit, 17, in, sizeof(in), sizeof(in), NULL, &whole);
		run(unit, 17, in, sizeof(in), 1 + bh_rng_u64(&rng) % 100, &rng, &split);
		cr_assert_eq(whole.text.len, split.text.len);
		cr_assert_eq(memcmp(whole.text.data, split.text.data, whole.text.len), 0);
		release(&whole);
		release(&split);
	}
}

Test(framer, memory_of_a_long_line_goes_back)
{
	struct out o = {BH_UNIT_BYTE, BH_BUF_INIT, BH_BUF_INIT};
	struct bh_framer f;
	char part[1000];

	memset(part, 'x', sizeof(part));
	bh_framer_init(&f, BH_UNIT_BYTE, 900000);
	for (int i = 0; i < 500; i++)
		cr_assert_eq(bh_framer_feed(&f, part, sizeof(part), collect, &o), 0);
	cr_expect_geq(f.rest.cap, 500000u);
	cr_assert_eq(bh_framer_feed(&f, "\nabc", 4, collect, &o), 0);
	cr_expect_lt(f.rest.cap, 16384u);
	cr_expect_eq(f.rest.len, 3u);
	bh_framer_release(&f);
	release(&o);
}

static int refuse(void *ctx, const struct bh_frame *f)
{
	(void)f;
	return --*(int *)ctx < 0 ? -EIO : 0;
}

Test(framer, an_error_of_the_callback_stops_the_feed)
{
	struct bh_framer f;
	int good = 1;

	bh_framer_init(&f, BH_UNIT_BYTE, 100);
	cr_expect_eq(bh_framer_feed(&f, "a\nb\nc\n", 6, refuse, &good), -EIO);
	cr_expect_eq(good, -1);
	bh_framer_release(&f);
}
