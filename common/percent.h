/*
 * Bytes as text that a terminal, a log and a line of JSON can carry, and back: what is not UTF-8,
 * control characters (C0, DEL, C1), quotes, backslashes and the percent sign itself become %XX.
 * Names of files are bytes, and must be told apart to the last one (spec/logs.md §16.1).
 */
#ifndef BH_COMMON_PERCENT_H
#define BH_COMMON_PERCENT_H

#include <stdbool.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "common/str.h"

/* Appends. The result has no byte that JSON escapes. 0 or the error of the buffer. */
int bh_percent_encode(struct bh_str bytes, struct bh_buf *out);
/* Appends what the text stands for; BH_E_FORMAT when a % is not followed by two hex digits. */
int bh_percent_decode(struct bh_str text, struct bh_buf *out) BH_MUST_CHECK;

#endif
