#include "dogstatsd/compressor.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "common/err.h"

#define OUT_STEP 16384

enum step { STEP_FEED, STEP_FLUSH, STEP_END };

void bh_compressor_init(struct bh_compressor *c, enum bh_encoding encoding, int level)
{
	*c = (struct bh_compressor){.encoding = encoding, .level = level};
}

static void free_state(struct bh_compressor *c)
{
	if (!c->state)
		return;
	if (c->encoding == BH_ENC_ZSTD) {
		(void)ZSTD_freeCCtx(c->state);
	} else {
		(void)deflateEnd(c->state);
		free(c->state);
	}
	c->state = NULL;
}

void bh_compressor_release(struct bh_compressor *c)
{
	free_state(c);
	bh_buf_release(&c->out);
}

void bh_compressor_rest(struct bh_compressor *c)
{
	bh_buf_release(&c->out);
}

size_t bh_compressor_bound(const struct bh_compressor *c, size_t n)
{
	switch (c->encoding) {
	case BH_ENC_ZSTD:
		return ZSTD_COMPRESSBOUND(n);
	case BH_ENC_DEFLATE:
		return n + 5 * ((n + 16383) / 16384) + 6;
	default:
		return n;
	}
}

size_t bh_compressor_overhead(const struct bh_compressor *c)
{
	switch (c->encoding) {
	case BH_ENC_ZSTD:
		return 18 + 3 * BH_COMPRESSOR_FLUSHES_MAX;
	case BH_ENC_DEFLATE:
		return 6 + 6 * BH_COMPRESSOR_FLUSHES_MAX;
	default:
		return 0;
	}
}

static int begin_zstd(struct bh_compressor *c)
{
	if (!c->state) {
		c->state = ZSTD_createCCtx();
		if (!c->state)
			return -ENOMEM;
	}
	if (ZSTD_isError(ZSTD_CCtx_reset(c->state, ZSTD_reset_session_only)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(c->state, ZSTD_c_compressionLevel, c->level)))
		return BH_E_STATE;
	return 0;
}

static int begin_deflate(struct bh_compressor *c)
{
	z_stream *z = c->state;

	if (z)
		return deflateReset(z) == Z_OK ? 0 : BH_E_STATE;
	z = calloc(1, sizeof(*z));
	if (!z)
		return -ENOMEM;
	if (deflateInit(z, Z_DEFAULT_COMPRESSION) != Z_OK) {
		free(z);
		return -ENOMEM;
	}
	c->state = z;
	return 0;
}

int bh_compressor_begin(struct bh_compressor *c)
{
	bh_buf_clear(&c->out);
	c->pending = 0;
	switch (c->encoding) {
	case BH_ENC_ZSTD:
		return begin_zstd(c);
	case BH_ENC_DEFLATE:
		return begin_deflate(c);
	default:
		return 0;
	}
}

static int run_zstd(struct bh_compressor *c, struct bh_str in, enum step step)
{
	static const ZSTD_EndDirective directives[] = {ZSTD_e_continue, ZSTD_e_flush, ZSTD_e_end};
	ZSTD_inBuffer src = {in.p, in.n, 0};
	size_t left;
	int rc;

	do {
		ZSTD_outBuffer dst;

		rc = bh_buf_reserve(&c->out, OUT_STEP);
		if (rc < 0)
			return rc;
		dst = (ZSTD_outBuffer){c->out.data, c->out.cap, c->out.len};
		left = ZSTD_compressStream2(c->state, &dst, &src, directives[step]);
		c->out.len = dst.pos;
		if (ZSTD_isError(left))
			return BH_E_STATE;
	} while (step == STEP_FEED ? src.pos < src.size : left > 0);
	return 0;
}

static int run_deflate(struct bh_compressor *c, struct bh_str in, enum step step)
{
	static const int modes[] = {Z_NO_FLUSH, Z_SYNC_FLUSH, Z_FINISH};
	z_stream *z = c->state;
	uInt room;
	int rc;

	z->next_in = (z_const Bytef *)(uintptr_t)in.p;
	z->avail_in = (uInt)in.n;
	do {
		rc = bh_buf_reserve(&c->out, OUT_STEP);
		if (rc < 0)
			return rc;
		room = (uInt)(c->out.cap - c->out.len);
		z->next_out = (Bytef *)c->out.data + c->out.len;
		z->avail_out = room;
		rc = deflate(z, modes[step]);
		c->out.len += room - z->avail_out;
		if (rc == Z_STREAM_ERROR)
			return BH_E_STATE;
	} while (z->avail_out == 0);
	return 0;
}

static int run(struct bh_compressor *c, struct bh_str in, enum step step)
{
	switch (c->encoding) {
	case BH_ENC_ZSTD:
		return run_zstd(c, in, step);
	case BH_ENC_DEFLATE:
		return run_deflate(c, in, step);
	default:
		return bh_buf_append(&c->out, in.p, in.n);
	}
}

int bh_compressor_feed(struct bh_compressor *c, struct bh_str in)
{
	if (in.n == 0)
		return 0;
	if (c->encoding != BH_ENC_IDENTITY)
		c->pending += in.n;
	return run(c, in, STEP_FEED);
}

int bh_compressor_flush(struct bh_compressor *c)
{
	c->pending = 0;
	return run(c, (struct bh_str){NULL, 0}, STEP_FLUSH);
}

int bh_compressor_end(struct bh_compressor *c)
{
	c->pending = 0;
	return run(c, (struct bh_str){NULL, 0}, STEP_END);
}
