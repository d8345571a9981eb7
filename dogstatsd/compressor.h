/*
 * One compressed body after the other with a reused context: zstd, zlib container ("deflate") or
 * none (spec/intake.md §5). Output grows as needed; sizes are bounded by the caller, who asks
 * bh_compressor_bound() before it feeds.
 */
#ifndef BH_DOGSTATSD_COMPRESSOR_H
#define BH_DOGSTATSD_COMPRESSOR_H

#include <stddef.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "proto/link.h"

/* Flushes per body, to learn the true size; each costs compression ratio. */
#define BH_COMPRESSOR_FLUSHES_MAX 40

struct bh_compressor {
	enum bh_encoding encoding; /* identity, zstd or deflate */
	int level;                 /* zstd */
	void *state;               /* ZSTD_CCtx or z_stream; made when first needed; owned */
	struct bh_buf out;         /* the body so far */
	size_t pending;            /* bytes fed since the last flush: not all of them are in out */
};

void bh_compressor_init(struct bh_compressor *c, enum bh_encoding encoding, int level);
void bh_compressor_release(struct bh_compressor *c);

/* Most bytes that n more bytes can become, and what a frame and its flushes add on top. */
size_t bh_compressor_bound(const struct bh_compressor *c, size_t n);
size_t bh_compressor_overhead(const struct bh_compressor *c);

/* 0, -ENOMEM, BH_E_LIMIT or BH_E_STATE (library error). After an error only begin may follow. */
int bh_compressor_begin(struct bh_compressor *c) BH_MUST_CHECK;
int bh_compressor_feed(struct bh_compressor *c, struct bh_str in) BH_MUST_CHECK;
int bh_compressor_flush(struct bh_compressor *c) BH_MUST_CHECK; /* pending is 0 then */
int bh_compressor_end(struct bh_compressor *c) BH_MUST_CHECK;   /* out is the whole body */

/* Gives the memory of the output back; the context stays. */
void bh_compressor_rest(struct bh_compressor *c);

#endif
