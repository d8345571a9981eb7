/*
 * Regular expressions in the dialect of RE2 (spec/logs.md §9.4): checks a pattern as RE2 would and
 * writes the same expression in the dialect of PCRE2. Knows nothing of PCRE2 itself, so that a
 * configuration can be checked by a process that links no such library.
 */
#ifndef BH_COMMON_RE2_H
#define BH_COMMON_RE2_H

#include "common/attrs.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"

#define BH_RE2_PATTERN_MAX ((size_t)64 << 10) /* bytes of a pattern */

/* Appends the translation to out (which may be NULL: only check). 0; BH_E_CONFIG with what RE2
 * refuses and at which byte in err; BH_E_LIMIT; -ENOMEM. */
int bh_re2_translate(struct bh_str re2, struct bh_buf *out, struct bh_err *err) BH_MUST_CHECK;

#endif
