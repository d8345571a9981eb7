/*
 * How each process of a role ended, the last 100 of them (spec/supervision.md §2), for `status -v`.
 * Plain data: the caller says what happened and when.
 */
#ifndef BH_SUPERVISOR_DEATHS_H
#define BH_SUPERVISOR_DEATHS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/jsonw.h"
#include "supervisor/lifecycle.h"

#define BH_DEATHS_KEPT 100

struct bh_death {
	int64_t wall_ns;
	pid_t pid; /* 0: it never became a process */
	enum bh_life_cause cause;
	int code;   /* -1 when a signal ended it */
	int signal; /* 0 when it exited */
};

/* All zero is empty. */
struct bh_deaths {
	struct bh_death ring[BH_DEATHS_KEPT];
	uint64_t n; /* ever */
};

void bh_deaths_add(struct bh_deaths *d, const struct bh_death *death);
/* How many are kept. */
size_t bh_deaths_len(const struct bh_deaths *d);
/* The i-th of these, the oldest first. */
const struct bh_death *bh_deaths_at(const struct bh_deaths *d, size_t i);

/* An array "deaths", the oldest first. */
void bh_deaths_json(const struct bh_deaths *d, struct bh_jsonw *w);

#endif
