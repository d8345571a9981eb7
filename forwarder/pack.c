#define ZLIB_CONST /* zlib reads through pointers to const */
#include "forwarder/pack.h"

#include <errno.h>
#include <limits.h>

#include <zlib.h>
#include <zstd.h>

#include "common/err.h"

#define ROOM        ((size_t)128 << 10) /* made for a decoder each time the output is full */
#define ZSTD_LEVEL  1
#define ZLIB_LEVEL  6
#define ZLIB_WINDOW 15
#define GZIP_WINDOW (15 + 16)
#define GZIP_EXTRA  64 /* head and trailer of gzip, above what compressBound counts */

/* Room for the next piece. One byte above the limit is allowed: it shows that there is more. */
static int make_room(struct bh_buf *out, size_t start, size_t max, size_t *room)
{
	size_t used = out->len - start;

	if (used > max)
		return BH_E_LIMIT;
	*room = BH_MIN(ROOM, max + 1 - used);
	return bh_buf_reserve(out, *room);
}

static void grew(struct bh_buf *out, size_t n)
{
	out->len += n;
	out->data[out->len] = '\0';
}

static int unzstd(struct bh_str body, size_t max, struct bh_buf *out)
{
	ZSTD_inBuffer in = {body.p, body.n, 0};
	ZSTD_DCtx *ctx = ZSTD_createDCtx();
	size_t start = out->len, room = 0, left = 1;
	bool full = false;
	int rc = ctx ? 0 : -ENOMEM;

	while (!rc && (in.pos < in.size || full)) {
		ZSTD_outBuffer piece = {NULL, 0, 0};

		rc = make_room(out, start, max, &room);
		if (rc)
			break;
		piece = (ZSTD_outBuffer){out->data + out->len, room, 0};
		left = ZSTD_decompressStream(ctx, &piece, &in);
		if (ZSTD_isError(left)) {
			rc = BH_E_FORMAT;
			break;
		}
		grew(out, piece.pos);
		full = piece.pos == room && left != 0;
	}
	(void)ZSTD_freeDCtx(ctx);
	if (!rc && left != 0)
		rc = BH_E_FORMAT;
	return !rc && out->len - start > max ? BH_E_LIMIT : rc;
}

static int inflate_all(z_stream *z, size_t start, size_t max, struct bh_buf *out)
{
	size_t room = 0;

	for (;;) {
		int rc = make_room(out, start, max, &room);
		int state;

		if (rc)
			return rc;
		z->next_out = (Bytef *)out->data + out->len;
		z->avail_out = (uInt)room;
		state = inflate(z, Z_NO_FLUSH);
		if (state != Z_OK && state != Z_STREAM_END)
			return state == Z_MEM_ERROR ? -ENOMEM : BH_E_FORMAT;
		grew(out, room - z->avail_out);
		if (state == Z_STREAM_END)
			break;
	}
	if (z->avail_in)
		return BH_E_FORMAT;
	return out->len - start > max ? BH_E_LIMIT : 0;
}

static int unzlib(struct bh_str body, int window, size_t max, struct bh_buf *out)
{
	z_stream z = {.zalloc = Z_NULL};
	int rc;

	if (body.n > UINT_MAX)
		return BH_E_LIMIT;
	if (inflateInit2(&z, window) != Z_OK)
		return -ENOMEM;
	z.next_in = (const Bytef *)body.p;
	z.avail_in = (uInt)body.n;
	rc = inflate_all(&z, out->len, max, out);
	(void)inflateEnd(&z); /* frees; there is nothing left to report */
	return rc;
}

int bh_unpack(enum bh_encoding encoding, struct bh_str body, size_t max, struct bh_buf *out)
{
	switch (encoding) {
	case BH_ENC_IDENTITY:
		return body.n > max ? BH_E_LIMIT : bh_buf_append(out, body.p, body.n);
	case BH_ENC_ZSTD:
		return unzstd(body, max, out);
	case BH_ENC_DEFLATE:
		return unzlib(body, ZLIB_WINDOW, max, out);
	case BH_ENC_GZIP:
		return unzlib(body, GZIP_WINDOW, max, out);
	case BH_ENC__N:
		break;
	}
	return BH_E_FORMAT;
}

static int zstd(struct bh_str raw, struct bh_buf *out)
{
	int rc = bh_buf_reserve(out, ZSTD_compressBound(raw.n));
	size_t n;

	if (rc)
		return rc;
	n = ZSTD_compress(out->data, out->cap - 1, raw.p, raw.n, ZSTD_LEVEL);
	if (ZSTD_isError(n))
		return BH_E_STATE;
	grew(out, n);
	return 0;
}

static int zlib(struct bh_str raw, int window, struct bh_buf *out)
{
	z_stream z = {.zalloc = Z_NULL};
	int rc = raw.n > UINT_MAX / 2 ? BH_E_LIMIT
				      : bh_buf_reserve(out, compressBound(raw.n) + GZIP_EXTRA);
	int state;

	if (rc)
		return rc;
	if (deflateInit2(&z, ZLIB_LEVEL, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	z.next_in = (const Bytef *)raw.p;
	z.avail_in = (uInt)raw.n;
	z.next_out = (Bytef *)out->data;
	z.avail_out = (uInt)(out->cap - 1);
	state = deflate(&z, Z_FINISH);
	grew(out, z.total_out);
	(void)deflateEnd(&z); /* frees; there is nothing left to report */
	return state == Z_STREAM_END ? 0 : BH_E_STATE;
}

int bh_pack(enum bh_encoding encoding, struct bh_str raw, struct bh_buf *out)
{
	bh_buf_clear(out);
	switch (encoding) {
	case BH_ENC_IDENTITY:
		return bh_buf_append(out, raw.p, raw.n);
	case BH_ENC_ZSTD:
		return zstd(raw, out);
	case BH_ENC_DEFLATE:
		return zlib(raw, ZLIB_WINDOW, out);
	case BH_ENC_GZIP:
		return zlib(raw, GZIP_WINDOW, out);
	case BH_ENC__N:
		break;
	}
	return BH_E_STATE;
}
