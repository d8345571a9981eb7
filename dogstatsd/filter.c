#include "dogstatsd/filter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare(struct bh_str a, struct bh_str b)
{
	size_t n = BH_MIN(a.n, b.n);
	int d = n ? memcmp(a.p, b.p, n) : 0;

	return d ? d : (a.n > b.n) - (a.n < b.n);
}

static int compare_entries(const void *a, const void *b)
{
	return compare(*(const struct bh_str *)a, *(const struct bh_str *)b);
}

static bool covers(const struct bh_filter *f, struct bh_str entry, struct bh_str name)
{
	return f->prefix ? bh_str_starts(name, entry) : bh_str_eq(name, entry);
}

/* An entry that the one before it covers is never needed, and would hide it from the search. */
static void drop_covered(struct bh_filter *f)
{
	size_t kept = 0;

	for (size_t i = 0; i < f->n; i++) {
		if (kept == 0 || !covers(f, f->v[kept - 1], f->v[i]))
			f->v[kept++] = f->v[i];
	}
	f->n = kept;
}

static bool ends_in_one(struct bh_str name, const struct bh_str *suffixes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (bh_str_ends(name, suffixes[i]))
			return true;
	}
	return false;
}

int bh_filter_init(struct bh_filter *f, const struct bh_strlist *names, bool prefix,
    const struct bh_str *suffixes, size_t suffixes_n)
{
	*f = (struct bh_filter){.prefix = prefix};
	if (names->n == 0)
		return 0;
	f->v = calloc(names->n, sizeof(*f->v));
	if (!f->v)
		return -ENOMEM;
	for (size_t i = 0; i < names->n; i++) {
		struct bh_str name = bh_str_from(names->v[i]);

		if (!suffixes || ends_in_one(name, suffixes, suffixes_n))
			f->v[f->n++] = name;
	}
	qsort(f->v, f->n, sizeof(*f->v), compare_entries);
	drop_covered(f);
	return 0;
}

int bh_filter_configured(struct bh_filter *f, const struct bh_config *cfg,
    const struct bh_str *suffixes, size_t suffixes_n)
{
	if (cfg->metric_filterlist.n)
		return bh_filter_init(f, &cfg->metric_filterlist,
		    cfg->metric_filterlist_match_prefix, suffixes, suffixes_n);
	return bh_filter_init(f, &cfg->statsd_metric_blocklist,
	    cfg->statsd_metric_blocklist_match_prefix, suffixes, suffixes_n);
}

void bh_filter_release(struct bh_filter *f)
{
	free(f->v);
	*f = (struct bh_filter){NULL, 0, false};
}

bool bh_filter_matches(const struct bh_filter *f, struct bh_str name)
{
	size_t lo = 0, hi = f->n;

	/* The last entry that is not behind the name is the only one that can cover it. */
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (compare(f->v[mid], name) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo > 0 && covers(f, f->v[lo - 1], name);
}
