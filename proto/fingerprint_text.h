/*
 * The text a stored fingerprint's configuration has (spec/logs.md §5, §16):
 * "line_checksum:1:0:10000" is strategy, count, count_to_skip, max_bytes, the last of which is 0
 * for "byte_checksum"; "disabled" stands alone. Fingerprints compare only when their texts are
 * equal.
 */
#ifndef BH_PROTO_FINGERPRINT_TEXT_H
#define BH_PROTO_FINGERPRINT_TEXT_H

#include <stdbool.h>

#include "common/attrs.h"
#include "common/config.h"
#include "common/str.h"

#define BH_FP_TEXT_MAX 64 /* the longest one, with its NUL */

void bh_fp_text(const struct bh_fingerprint_config *cfg, char out[BH_FP_TEXT_MAX]);
/* The way back. false, and *out as it was, when it is no such text. */
bool bh_fp_text_parse(struct bh_str text, struct bh_fingerprint_config *out) BH_MUST_CHECK;
/* "line_checksum", "byte_checksum", "disabled". */
const char *bh_fp_strategy_name(const struct bh_fingerprint_config *cfg);
/* The configuration's strategy by such a name; false when it is another word. */
bool bh_fp_strategy_parse(struct bh_str word, struct bh_fingerprint_config *out) BH_MUST_CHECK;

#endif
