/* spec/logs.md §6.3. */
#include <criterion/criterion.h>

#include "common/rng.h"
#include "common/utf8.h"
#include "logs-agent/encoding.h"

#define BAD "\xef\xbf\xbd"

struct row {
	enum bh_charset charset;
	const char *in;
	size_t n;
	const char *out;
};

#define LE(in, out) \
	{ \
		BH_CHARSET_UTF16_LE, in, sizeof(in) - 1, out \
	}
#define BE(in, out) \
	{ \
		BH_CHARSET_UTF16_BE, in, sizeof(in) - 1, out \
	}
#define SJIS(in, out) \
	{ \
		BH_CHARSET_SHIFT_JIS, in, sizeof(in) - 1, out \
	}
#define UTF8(in) \
	{ \
		BH_CHARSET_UTF8, in, sizeof(in) - 1, in \
	}

static void check_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct row *r = &rows[i];
		struct bh_decoder d;
		struct bh_str out;

		cr_assert_eq(bh_decoder_init(&d, r->charset), 0);
		cr_assert_eq(bh_decode(&d, (struct bh_str){r->in, r->n}, &out), 0);
		cr_expect(
		    bh_str_eq(out, bh_str_from(r->out)), "row %zu: %.*s", i, (int)out.n, out.p);
		bh_decoder_release(&d);
	}
}

Test(encoding, words)
{
	static const struct {
		const char *word;
		bool known;
		enum bh_charset charset;
		enum bh_unit unit;
	} rows[] = {
	    {"", true, BH_CHARSET_UTF8, BH_UNIT_BYTE},
	    {"utf-8", true, BH_CHARSET_UTF8, BH_UNIT_BYTE},
	    {"utf-16-le", true, BH_CHARSET_UTF16_LE, BH_UNIT_UTF16_LE},
	    {"utf-16-be", true, BH_CHARSET_UTF16_BE, BH_UNIT_UTF16_BE},
	    {"shift-jis", true, BH_CHARSET_SHIFT_JIS, BH_UNIT_BYTE},
	    {"latin-1", false, BH_CHARSET_UTF8, BH_UNIT_BYTE},
	    {"UTF-16-LE", false, BH_CHARSET_UTF8, BH_UNIT_BYTE},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++) {
		enum bh_charset c = BH_CHARSET_SHIFT_JIS;

		cr_expect_eq(bh_charset_parse(rows[i].word, &c), rows[i].known, "%s", rows[i].word);
		cr_expect_eq(c, rows[i].charset, "%s", rows[i].word);
		cr_expect_eq(bh_charset_unit(c), rows[i].unit, "%s", rows[i].word);
	}
}

Test(encoding, utf_8_passes_unchanged)
{
	static const struct row rows[] = {UTF8(""), UTF8("caf\xc3\xa9"),
	    UTF8("\xef\xbb\xbf"
		 "bom"),
	    UTF8("bad \xff\xc0 bytes")};

	check_rows(rows, BH_ARRAY_LEN(rows));
}

Test(encoding, utf_16)
{
	static const struct row rows[] = {
	    LE("", ""),
	    LE("a\0\xe9\0", "a\xc3\xa9"),
	    BE("\0a\0\xe9", "a\xc3\xa9"),
	    LE("\xac\x20", "\xe2\x82\xac"),
	    BE("\x20\xac", "\xe2\x82\xac"),
	    LE("\x3d\xd8\x00\xde", "\xf0\x9f\x98\x80"),
	    BE("\xd8\x3d\xde\x00", "\xf0\x9f\x98\x80"),
	    LE("\xff\xdb\xff\xdf", "\xf4\x8f\xbf\xbf"),
	};

	check_rows(rows, BH_ARRAY_LEN(rows));
}

Test(encoding, a_byte_order_mark_is_removed_and_decides)
{
	static const struct row rows[] = {
	    LE("\xff\xfe"
	       "a\0",
		"a"),
	    LE("\xfe\xff\0a", "a"), BE("\xfe\xff\0a", "a"),
	    BE("\xff\xfe"
	       "a\0",
		"a"),
	    LE("\xff\xfe", ""), LE("\xff\xfe\xff\xfe", "\xef\xbb\xbf"), /* one is removed */
	    LE("a\0\xff\xfe", "a\xef\xbb\xbf"),                         /* only at the start */
	};

	check_rows(rows, BH_ARRAY_LEN(rows));
}

Test(encoding, utf_16_that_is_broken)
{
	static const struct row rows[] = {
	    LE("a", BAD),
	    LE("a\0b", "a" BAD),
	    LE("\x3d\xd8", BAD),
	    LE("\x00\xde", BAD),
	    LE("\x3d\xd8"
	       "a\0",
		BAD "a"),
	    LE("\x3d\xd8\x3d\xd8\x00\xde", BAD "\xf0\x9f\x98\x80"),
	    LE("\x3d\xd8\x00", BAD BAD),
	    BE("\xde\x00\xd8\x3d", BAD BAD),
	};

	check_rows(rows, BH_ARRAY_LEN(rows));
}

Test(encoding, shift_jis)
{
	static const struct row rows[] = {
	    SJIS("", ""),
	    SJIS("plain \\ ~", "plain \\ ~"),
	    SJIS("\x93\xfa\x96\x7b", "\xe6\x97\xa5\xe6\x9c\xac"),
	    SJIS("\xb1\xdd", "\xef\xbd\xb1\xef\xbe\x9d"), /* half width */
	    SJIS("\x81\x60", "\xef\xbd\x9e"),             /* not U+301C: code page 932 */
	    SJIS("\x83\x5c"
		 "d",
		"\xe3\x82\xbd"
		"d"), /* a trail byte that is a backslash */
	    SJIS("\x80", "\xc2\x80"),
	    SJIS("a\xa0"
		 "b\xfd"
		 "c\xff",
		"a" BAD "b" BAD "c" BAD),
	    SJIS("\x93", BAD),        /* the line ends in a character */
	    SJIS("\x93\"", BAD "\""), /* no trail byte: the quote stays */
	    SJIS("\x93\x7f", BAD "\x7f"),
	    SJIS("\x81\xad"
		 "x",
		BAD "x"), /* a pair without a character */
	    SJIS("\x81\xff"
		 "x",
		BAD "x"),
	};

	check_rows(rows, BH_ARRAY_LEN(rows));
}

/* After the longest line nothing is allocated, and what comes out is UTF-8 for any bytes. */
Test(encoding, any_bytes_give_utf_8_in_the_same_memory)
{
	static const enum bh_charset charsets[] = {
	    BH_CHARSET_UTF16_LE, BH_CHARSET_UTF16_BE, BH_CHARSET_SHIFT_JIS};
	struct bh_rng rng;
	char in[300];

	bh_rng_seed(&rng, 4);
	for (size_t c = 0; c < BH_ARRAY_LEN(charsets); c++) {
		struct bh_decoder d;
		struct bh_str out;
		size_t cap = 0;

		cr_assert_eq(bh_decoder_init(&d, charsets[c]), 0);
		for (int round = 0; round < 2000; round++) {
			size_t n = round ? bh_rng_u64(&rng) % sizeof(in) : sizeof(in);

			for (size_t i = 0; i < n; i++)
				in[i] = (char)bh_rng_u64(&rng);
			cr_assert_eq(bh_decode(&d, (struct bh_str){in, n}, &out), 0);
			cr_assert_eq(bh_utf8_valid_prefix(out.p, out.n), out.n);
			cap = cap ? cap : d.out.cap;
			cr_assert_eq(d.out.cap, cap);
		}
		bh_decoder_release(&d);
	}
}
