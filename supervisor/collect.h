/*
 * One round of STATS to all children: asked together, complete when everyone answered, or after
 * 0.9 s with what is there; a child that missed the last round is waited for 0.2 s. Questions that
 * arrive during a round are answered by the next one, so an answer is never older than its
 * question.
 */
#ifndef BH_SUPERVISOR_COLLECT_H
#define BH_SUPERVISOR_COLLECT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/loop.h"
#include "supervisor/kid.h"

struct bh_collect {
	struct bh_kid *kids; /* BH_ROLE__N; borrowed */
	struct bh_loop *loop;
	uint32_t round; /* number of the present or last round; 0 = none yet */
	bool active;
	struct bh_timer timer;
	void (*done)(void *ctx); /* round `round` is over */
	void *ctx;
};

/* The round that answers a question asked now. Note it before bh_collect_start(): the round may be
 * over before that returns. */
static inline uint32_t bh_collect_next(const struct bh_collect *c)
{
	return c->round + 1;
}

/* Starts the next round unless one is running; `done` then starts the one that is still wanted. */
void bh_collect_start(struct bh_collect *c);
/* A child answered or ended: looks whether the round is over. */
void bh_collect_check(struct bh_collect *c);

#endif
