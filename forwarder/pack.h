/*
 * The encodings a body travels in, both ways: what a producer packed is unpacked, cut, and packed
 * the same way again (spec/intake.md §5, §11.3). `deflate` is the zlib format. Pure.
 */
#ifndef BH_FORWARDER_PACK_H
#define BH_FORWARDER_PACK_H

#include <stddef.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "proto/link.h"

/* Appends the bytes that were packed, at most max of them. -ENOMEM; BH_E_LIMIT: they are more;
 * BH_E_FORMAT: the body is cut short, damaged, or has bytes behind its end. After an error out may
 * hold a part. */
int bh_unpack(
    enum bh_encoding encoding, struct bh_str body, size_t max, struct bh_buf *out) BH_MUST_CHECK;
/* Clears out and fills it. -ENOMEM; BH_E_LIMIT beyond what a buffer holds; BH_E_STATE: the library
 * refused, which it does not do. */
int bh_pack(enum bh_encoding encoding, struct bh_str raw, struct bh_buf *out) BH_MUST_CHECK;

#endif
