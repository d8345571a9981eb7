#include <criterion/criterion.h>
#include <string.h>

#include "common/rng.h"
#include "logs-agent/framer.h"

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

static void run(size_t limit, const char *in, size_t n, size_t step, struct out *o)
{
	struct bh_framer f;

	*o = (struct out){BH_BUF_INIT, 0};
	bh_framer_init(&f, limit);
	for (size_t at = 0; at < n; at += step)
		cr_assert_eq(bh_framer_feed(&f, in + at, BH_MIN(step, n - at), collect, o), 0);
	cr_assert_eq(o->raw + f.rest.len, n, "raw lengths and the rest are all bytes");
	cr_assert_eq(bh_framer_end(&f, collect, o), 0);
	cr_assert_eq(o->raw, n);
	bh_framer_release(&f);
}

Test(framer, cuts_lines_as_the_table_says)
{
	static const char *const rows[][2] = {
	    {"a\nbc\n", "a|bc|"},
	    {"\n\n", "||"},
	    {"abcd\n", "abcd|"},
	    {"abcde\n", "abcd+|e|"},
	    {"abcdefgh\n", "abcd+|efgh|"},
	    {"abcdefghi", "abcd+|efgh+|i|"},
	    {"unfinished", "unfi+|nish+|ed|"},
	    {"a\r\n", "a\r|"},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++) {
		for (size_t step = 1; step <= 12; step++) {
			struct out o;

			run(4, rows[i][0], strlen(rows[i][0]), step, &o);
			cr_expect_str_eq(o.text.data, rows[i][1], "step %zu", step);
			bh_buf_release(&o.text);
		}
	}
}

Test(framer, frames_do_not_depend_on_how_reads_split_the_bytes)
{
	struct bh_rng rng;
	char in[4096];

	bh_rng_seed(&rng, 9);
	for (int round = 0; round < 50; round++) {
		struct out whole, split;

		for (size_t i = 0; i < sizeof(in); i++)
			in[i] = (char)(bh_rng_u64(&rng) % 20 == 0 ? '\n' : (char)bh_rng_u64(&rng));
		run(37, in, sizeof(in), sizeof(in), &whole);
		run(37, in, sizeof(in), 1 + bh_rng_u64(&rng) % 100, &split);
		cr_assert_eq(whole.text.len, split.text.len);
		cr_assert_eq(memcmp(whole.text.data, split.text.data, whole.text.len), 0);
		bh_buf_release(&whole.text);
		bh_buf_release(&split.text);
	}
}
