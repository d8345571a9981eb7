/* spec/logs.md §6.4 and §13.4. */
#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>

#include "common/rng.h"
#include "logs-agent/joiner.h"

struct out {
	struct bh_buf text; /* content:raw, a status' first letter, '+' when cut, joined by '|' */
	uint64_t raw;
};

static int collect(void *ctx, const struct bh_line *line)
{
	struct out *o = ctx;

	(void)bh_buf_append(&o->text, line->content.p, line->content.n);
	(void)bh_buf_printf(&o->text, ":%" PRIu64 "%c%s|", line->raw,
	    bh_log_status_name(line->status)[0], line->cut ? "+" : "");
	o->raw += line->raw;
	return 0;
}

/* A script: one letter a piece, its raw length 10. o e x: partial of stdout, stderr, other; O E X:
 * complete ones; C: complete and cut by the framer; f: flush. The content is the letter and what
 * follows it up to a blank. */
static void play(struct bh_joiner *j, const char *script, struct out *o)
{
	for (const char *p = script; *p; p++) {
		size_t n = strcspn(p, " ");
		char c = *p;
		enum bh_std_stream stream = strchr("oOC", c)  ? BH_STREAM_STDOUT
					    : strchr("eE", c) ? BH_STREAM_STDERR
							      : BH_STREAM_OTHER;
		const struct bh_piece piece = {
		    {p, n}, stream, bh_stream_status(stream), strchr("oex", c) != NULL};

		if (c == 'f')
			cr_assert_eq(bh_joiner_flush(j, collect, o), 0);
		else
			cr_assert_eq(bh_joiner_put(j, &piece, 10, c == 'C', collect, o), 0);
		cr_assert_eq(o->raw + bh_joiner_held(j), j->taken, "%s", script);
		p += n;
		if (!*p)
			break;
	}
}

static void check(const char *script, const char *expected)
{
	struct out o = {BH_BUF_INIT, 0};
	struct bh_joiner j;

	bh_joiner_init(&j, 8);
	play(&j, script, &o);
	cr_expect_str_eq(o.text.data ? o.text.data : "", expected, "%s gives %s", script,
	    o.text.data ? o.text.data : "");
	bh_joiner_release(&j);
	bh_buf_release(&o.text);
}

Test(joiner, joins_what_is_partial)
{
	check("O", "O:10i|");
	check("E", "E:10e|");
	check("o", "");
	check("o O", "oO:20i|");
	check("o o1 o2 O O", "oo1o2O:40i|O:10i|");
	check("o f O", "o:10i|O:10i|");
	check("f", "");
	check("X", "X:10i|");
}

Test(joiner, streams_do_not_mix)
{
	check("o E1 O", "E1:0e|oO:30i|");
	check("E1 o O", "E1:10e|oO:20i|");
	check("o e O E", "oO:10i|eE:30e|");
	check("e o O E", "oO:0i|eE:40e|");
	check("x O X", "O:0i|xX:30i|");
}

Test(joiner, the_offset_never_passes_the_oldest_piece_that_waits)
{
	check("e O1 O2 O3 E O4", "O1:0i|O2:0i|O3:0i|eE:50e|O4:10i|");
	check("O1 e O2 o E O", "O1:10i|O2:0i|eE:20e|oO:30i|");
}

Test(joiner, flush_takes_the_oldest_first)
{
	check("e o f O", "e:10e|o:10i|O:10i|");
	check("o e f", "o:10i|e:10e|");
	check("x o e f f", "x:10i|o:10i|e:10e|");
}

/* The limit is 8. */
Test(joiner, what_reaches_the_limit_goes_out)
{
	check("o234567 O", "o234567O:20i|");                  /* complete at the limit */
	check("o234567 o O", "o234567o:20i+|O:10i|");         /* partial at the limit */
	check("o2345678 O", "o2345678:10i+|O:10i|");          /* one piece */
	check("o234 o2345678 O", "o234o2345678:20i+|O:10i|"); /* the whole buffer */
	check("O23456789", "O23456789:10i|");
	check("e o2345678 E", "o2345678:0i+|eE:30e|");
}

Test(joiner, a_piece_that_the_framer_cut_goes_out_cut)
{
	check("C O", "C:10i+|O:10i|");
	check("o C O", "oC:20i+|O:10i|");
}

Test(joiner, empty_lines_pass_with_their_raw_length)
{
	const struct bh_piece full = {{NULL, 0}, BH_STREAM_STDOUT, BH_STATUS_INFO, false};
	const struct bh_piece part = {{NULL, 0}, BH_STREAM_STDERR, BH_STATUS_ERROR, true};
	struct out o = {BH_BUF_INIT, 0};
	struct bh_joiner j;

	bh_joiner_init(&j, 8);
	cr_assert_eq(bh_joiner_put(&j, &full, 7, false, collect, &o), 0);
	cr_assert_eq(bh_joiner_put(&j, &part, 5, false, collect, &o), 0);
	cr_expect(bh_joiner_waits(&j), "an empty piece waits, too");
	cr_assert_eq(bh_joiner_flush(&j, collect, &o), 0);
	cr_expect(!bh_joiner_waits(&j));
	cr_expect_str_eq(o.text.data, ":7i|:5e|");
	bh_joiner_release(&j);
	bh_buf_release(&o.text);
}

Test(joiner, the_status_is_that_of_the_last_piece)
{
	struct bh_piece piece = {BH_STR_LIT("a"), BH_STREAM_OTHER, BH_STATUS_INFO, true};
	struct out o = {BH_BUF_INIT, 0};
	struct bh_joiner j;

	bh_joiner_init(&j, 8);
	cr_assert_eq(bh_joiner_put(&j, &piece, 1, false, collect, &o), 0);
	piece.status = BH_STATUS_WARN;
	cr_assert_eq(bh_joiner_put(&j, &piece, 1, false, collect, &o), 0);
	cr_assert_eq(bh_joiner_flush(&j, collect, &o), 0);
	cr_expect_str_eq(o.text.data, "aa:2w|");
	bh_joiner_release(&j);
	bh_buf_release(&o.text);
}

/* Whatever comes: nothing is lost, nothing is told before its time, memory is bounded. */
Test(joiner, sums_hold_for_any_pieces)
{
	struct bh_rng rng;

	bh_rng_seed(&rng, 3);
	for (int round = 0; round < 200; round++) {
		struct out o = {BH_BUF_INIT, 0};
		struct bh_joiner j;

		bh_joiner_init(&j, 1 + bh_rng_u64(&rng) % 20);
		for (int i = 0; i < 100; i++) {
			uint64_t r = bh_rng_u64(&rng);
			const struct bh_piece piece = {{"abcdefgh", r % 9},
			    (enum bh_std_stream)(r >> 8 & 0xFF) % BH_STREAM__N, BH_STATUS_INFO,
			    (r & 1 << 16) != 0};
			uint64_t raw = r >> 24 & 0xF;

			cr_assert_eq(
			    bh_joiner_put(&j, &piece, raw, (r >> 32) % 20 == 0, collect, &o), 0);
			for (int s = 0; s < BH_STREAM__N; s++) {
				cr_assert(!j.streams[s].open || j.streams[s].start >= o.raw);
				cr_assert_lt(j.streams[s].text.len, j.limit + 8);
			}
			cr_assert_eq(o.raw + bh_joiner_held(&j), j.taken);
		}
		cr_assert_eq(bh_joiner_flush(&j, collect, &o), 0);
		cr_assert_eq(bh_joiner_held(&j), 0);
		bh_joiner_release(&j);
		bh_buf_release(&o.text);
	}
}

static int refuse(void *ctx, const struct bh_line *line)
{
	(void)ctx;
	(void)line;
	return -EIO;
}

Test(joiner, an_error_of_the_callback_is_carried_up)
{
	const struct bh_piece piece = {BH_STR_LIT("a"), BH_STREAM_STDOUT, BH_STATUS_INFO, true};
	struct bh_joiner j;

	bh_joiner_init(&j, 8);
	cr_assert_eq(bh_joiner_put(&j, &piece, 1, false, refuse, NULL), 0);
	cr_expect_eq(bh_joiner_flush(&j, refuse, NULL), -EIO);
	bh_joiner_release(&j);
}
