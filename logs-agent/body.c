#include "logs-agent/body.h"

#include <errno.h>
#include <string.h>

#include <zlib.h>
#include <zstd.h>

#include "common/err.h"

#define GZIP_WINDOW (15 + 16) /* zlib's way of asking for the gzip container */

void bh_body_init(struct bh_body *b, const struct bh_config *cfg)
{
	bool gzip = strcmp(cfg->logs_compression_kind, "gzip") == 0;

	*b = (struct bh_body){BH_ENC_IDENTITY, 0, NULL};
	if (!cfg->logs_use_compression)
		return;
	b->encoding = gzip ? BH_ENC_GZIP : BH_ENC_ZSTD;
	b->level = (int)(gzip ? cfg->logs_compression_level : cfg->logs_zstd_compression_level);
}

void bh_body_release(struct bh_body *b)
{
	(void)ZSTD_freeCCtx(b->zstd);
	b->zstd = NULL;
}

static int zstd(struct bh_body *b, struct bh_str in, struct bh_buf *out)
{
	size_t n;

	if (!b->zstd)
		b->zstd = ZSTD_createCCtx();
	if (!b->zstd)
		return -ENOMEM;
	n = ZSTD_compressCCtx(b->zstd, out->data, out->cap - 1, in.p, in.n, b->level);
	if (ZSTD_isError(n))
		return BH_E_STATE;
	out->len = n;
	return 0;
}

static int gzip(const struct bh_body *b, struct bh_str in, struct bh_buf *out)
{
	z_stream z;
	int end;

	memset(&z, 0, sizeof(z));
	if (deflateInit2(&z, b->level, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	z.next_in = (Bytef *)(uintptr_t)in.p; /* zlib's interface lacks a const */
	z.avail_in = (uInt)in.n;
	z.next_out = (Bytef *)out->data;
	z.avail_out = (uInt)(out->cap - 1);
	end = deflate(&z, Z_FINISH);
	out->len = z.total_out;
	(void)deflateEnd(&z);
	return end == Z_STREAM_END ? 0 : BH_E_STATE;
}

int bh_body_compress(struct bh_body *b, struct bh_str in, struct bh_buf *out)
{
	size_t bound =
	    b->encoding == BH_ENC_GZIP ? compressBound(in.n) + 64 : ZSTD_compressBound(in.n);
	int rc;

	bh_buf_clear(out);
	if (b->encoding == BH_ENC_IDENTITY)
		return bh_buf_append(out, in.p, in.n);
	rc = bh_buf_reserve(out, bound);
	if (rc)
		return rc;
	return b->encoding == BH_ENC_GZIP ? gzip(b, in, out) : zstd(b, in, out);
}
