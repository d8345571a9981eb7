/* The parts of the translator of re2.h, among themselves. */
#ifndef BH_COMMON_RE2_INTERNAL_H
#define BH_COMMON_RE2_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"

#define BH_RE2_RUNE_MAX 0x10FFFFu

enum bh_re2_flag {
	BH_RE2_FOLD = 1 << 0,   /* (?i) */
	BH_RE2_LINES = 1 << 1,  /* (?m) */
	BH_RE2_DOT_LF = 1 << 2, /* (?s) */
	BH_RE2_SWAP = 1 << 3,   /* (?U): done by swapping, never written */
};

/* Where the walk stands. The text is valid UTF-8; at <= text.n. */
struct bh_re2_in {
	struct bh_str text;
	size_t at;
	struct bh_err *err;
};

/* Records "at byte <at>: …" and returns BH_E_CONFIG. */
int bh_re2_refuse(const struct bh_re2_in *in, size_t at, const char *fmt, ...) BH_PRINTF(3, 4);

/* The character at the walk's place, behind which it moves. Only when something is left. */
uint32_t bh_re2_rune(struct bh_re2_in *in);

/* An escape that stands for one character: the walk is at its backslash, and moves behind it. */
int bh_re2_escape(struct bh_re2_in *in, uint32_t *rune) BH_MUST_CHECK;

/* Writes a character so that it means itself, in and out of a class. Not for surrogates. */
void bh_re2_put_rune(struct bh_buf *out, uint32_t rune);

/* A class: the walk is at its bracket, and moves behind the closing one. */
int bh_re2_class(struct bh_re2_in *in, unsigned flags, struct bh_buf *out) BH_MUST_CHECK;

/* \d \s \w \p{…} and their opposites outside of a class. *done is false, and nothing has moved,
 * when the walk is at something else. */
int bh_re2_class_escape(
    struct bh_re2_in *in, unsigned flags, struct bh_buf *out, bool *done) BH_MUST_CHECK;

#endif
