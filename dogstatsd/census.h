/*
 * Which metrics and tags make all these contexts (spec/dogstatsd.md §14): the most frequent
 * metrics, the names with the most contexts, the tag keys with the most values. Counts over the
 * live contexts, in steps, so that receiving goes on; contexts that come and go meanwhile may be
 * missed. When their table grows meanwhile, counting begins anew.
 */
#ifndef BH_DOGSTATSD_CENSUS_H
#define BH_DOGSTATSD_CENSUS_H

#include <stdint.h>

#include "common/attrs.h"
#include "dogstatsd/context.h"
#include "dogstatsd/valueset.h"
#include "proto/control.h"

#define BH_CENSUS_ROWS_MAX 1000

struct bh_census_row {
	struct bh_key key; /* of the text counted; unused by metrics */
	char *name;        /* owned */
	char *tags;        /* owned: joined with blanks; metrics only, else NULL */
	uint64_t count;    /* samples, contexts or values */
	int64_t last_seen; /* metrics only */
};

/* Rows by key, open addressing; for metrics a plain list of the largest. */
struct bh_census_table {
	struct bh_census_row *v;
	size_t n, cap;
};

struct bh_census {
	enum bh_query_what what;
	size_t limit; /* rows of each kind */
	size_t at;    /* next slot of the contexts */
	size_t mask;  /* of the contexts that at refers to */
	uint64_t seen;
	struct bh_census_table metrics, names, tag_keys;
	struct bh_census_table picked; /* the largest of names, then of tag_keys */
	enum { BH_CENSUS_COUNT, BH_CENSUS_NAMES, BH_CENSUS_TAG_KEYS, BH_CENSUS_DONE } stage;
	struct bh_valueset tags; /* already counted */
	int failed;              /* -ENOMEM: what was counted so far is given */
};

void bh_census_begin(struct bh_census *s, enum bh_query_what what, size_t limit);
/* Looks at about `budget` contexts or rows. True when all is counted; the tables are sorted then,
 * largest first, and cut to the limit. */
bool bh_census_step(struct bh_census *s, struct bh_contexts *contexts, size_t budget);
void bh_census_release(struct bh_census *s); /* harmless on a zeroed struct */

#endif
