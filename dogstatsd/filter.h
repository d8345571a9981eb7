/*
 * A list of metric names to drop (spec/dogstatsd.md §8.4): names compared whole, or as prefixes.
 * Looking up costs the logarithm of the list.
 */
#ifndef BH_DOGSTATSD_FILTER_H
#define BH_DOGSTATSD_FILTER_H

#include <stdbool.h>

#include "common/attrs.h"
#include "common/config.h"
#include "common/str.h"

struct bh_filter {
	struct bh_str *v; /* owned array, strings borrowed; sorted, no entry makes another idle */
	size_t n;
	bool prefix;
};

/* The lists must outlive the filter. suffixes: only entries that end in one of them are taken
 * (NULL: all). 0 or -ENOMEM. */
int bh_filter_init(struct bh_filter *f, const struct bh_strlist *names, bool prefix,
    const struct bh_str *suffixes, size_t suffixes_n) BH_MUST_CHECK;
/* The list of the configuration: metric_filterlist, or the older statsd_metric_blocklist while that
 * is empty. */
int bh_filter_configured(struct bh_filter *f, const struct bh_config *cfg,
    const struct bh_str *suffixes, size_t suffixes_n) BH_MUST_CHECK;
void bh_filter_release(struct bh_filter *f);

bool bh_filter_matches(const struct bh_filter *f, struct bh_str name);

#endif
