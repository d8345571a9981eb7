#include "logs-agent/body.h"

#include <errno.h>
#include <string.h>

#include <libdeflate.h>
#include <zstd.h>

#include "common/err.h"

void bh_body_init(struct bh_body *b, const struct bh_config *cfg)
{
	bool gzip = strcmp(cfg->logs_compression_kind, "gzip") == 0;

	*b = (struct bh_body){.encoding = BH_ENC_IDENTITY};
	if (!cfg->logs_use_compression)
		return;
	b->encoding = gzip ? BH_ENC_GZIP : BH_ENC_ZSTD;
	b->level = (int)(gzip ? cfg->logs_compression_level : cfg->logs_zstd_compression_level);
}

void bh_body_release(struct bh_body *b)
{
	(void)ZSTD_freeCCtx(b->zstd);
	libdeflate_free_compressor(b->gzip);
	b->zstd = b->gzip = NULL;
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

static int gzip(struct bh_body *b, struct bh_str in, struct bh_buf *out)
{
	out->len = libdeflate_gzip_compress(b->gzip, in.p, in.n, out->data, out->cap - 1);
	return out->len ? 0 : BH_E_STATE;
}

/* Bytes that the compressed input may take; 0 without memory for a compressor. */
static size_t bound_of(struct bh_body *b, size_t n)
{
	if (b->encoding == BH_ENC_ZSTD)
		return ZSTD_compressBound(n);
	if (!b->gzip)
		b->gzip = libdeflate_alloc_compressor(b->level);
	return b->gzip ? libdeflate_gzip_compress_bound(b->gzip, n) : 0;
}

int bh_body_compress(struct bh_body *b, struct bh_str in, struct bh_buf *out)
{
	size_t bound;
	int rc;

	bh_buf_clear(out);
	if (b->encoding == BH_ENC_IDENTITY)
		return bh_buf_append(out, in.p, in.n);
	bound = bound_of(b, in.n);
	rc = bound ? bh_buf_reserve(out, bound) : -ENOMEM;
	if (rc)
		return rc;
	return b->encoding == BH_ENC_GZIP ? gzip(b, in, out) : zstd(b, in, out);
}
