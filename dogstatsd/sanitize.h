/*
 * Text that goes into a protobuf string must be valid UTF-8, or the intake refuses the whole
 * payload (spec/dogstatsd.md §4 "Text encoding" [B]). Each maximal run of invalid bytes becomes one
 * U+FFFD.
 */
#ifndef BH_DOGSTATSD_SANITIZE_H
#define BH_DOGSTATSD_SANITIZE_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/str.h"

/* True when s may be used as it is. */
bool bh_text_is_valid(struct bh_str s);

/* Appends s to out with every run of invalid bytes replaced. 0, -ENOMEM or BH_E_LIMIT. */
int bh_text_sanitize(struct bh_str s, struct bh_buf *out) BH_MUST_CHECK;

#endif
