#include "dogstatsd/histogram.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dogstatsd/number.h"

static const char *const aggregate_names[] = {
    [BH_AGG_MAX] = "max",
    [BH_AGG_MIN] = "min",
    [BH_AGG_MEDIAN] = "median",
    [BH_AGG_AVG] = "avg",
    [BH_AGG_SUM] = "sum",
    [BH_AGG_COUNT] = "count",
};

static void add_output(struct bh_hist_outputs *o, enum bh_aggregate what, int percent)
{
	struct bh_hist_output *out = &o->v[o->n];

	for (size_t i = 0; i < o->n; i++) {
		if (o->v[i].what == what && o->v[i].percent == percent)
			return;
	}
	*out = (struct bh_hist_output){.what = what, .percent = percent};
	if (what == BH_AGG_PERCENTILE)
		(void)snprintf(out->suffix, sizeof(out->suffix), ".%dpercentile", percent);
	else
		(void)snprintf(out->suffix, sizeof(out->suffix), ".%s", aggregate_names[what]);
	o->n++;
}

static bool add_aggregate(struct bh_hist_outputs *o, const char *word)
{
	for (size_t i = 0; i < BH_ARRAY_LEN(aggregate_names); i++) {
		if (strcmp(word, aggregate_names[i]) == 0) {
			add_output(o, (enum bh_aggregate)i, 0);
			return true;
		}
	}
	return false;
}

void bh_hist_outputs_init(struct bh_hist_outputs *o, const struct bh_strlist *aggregates,
    const struct bh_strlist *percentiles)
{
	bool wanted[101] = {false};

	memset(o, 0, sizeof(*o));
	for (size_t i = 0; i < aggregates->n; i++)
		o->skipped += !add_aggregate(o, aggregates->v[i]);
	for (size_t i = 0; i < percentiles->n; i++) {
		const char *text = percentiles->v[i];
		double x;

		if (bh_parse_float(text, strlen(text), &x) < 0 || !(x >= 0 && x <= 1))
			o->skipped++;
		else
			wanted[(int)(100 * x + 0.5)] = true;
	}
	for (int p = 0; p <= 100; p++) {
		if (wanted[p])
			add_output(o, BH_AGG_PERCENTILE, p);
	}
}

void bh_histogram_release(struct bh_histogram *h)
{
	free(h->v);
	*h = (struct bh_histogram)BH_HISTOGRAM_INIT;
}

int bh_histogram_add(struct bh_histogram *h, double v, double rate)
{
	double q = rate > 0 && rate < 1 ? 1 / rate : 1;
	uint64_t weight = q < (double)UINT32_MAX ? (uint64_t)q : UINT32_MAX;

	if (h->n == h->cap) {
		size_t cap = h->cap ? 2 * h->cap : 8;
		struct bh_hist_value *grown = realloc(h->v, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		h->v = grown;
		h->cap = cap;
	}
	h->v[h->n++] = (struct bh_hist_value){v, weight};
	h->count += weight;
	h->sum += v * q;
	h->sorted = false;
	return 0;
}

static int compare_values(const void *va, const void *vb)
{
	const struct bh_hist_value *a = va, *b = vb;

	return (a->v > b->v) - (a->v < b->v);
}

/* First value whose cumulative weight exceeds target. */
static double value_beyond(const struct bh_histogram *h, uint64_t target)
{
	uint64_t cumulative = 0;

	for (size_t i = 0; i < h->n; i++) {
		cumulative += h->v[i].weight;
		if (cumulative > target)
			return h->v[i].v;
	}
	return h->v[h->n - 1].v;
}

double bh_histogram_result(struct bh_histogram *h, const struct bh_hist_output *o)
{
	if (!h->sorted) {
		qsort(h->v, h->n, sizeof(*h->v), compare_values);
		h->sorted = true;
	}
	switch (o->what) {
	case BH_AGG_MAX:
		return h->v[h->n - 1].v;
	case BH_AGG_MIN:
		return h->v[0].v;
	case BH_AGG_MEDIAN:
		return value_beyond(h, (h->count - 1) / 2);
	case BH_AGG_AVG:
		return h->sum / (double)h->count;
	case BH_AGG_SUM:
		return h->sum;
	case BH_AGG_COUNT:
		return (double)h->count;
	case BH_AGG_PERCENTILE:
		/* Division of integers truncates toward zero: (0 * count - 1) / 100 is 0. The
		 * product fits: weights are below 2^32 and values fewer than 2^25. */
		return value_beyond(
		    h, o->percent ? ((uint64_t)o->percent * h->count - 1) / 100 : 0);
	}
	return NAN;
}
