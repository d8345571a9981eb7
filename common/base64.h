/* Base64 with padding (RFC 4648 §4), for bytes inside JSON. */
#ifndef BH_COMMON_BASE64_H
#define BH_COMMON_BASE64_H

#include "common/buf.h"
#include "common/str.h"

/* Appends. 0 or the error of the buffer. */
int bh_base64_encode(struct bh_str bytes, struct bh_buf *out);

#endif
