#include "dogstatsd/sketch.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Constants of §11.1, spelled out so that no library's log1p or pow decides them. */
#define LN_GAMMA 0.015504186535965254
#define V_MIN    9.9418540891213681e-10
#define BIAS     1338

void bh_sketch_release(struct bh_sketch *s)
{
	free(s->bins);
	*s = (struct bh_sketch)BH_SKETCH_INIT;
}

int bh_sketch_key(double v)
{
	double k;

	if (v < 0)
		return -bh_sketch_key(-v);
	if (v < V_MIN)
		return 0;
	k = rint(log(v) / LN_GAMMA) + BIAS;
	if (k < 1)
		return 1;
	return k > BH_SKETCH_KEY_INF ? BH_SKETCH_KEY_INF : (int)k;
}

/* First bin whose key is not below the wanted one. */
static uint32_t lower_bound(const struct bh_sketch *s, int key)
{
	uint32_t lo = 0, hi = s->len;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (bh_bin_key(s->bins[mid]) < key)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int grow(struct bh_sketch *s)
{
	uint32_t cap = s->cap ? s->cap * 2 : 8;
	struct bh_bin *bins = realloc(s->bins, cap * sizeof(*bins));

	if (!bins)
		return -ENOMEM;
	s->bins = bins;
	s->cap = cap;
	return 0;
}

/* Raises the count by up to n; returns by how much. */
static int64_t raise_bin(struct bh_bin *bin, int64_t n)
{
	int64_t room = BH_BIN_N_MAX - bh_bin_n(*bin), added = BH_MIN(n, room);

	bin->word += (uint64_t)added;
	return added;
}

/* One bin too many: the lowest goes into its neighbour. */
static void fold_lowest(struct bh_sketch *s)
{
	(void)raise_bin(
	    &s->bins[1], bh_bin_n(s->bins[0])); /* cannot overflow before 2^48 samples */
	s->len--;
	memmove(s->bins, s->bins + 1, s->len * sizeof(*s->bins));
	if (s->last > 0)
		s->last--;
}

/* Adds up to n to the bin of key; *added tells how much fitted. */
static int add_to_bin(struct bh_sketch *s, int key, int64_t n, int64_t *added)
{
	uint32_t i = s->last;
	int rc;

	if (i >= s->len || bh_bin_key(s->bins[i]) != key) {
		i = lower_bound(s, key);
		if (i == s->len || bh_bin_key(s->bins[i]) != key) {
			rc = s->len == s->cap ? grow(s) : 0;
			if (rc < 0)
				return rc;
			memmove(s->bins + i + 1, s->bins + i, (s->len - i) * sizeof(*s->bins));
			s->bins[i].word = (uint64_t)(uint16_t)key << 48;
			s->len++;
		}
		s->last = i;
	}
	*added = raise_bin(&s->bins[i], n);
	if (s->len > BH_SKETCH_BINS_MAX)
		fold_lowest(s);
	return 0;
}

/* Infinity must not leave the process; it can only come from sums near the largest double. */
static double bounded(double v)
{
	return v > DBL_MAX ? DBL_MAX : v < -DBL_MAX ? -DBL_MAX : v;
}

int bh_sketch_add(struct bh_sketch *s, double v, double rate)
{
	double q = rate > 0 && rate < 1 ? 1 / rate : 1;
	int64_t n = q < (double)UINT32_MAX ? (int64_t)q : (int64_t)UINT32_MAX, added;
	int rc;

	rc = add_to_bin(s, bh_sketch_key(v), n, &added);
	if (rc < 0 || added == 0)
		return rc;
	if (s->cnt == 0) {
		s->min = s->max = s->avg = v;
		s->sum = bounded(q * v);
		s->cnt = added;
		return 0;
	}
	s->cnt += added;
	s->min = BH_MIN(s->min, v);
	s->max = BH_MAX(s->max, v);
	s->sum = bounded(s->sum + q * v);
	s->avg = bounded(s->avg + bounded(v - s->avg) * (double)added / (double)s->cnt);
	return 0;
}

int bh_sketch_merge(struct bh_sketch *s, const struct bh_sketch *other)
{
	size_t need = BH_MIN((size_t)s->len + other->len, (size_t)BH_SKETCH_BINS_MAX + 1);
	int64_t before = s->cnt;

	while (s->cap < need) {
		if (grow(s) < 0)
			return -ENOMEM;
	}
	for (uint32_t i = 0; i < other->len; i++) {
		int64_t added = 0;

		/* There is room: this allocates nothing. */
		(void)add_to_bin(s, bh_bin_key(other->bins[i]), bh_bin_n(other->bins[i]), &added);
		s->cnt += added;
	}
	if (s->cnt == before)
		return 0;
	s->min = before ? BH_MIN(s->min, other->min) : other->min;
	s->max = before ? BH_MAX(s->max, other->max) : other->max;
	s->sum = bounded(s->sum + other->sum);
	s->avg = bounded(
	    s->avg + bounded(other->avg - s->avg) * (double)(s->cnt - before) / (double)s->cnt);
	return 0;
}
