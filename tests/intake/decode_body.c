#define ZLIB_CONST /* zlib reads its input through pointers to const */
#include "tests/intake/decode_body.h"

#include <errno.h>
#include <strings.h>
#include <zlib.h>
#include <zstd.h>

#define STEP ((size_t)256 << 10) /* room made for the decoder each time the output is full */

int bh_encoding_parse(const char *word, enum bh_encoding *encoding)
{
	static const struct {
		const char *word;
		enum bh_encoding encoding;
	} table[] = {
	    {"", BH_ENCODING_IDENTITY},
	    {"identity", BH_ENCODING_IDENTITY},
	    {"zstd", BH_ENCODING_ZSTD},
	    {"gzip", BH_ENCODING_GZIP},
	    {"x-gzip", BH_ENCODING_GZIP},
	    {"deflate", BH_ENCODING_DEFLATE},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(table); i++) {
		if (strcasecmp(word ? word : "", table[i].word) == 0) {
			*encoding = table[i].encoding;
			return 0;
		}
	}
	return BH_E_FORMAT;
}

static int too_large(size_t max, struct bh_err *err)
{
	return bh_err_set(err, BH_E_LIMIT, "decoded body exceeds %zu bytes", max);
}

/* Makes room for the next piece; one byte above max shows that the limit is exceeded. */
static int make_room(struct bh_buf *out, size_t start, size_t max, size_t *room, struct bh_err *err)
{
	size_t used = out->len - start;
	int rc;

	if (used > max)
		return too_large(max, err);
	*room = BH_MIN(STEP, max + 1 - used);
	rc = bh_buf_reserve(out, *room);
	return rc ? bh_err_set(err, rc, "decode body") : 0;
}

static void advance(struct bh_buf *out, size_t n)
{
	out->len += n;
	out->data[out->len] = '\0';
}

static int decode_identity(struct bh_str body, size_t max, struct bh_buf *out, struct bh_err *err)
{
	int rc;

	if (body.n > max)
		return too_large(max, err);
	rc = bh_buf_append(out, body.p, body.n);
	return rc ? bh_err_set(err, rc, "copy body") : 0;
}

static int decode_zstd(struct bh_str body, size_t max, struct bh_buf *out, struct bh_err *err)
{
	ZSTD_inBuffer in = {body.p, body.n, 0};
	ZSTD_DStream *stream = ZSTD_createDStream();
	size_t start = out->len;
	size_t room = 0;
	size_t left = 1; /* 0 = a frame has just ended */
	bool full = false;
	int rc = 0;

	if (!stream)
		return bh_err_set(err, -ENOMEM, "zstd");
	while (in.pos < in.size || full) {
		rc = make_room(out, start, max, &room, err);
		if (rc)
			goto out;
		ZSTD_outBuffer piece = {out->data + out->len, room, 0};

		left = ZSTD_decompressStream(stream, &piece, &in);
		if (ZSTD_isError(left)) {
			rc = bh_err_set(err, BH_E_FORMAT, "zstd: %s", ZSTD_getErrorName(left));
			goto out;
		}
		advance(out, piece.pos);
		full = piece.pos == room && left != 0;
	}
	if (left != 0)
		rc = bh_err_set(err, BH_E_FORMAT, "zstd: body is cut short");
	else if (out->len - start > max)
		rc = too_large(max, err);
out:
	ZSTD_freeDStream(stream);
	return rc;
}

/* One member of a zlib or gzip body; z->avail_in says what is left behind it. */
static int inflate_member(
    z_stream *z, size_t start, size_t max, struct bh_buf *out, struct bh_err *err)
{
	size_t room = 0;
	int state = Z_OK;

	while (state != Z_STREAM_END) {
		int rc = make_room(out, start, max, &room, err);

		if (rc)
			return rc;
		z->next_out = (unsigned char *)out->data + out->len;
		z->avail_out = (unsigned)room;
		state = inflate(z, Z_NO_FLUSH);
		if (state == Z_BUF_ERROR)
			return bh_err_set(err, BH_E_FORMAT, "inflate: body is cut short");
		if (state != Z_OK && state != Z_STREAM_END)
			return bh_err_set(
			    err, BH_E_FORMAT, "inflate: %s", z->msg ? z->msg : zError(state));
		advance(out, room - z->avail_out);
	}
	return 0;
}

static int decode_zlib(
    struct bh_str body, bool gzip, size_t max, struct bh_buf *out, struct bh_err *err)
{
	z_stream z = {0};
	size_t start = out->len;
	int rc;

	if (body.n > UINT32_MAX)
		return too_large(max, err);
	if (inflateInit2(&z, gzip ? 15 + 16 : 15) != Z_OK)
		return bh_err_set(err, -ENOMEM, "inflate");
	z.next_in = (const unsigned char *)body.p;
	z.avail_in = (unsigned)body.n;
	do {
		rc = inflate_member(&z, start, max, out, err);
		if (rc || !gzip || z.avail_in == 0)
			break;
	} while (inflateReset(&z) == Z_OK);
	if (!rc && z.avail_in > 0)
		rc = bh_err_set(err, BH_E_FORMAT, "inflate: %u bytes after the end", z.avail_in);
	if (!rc && out->len - start > max)
		rc = too_large(max, err);
	(void)inflateEnd(&z); /* frees; there is nothing left to report */
	return rc;
}

int bh_body_decode(enum bh_encoding encoding, struct bh_str body, size_t max, struct bh_buf *out,
    struct bh_err *err)
{
	switch (encoding) {
	case BH_ENCODING_IDENTITY:
		return decode_identity(body, max, out, err);
	case BH_ENCODING_ZSTD:
		return decode_zstd(body, max, out, err);
	case BH_ENCODING_GZIP:
		return decode_zlib(body, true, max, out, err);
	case BH_ENCODING_DEFLATE:
		return decode_zlib(body, false, max, out, err);
	}
	return bh_err_set(err, BH_E_FORMAT, "unknown encoding");
}
