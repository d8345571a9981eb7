/*
 * A regular expression in the dialect of RE2, as the Agent's rules are written in (spec/logs.md
 * §9.4), matched by PCRE2 with bounded effort. The text is checked and translated by
 * common/re2.[ch]; a literal that every match must contain is searched first, so that most subjects
 * never reach the engine (§9.3).
 *
 * PCRE2's own limit counts steps anew at each place where a match may start, and takes a run of any
 * length for one step. So effort is metered here, over the whole subject: a step is an item tried,
 * or eight bytes run over. 10 to 20 ns each.
 *
 * A compiled pattern is constant and may be shared; what a match writes to is the scratch.
 */
#ifndef BH_LOGS_PATTERN_H
#define BH_LOGS_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/err.h"
#include "common/str.h"

struct bh_pattern;

/* Match memory of one thread, sized for any pattern; owns a JIT stack where there is a JIT. */
struct bh_pattern_scratch;

/* 0; BH_E_CONFIG with the reason and the byte position in err; -ENOMEM. A "^" that must be glued on
 * (§7.3) is part of the text. match_limit: steps before a match is given up
 * at one place, > 0; bh_pattern_find() takes four times as many over the subject. */
int bh_pattern_new(struct bh_pattern **out, struct bh_str re2, uint32_t match_limit,
    struct bh_err *err) BH_MUST_CHECK;
void bh_pattern_free(struct bh_pattern *p); /* harmless on NULL */

/* The literal that is searched first, "" when there is none. Lives as long as the pattern. */
struct bh_str bh_pattern_literal(const struct bh_pattern *p);

/* Number of groups that capture, the whole match not counted. */
uint32_t bh_pattern_groups(const struct bh_pattern *p);
/* The first group of that name whose number is above after; 0 when there is none. */
uint32_t bh_pattern_named(const struct bh_pattern *p, struct bh_str name, uint32_t after);

int bh_pattern_scratch_new(struct bh_pattern_scratch **out) BH_MUST_CHECK; /* -ENOMEM */
void bh_pattern_scratch_free(struct bh_pattern_scratch *s);
/* Matches with this scratch never use the JIT, as where it cannot be had. */
void bh_pattern_scratch_interpret(struct bh_pattern_scratch *s);

enum bh_match { BH_MATCH_NO, BH_MATCH_YES, BH_MATCH_LIMIT /* gave up: nobody knows */ };

/* Whether it matches anywhere in the subject, which may hold any bytes. */
enum bh_match bh_pattern_find(
    const struct bh_pattern *p, struct bh_pattern_scratch *s, struct bh_str subject);

/*
 * All matches from left to right, without overlap, as Go's ReplaceAll finds them (§9.2). One walk
 * at a time per scratch.
 */
struct bh_pattern_walk {
	const struct bh_pattern *p;
	struct bh_pattern_scratch *s;
	struct bh_str subject; /* borrowed until the walk ends */
	size_t from;           /* where the search goes on */
	size_t end;            /* of the last match */
	uint64_t effort;       /* steps left */
	bool valid;            /* the subject is UTF-8 */
	const size_t
	    *groups; /* pairs of offsets, BH_NO_GROUP when it took no part; the match first */
};

#define BH_NO_GROUP (~(size_t)0)

/* effort: steps for all of the walk. */
void bh_pattern_walk_init(struct bh_pattern_walk *w, const struct bh_pattern *p,
    struct bh_pattern_scratch *s, struct bh_str subject, uint64_t effort);
/* BH_MATCH_YES: groups has bh_pattern_groups() + 1 pairs, until the next call. */
enum bh_match bh_pattern_walk_next(struct bh_pattern_walk *w);

#endif
