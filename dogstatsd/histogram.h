/*
 * Histograms (h and ms) of one bucket: values with their weights, and the series they become
 * (spec/dogstatsd.md §9.5).
 */
#ifndef BH_DOGSTATSD_HISTOGRAM_H
#define BH_DOGSTATSD_HISTOGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/config.h"

enum bh_aggregate {
	BH_AGG_MAX,
	BH_AGG_MIN,
	BH_AGG_MEDIAN,
	BH_AGG_AVG,
	BH_AGG_SUM,
	BH_AGG_COUNT,
	BH_AGG_PERCENTILE
};

struct bh_hist_output {
	enum bh_aggregate what;
	int percent;     /* BH_AGG_PERCENTILE: 0..100 */
	char suffix[16]; /* ".max", ".95percentile" */
};

#define BH_HIST_OUTPUTS_MAX 107 /* six aggregates and 0..100 percent */

/* What every histogram is turned into. */
struct bh_hist_outputs {
	struct bh_hist_output v[BH_HIST_OUTPUTS_MAX];
	size_t n;
	size_t skipped; /* configured words that mean nothing */
};

/* From histogram_aggregates and histogram_percentiles; order as configured, percentiles ascending,
 * repetitions once. Never fails: words that mean nothing are counted and left out. */
void bh_hist_outputs_init(struct bh_hist_outputs *o, const struct bh_strlist *aggregates,
    const struct bh_strlist *percentiles);

struct bh_hist_value {
	double v;
	uint64_t weight;
};

struct bh_histogram {
	struct bh_hist_value *v; /* owned */
	size_t n, cap;
	uint64_t count; /* sum of weights */
	double sum;
	bool sorted;
};

#define BH_HISTOGRAM_INIT \
	{ \
		0 \
	}

void bh_histogram_release(struct bh_histogram *h);

/* A finite value at this rate (NaN, <= 0 and > 1 count as 1). 0 or -ENOMEM, then unchanged. */
int bh_histogram_add(struct bh_histogram *h, double v, double rate) BH_MUST_CHECK;

/* Value of one output; h has at least one value and is sorted by the first call. The caller
 * divides BH_AGG_COUNT by the bucket length. */
double bh_histogram_result(struct bh_histogram *h, const struct bh_hist_output *o);

#endif
