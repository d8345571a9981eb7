#include "common/fill.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/child.h"

uint64_t bh_fill_bound(unsigned bin)
{
	return bin ? UINT64_C(1) << (2 * (bin - 1)) : 0;
}

/* The first whose bound is not below it. */
static unsigned bin_of(uint64_t level)
{
	unsigned bits = level > 1 ? 64 - (unsigned)__builtin_clzll(level - 1) : 0;

	return level ? 1 + (bits + 1) / 2 : 0;
}

void bh_fill_see(struct bh_fill *f, uint64_t level, uint64_t max, int64_t now_ns)
{
	double lasted = (double)BH_MAX(now_ns - f->at_ns, 0);

	if (f->looks == 0)
		f->mean = (double)level;
	else
		f->mean += ((double)level - f->mean) * lasted / (lasted + (double)BH_FILL_MEAN_NS);
	f->level = level;
	f->max = max;
	f->at_ns = now_ns;
	f->looks++;
	f->sum += level;
	if (level <= BH_FILL_TOP)
		f->bins[bin_of(level)]++;
}

static void report(
    struct bh_child *child, const char *component, const char *kind, const char *what, uint64_t n)
{
	char name[BH_LEDGER_NAME_MAX + 1];

	(void)snprintf(name, sizeof(name), "buffer/%.100s/%s_%s", component, kind, what);
	bh_child_stat_number(child, name, n);
}

/* The bound stands before the field, as a number is written on the page. */
static void report_bin(
    struct bh_child *child, const char *component, const char *kind, const char *bound, uint64_t n)
{
	char with[160];

	(void)snprintf(with, sizeof(with), "%.100s/%s", component, bound);
	report(child, with, kind, "bucket", n);
}

void bh_fill_report(
    const struct bh_fill *f, const char *component, const char *kind, struct bh_child *child)
{
	uint64_t below = 0;

	report(child, component, kind, "level", f->level);
	report(child, component, kind, "max", f->max);
	report(child, component, kind, "mean", (uint64_t)(f->mean * 1000 + 0.5));
	for (unsigned i = 0; i < BH_FILL_BINS; i++) {
		char bound[24];

		below += f->bins[i];
		(void)snprintf(bound, sizeof(bound), "%" PRIu64 ".0", bh_fill_bound(i));
		report_bin(child, component, kind, bound, below);
	}
	report_bin(child, component, kind, "+Inf", f->looks);
	report(child, component, kind, "count", f->looks);
	report(child, component, kind, "sum", f->sum);
}
