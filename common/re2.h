/*
 * Regular expressions in the dialect of RE2 (spec/logs.md §9.4): checks a pattern as RE2 (in Go)
 * would and writes the same expression in the dialect of PCRE2. Knows nothing of PCRE2 itself, so
 * that a configuration can be checked by a process that links no such library.
 */
#ifndef BH_COMMON_RE2_H
#define BH_COMMON_RE2_H

#include <stdint.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"

#define BH_RE2_PATTERN_MAX ((size_t)64 << 10) /* bytes of a pattern */

/* Appends the translation to out (which may be NULL: only check), as it was otherwise. It expects
 * PCRE2_UTF, PCRE2_DOLLAR_ENDONLY, PCRE2_ALT_CIRCUMFLEX, newline = LF, no PCRE2_UCP, and a nesting
 * limit of 400 at least. 0; BH_E_CONFIG with "at byte <n>: <what RE2 refuses there>" in err,
 * counted from 0; BH_E_LIMIT; -ENOMEM. */
int bh_re2_translate(struct bh_str re2, struct bh_buf *out, struct bh_err *err) BH_MUST_CHECK;

/* Told of each group with a name, in order of their numbers (from 1). The name, of letters, digits
 * and _, is part of the pattern, and need not be the only one of its kind. An error ends the
 * translation and is its result. */
typedef int bh_re2_group_fn(void *ctx, uint32_t number, struct bh_str name);

/* The same with the names of groups, which the translation itself does not carry: it has them by
 * number only. What fn has been told is void when this fails. fn may be NULL. */
int bh_re2_translate_groups(struct bh_str re2, struct bh_buf *out, bh_re2_group_fn *fn, void *ctx,
    struct bh_err *err) BH_MUST_CHECK;

#endif
