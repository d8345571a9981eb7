/*
 * How full a buffer of events is, as its owner sees it from time to time (spec/intake.md §16.2:
 * utilization). A look costs a few instructions and no memory.
 *
 * The levels seen are counted in bins whose upper bounds are 0 and the powers of four up to
 * BH_FILL_TOP: they mean the same whatever the capacity is, and that may change.
 */
#ifndef BH_COMMON_FILL_H
#define BH_COMMON_FILL_H

#include <stdint.h>

#define BH_FILL_BINS    10
#define BH_FILL_TOP     65536         /* upper bound of the last bin */
#define BH_FILL_MEAN_NS 15000000000LL /* a level that lasted so long weighs half of the mean */

struct bh_child;

/* Zeroed: nothing was seen. */
struct bh_fill {
	uint64_t level, max;         /* events, and how many there may be, at the last look */
	double mean;                 /* of the level, exponentially weighted over time */
	int64_t at_ns;               /* mono time of the last look */
	uint64_t looks, sum;         /* sum: of the levels seen */
	uint64_t bins[BH_FILL_BINS]; /* looks at each level; those above BH_FILL_TOP in none */
};

/* A look: level events of at most max are in it. The mean takes the level as that of all the time
 * since the look before. */
void bh_fill_see(struct bh_fill *f, uint64_t level, uint64_t max, int64_t now_ns);
/* The upper bound of a bin. */
uint64_t bh_fill_bound(unsigned bin);

/* Numbers "buffer/COMPONENT/KIND_…", kind being "source" or "transform" (supervisor/figures.h). The
 * mean is in thousandths. component: at most 100 bytes. */
void bh_fill_report(
    const struct bh_fill *f, const char *component, const char *kind, struct bh_child *child);

#endif
