/*
 * A regular expression in the dialect of RE2, as the Agent's rules are written in (spec/logs.md
 * §9.4), matched by PCRE2 with bounded effort. The text is checked and translated by
 * common/re2.[ch]; a literal that every match must contain is searched first, so that most subjects
 * never reach the engine (§9.3).
 *
 * A compiled pattern is constant and may be shared; what a match writes to is the scratch.
 */
#ifndef BH_LOGS_PATTERN_H
#define BH_LOGS_PATTERN_H

#include <stddef.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/err.h"
#include "common/str.h"

struct bh_pattern;

/* Match memory of one thread, sized for any pattern; owns a JIT stack where there is a JIT. */
struct bh_pattern_scratch;

/* 0; BH_E_CONFIG with the reason and the byte position in err; -ENOMEM. A "^" that must be glued on
 * (§7.3) is part of the text. match_limit: steps before a match is given up, > 0. */
int bh_pattern_new(struct bh_pattern **out, struct bh_str re2, uint32_t match_limit,
    struct bh_err *err) BH_MUST_CHECK;
void bh_pattern_free(struct bh_pattern *p); /* harmless on NULL */

int bh_pattern_scratch_new(struct bh_pattern_scratch **out) BH_MUST_CHECK; /* -ENOMEM */
void bh_pattern_scratch_free(struct bh_pattern_scratch *s);

enum bh_match { BH_MATCH_NO, BH_MATCH_YES, BH_MATCH_LIMIT /* gave up: nobody knows */ };

/* Whether it matches anywhere in the subject, which may hold any bytes. */
enum bh_match bh_pattern_find(
    const struct bh_pattern *p, struct bh_pattern_scratch *s, struct bh_str subject);

#endif
