#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "tests/intake/decode_body.h"

#define TEXT "the quick brown fox, the quick brown fox, the quick brown fox"

static void put_zstd(struct bh_buf *b, const char *text, size_t n)
{
	size_t bound = ZSTD_compressBound(n);

	cr_assert_eq(bh_buf_reserve(b, bound), 0);
	b->len += ZSTD_compress(b->data + b->len, bound, text, n, 1);
}

/* window_bits: 15 = zlib, 31 = gzip, -15 = raw deflate */
static void put_deflate(struct bh_buf *b, const char *text, size_t n, int window_bits)
{
	z_stream z = {0};
	size_t bound = n + 1024;

	cr_assert_eq(bh_buf_reserve(b, bound), 0);
	cr_assert_eq(deflateInit2(&z, 6, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (z_const unsigned char *)(uintptr_t)text;
	z.avail_in = (unsigned)n;
	z.next_out = (unsigned char *)b->data + b->len;
	z.avail_out = (unsigned)bound;
	cr_assert_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
	b->len += z.total_out;
	deflateEnd(&z);
}

static int decode(
    enum bh_encoding encoding, const struct bh_buf *in, size_t max, struct bh_buf *out)
{
	struct bh_err err = BH_ERR_INIT;
	int rc = bh_body_decode(encoding, bh_buf_view(in), max, out, &err);

	cr_expect_eq(rc == 0, err.text[0] == '\0', "an error has a text: %d \"%s\"", rc, err.text);
	return rc;
}

static void expect_text(enum bh_encoding encoding, struct bh_buf *in, const char *want)
{
	struct bh_buf out = BH_BUF_INIT;

	cr_assert_eq(decode(encoding, in, 1 << 20, &out), 0);
	cr_assert_eq(out.len, strlen(want));
	cr_expect_eq(memcmp(out.data, want, out.len), 0);
	bh_buf_release(&out);
	bh_buf_release(in);
}

Test(decode_body, names_of_encodings_are_known_in_any_case)
{
	static const struct {
		const char *word;
		int rc;
		enum bh_encoding encoding;
	} cases[] = {
	    {NULL, 0, BH_ENCODING_IDENTITY},
	    {"", 0, BH_ENCODING_IDENTITY},
	    {"identity", 0, BH_ENCODING_IDENTITY},
	    {"zstd", 0, BH_ENCODING_ZSTD},
	    {"ZSTD", 0, BH_ENCODING_ZSTD},
	    {"gzip", 0, BH_ENCODING_GZIP},
	    {"deflate", 0, BH_ENCODING_DEFLATE},
	    {"br", BH_E_FORMAT, BH_ENCODING_IDENTITY},
	    {"zstd, gzip", BH_E_FORMAT, BH_ENCODING_IDENTITY},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		enum bh_encoding got = BH_ENCODING_IDENTITY;

		cr_expect_eq(
		    bh_encoding_parse(cases[i].word, &got), cases[i].rc, "%s", cases[i].word);
		cr_expect_eq(got, cases[i].encoding, "%s", cases[i].word);
	}
}

Test(decode_body, identity_is_copied)
{
	struct bh_buf in = BH_BUF_INIT;

	bh_buf_str(&in, TEXT);
	expect_text(BH_ENCODING_IDENTITY, &in, TEXT);
}

Test(decode_body, several_zstd_frames_in_a_row_are_one_body)
{
	struct bh_buf in = BH_BUF_INIT;

	put_zstd(&in, TEXT, strlen(TEXT));
	put_zstd(&in, "", 0);
	put_zstd(&in, "tail", 4);
	expect_text(BH_ENCODING_ZSTD, &in, TEXT "tail");
}

Test(decode_body, several_gzip_members_in_a_row_are_one_body)
{
	struct bh_buf in = BH_BUF_INIT;

	put_deflate(&in, TEXT, strlen(TEXT), 31);
	put_deflate(&in, "tail", 4, 31);
	expect_text(BH_ENCODING_GZIP, &in, TEXT "tail");
}

Test(decode_body, deflate_is_the_zlib_container)
{
	struct bh_buf in = BH_BUF_INIT;

	put_deflate(&in, TEXT, strlen(TEXT), 15);
	expect_text(BH_ENCODING_DEFLATE, &in, TEXT);
}

Test(decode_body, raw_deflate_is_refused)
{
	struct bh_buf in = BH_BUF_INIT;
	struct bh_buf out = BH_BUF_INIT;

	put_deflate(&in, TEXT, strlen(TEXT), -15);
	cr_expect_eq(decode(BH_ENCODING_DEFLATE, &in, 1 << 20, &out), BH_E_FORMAT);
	bh_buf_release(&in);
	bh_buf_release(&out);
}

static void put(enum bh_encoding encoding, struct bh_buf *b, const char *p, size_t n)
{
	if (encoding == BH_ENCODING_ZSTD)
		put_zstd(b, p, n);
	else if (encoding == BH_ENCODING_IDENTITY)
		bh_buf_append(b, p, n);
	else
		put_deflate(b, p, n, encoding == BH_ENCODING_GZIP ? 31 : 15);
}

Test(decode_body, the_bound_holds_to_the_byte_for_every_encoding)
{
	size_t n = 3 << 20; /* larger than one step of the decoder */
	char *zeros = calloc(1, n);

	for (int e = BH_ENCODING_IDENTITY; e <= BH_ENCODING_DEFLATE; e++) {
		struct bh_buf in = BH_BUF_INIT;
		struct bh_buf out = BH_BUF_INIT;

		put((enum bh_encoding)e, &in, zeros, n);
		cr_expect_eq(decode((enum bh_encoding)e, &in, n, &out), 0, "encoding %d", e);
		cr_expect_eq(out.len, n, "encoding %d", e);
		bh_buf_clear(&out);
		cr_expect_eq(
		    decode((enum bh_encoding)e, &in, n - 1, &out), BH_E_LIMIT, "encoding %d", e);
		cr_expect_leq(out.len, n, "no more than the limit and one byte is made");
		bh_buf_release(&in);
		bh_buf_release(&out);
	}
	free(zeros);
}

Test(decode_body, every_shortened_body_is_refused)
{
	for (int e = BH_ENCODING_ZSTD; e <= BH_ENCODING_DEFLATE; e++) {
		struct bh_buf in = BH_BUF_INIT;
		size_t whole;

		put((enum bh_encoding)e, &in, TEXT, strlen(TEXT));
		whole = in.len;
		for (in.len = 0; in.len < whole; in.len++) {
			struct bh_buf out = BH_BUF_INIT;

			cr_expect_eq(decode((enum bh_encoding)e, &in, 1 << 20, &out), BH_E_FORMAT,
			    "encoding %d, %zu of %zu bytes", e, in.len, whole);
			bh_buf_release(&out);
		}
		bh_buf_release(&in);
	}
}

Test(decode_body, bytes_after_the_end_are_refused)
{
	for (int e = BH_ENCODING_ZSTD; e <= BH_ENCODING_DEFLATE; e++) {
		struct bh_buf in = BH_BUF_INIT;
		struct bh_buf out = BH_BUF_INIT;

		put((enum bh_encoding)e, &in, TEXT, strlen(TEXT));
		bh_buf_str(&in, "garbage!");
		cr_expect_eq(
		    decode((enum bh_encoding)e, &in, 1 << 20, &out), BH_E_FORMAT, "encoding %d", e);
		bh_buf_release(&in);
		bh_buf_release(&out);
	}
}
