/*
 * A message that says the same again and again: one in ten seconds, and how many were held back
 * (spec/supervision.md §10). The next one that passes carries the count; when none follows, the
 * count is told with the text once the time is over and anything else is written.
 *
 * As many messages are remembered as say something again, BH_LOG_REPEATS at most; the one that
 * passed first makes room. Threads may share it.
 */
#ifndef BH_COMMON_LOG_REPEAT_H
#define BH_COMMON_LOG_REPEAT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"

#define BH_LOG_REPEATS     8
#define BH_LOG_REPEAT_NS   (10 * BH_NS_PER_S)
#define BH_LOG_REPEAT_TEXT 160 /* of a message that is told with its count */

struct bh_log_repeat {
	uint64_t hash;   /* of level, component and text */
	int64_t next_ns; /* mono: it may pass again from then on; 0 = an empty place */
	uint64_t held;   /* since it passed */
	int level;
	const char *component; /* a literal */
	char text[BH_LOG_REPEAT_TEXT];
};

struct bh_log_repeats {
	atomic_flag busy;
	struct bh_log_repeat v[BH_LOG_REPEATS];
};

/* Whether the message may pass now. *held: how many like it did not, since the last that did. */
bool bh_log_repeats_pass(struct bh_log_repeats *r, int level, const char *component,
    const char *text, int64_t now_ns, uint64_t *held);

/* A message whose time is over and that was held back since: it is forgotten and given out, once.
 * false: there is none. */
bool bh_log_repeats_due(struct bh_log_repeats *r, int64_t now_ns, struct bh_log_repeat *out);

#endif
