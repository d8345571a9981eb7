/* Compresses the body of a batch: zstd, gzip or none, with a context that is made once. */
#ifndef BH_LOGS_BODY_H
#define BH_LOGS_BODY_H

#include "common/attrs.h"
#include "common/buf.h"
#include "common/config.h"
#include "proto/link.h"

struct bh_body {
	enum bh_encoding encoding;
	int level;
	void *zstd; /* ZSTD_CCtx, made at first use; owned */
	void *gzip; /* libdeflate_compressor, likewise */
};

void bh_body_init(struct bh_body *b, const struct bh_config *cfg);
void bh_body_release(struct bh_body *b);
/* out is cleared and filled. -ENOMEM, BH_E_LIMIT, BH_E_STATE (library). */
int bh_body_compress(struct bh_body *b, struct bh_str in, struct bh_buf *out) BH_MUST_CHECK;

#endif
