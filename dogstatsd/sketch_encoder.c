#include "dogstatsd/sketch_encoder.h"

#include "dogstatsd/entry.h"
#include "dogstatsd/pbwriter.h"
#include "dogstatsd/series_encoder.h"

enum sketch_field {
	F_METRIC = 1,
	F_HOST = 2,
	F_TAGS = 4,
	F_DOGSKETCHES = 7,
	F_METADATA = 8,
};

#define FIXED_MAX       64
#define POINT_FIXED_MAX 96 /* frames, ts, cnt and four doubles */
#define KEY_MAX         3  /* zigzag of 16 bits */
#define COUNT_MAX       5

/* n of the schema has 32 bits: a larger count is several bins of the same key. */
static uint64_t pieces(int64_t n)
{
	return ((uint64_t)n + UINT32_MAX - 1) / UINT32_MAX;
}

static uint64_t piece(int64_t n, uint64_t i)
{
	uint64_t left = (uint64_t)n - i * UINT32_MAX;

	return BH_MIN(left, (uint64_t)UINT32_MAX);
}

struct sizes {
	size_t keys, counts; /* bytes of the packed columns */
};

static struct sizes measure(const struct bh_sketch *s)
{
	struct sizes z = {0, 0};

	for (uint32_t b = 0; b < s->len; b++) {
		int64_t n = bh_bin_n(s->bins[b]);

		for (uint64_t i = 0; i < pieces(n); i++) {
			z.keys += bh_pb_varint_size(bh_pb_zigzag(bh_bin_key(s->bins[b])));
			z.counts += bh_pb_varint_size(piece(n, i));
		}
	}
	return z;
}

static uint8_t *put_keys(uint8_t *w, const struct bh_sketch *s)
{
	for (uint32_t b = 0; b < s->len; b++) {
		for (uint64_t i = 0; i < pieces(bh_bin_n(s->bins[b])); i++)
			w = bh_pb_varint(w, bh_pb_zigzag(bh_bin_key(s->bins[b])));
	}
	return w;
}

static uint8_t *put_counts(uint8_t *w, const struct bh_sketch *s)
{
	for (uint32_t b = 0; b < s->len; b++) {
		int64_t n = bh_bin_n(s->bins[b]);

		for (uint64_t i = 0; i < pieces(n); i++)
			w = bh_pb_varint(w, piece(n, i));
	}
	return w;
}

static uint8_t *put_point(uint8_t *w, const struct bh_sketch_point *p)
{
	const struct bh_sketch *s = p->sketch;
	struct sizes z = measure(s);
	size_t size = 1 + bh_pb_varint_size((uint64_t)p->ts) + 1 +
		      bh_pb_varint_size((uint64_t)s->cnt) + (size_t)4 * 9 +
		      bh_pb_string_size(z.keys) + bh_pb_string_size(z.counts);

	w = bh_pb_varint(bh_pb_tag(w, F_DOGSKETCHES, BH_PB_BYTES), size);
	w = bh_pb_u64(w, 1, (uint64_t)p->ts);
	w = bh_pb_u64(w, 2, (uint64_t)s->cnt);
	w = bh_pb_double(w, 3, s->min);
	w = bh_pb_double(w, 4, s->max);
	w = bh_pb_double(w, 5, s->avg);
	w = bh_pb_double(w, 6, s->sum);
	w = put_keys(bh_pb_varint(bh_pb_tag(w, 7, BH_PB_BYTES), z.keys), s);
	return put_counts(bh_pb_varint(bh_pb_tag(w, 8, BH_PB_BYTES), z.counts), s);
}

static size_t bound(const struct bh_identity *id, struct bh_tags extra,
    const struct bh_sketch_point *points, size_t n)
{
	size_t total = FIXED_MAX + id->name.n + id->host.n + id->tags.bytes + id->tags.n +
		       extra.bytes + extra.n;

	for (size_t p = 0; p < n; p++) {
		const struct bh_sketch *s = points[p].sketch;
		/* Every bin of more than 2^32 - 1 is split; together no more often than this. */
		uint64_t bins = s->len + (uint64_t)s->cnt / UINT32_MAX;

		total += POINT_FIXED_MAX + bins * (KEY_MAX + COUNT_MAX);
	}
	return total;
}

int bh_sketch_encode(const struct bh_identity *id, struct bh_tags extra,
    const struct bh_sketch_point *points, size_t n, struct bh_buf *scratch, struct bh_str *item)
{
	struct bh_tags rest = id->tags;
	struct bh_str tag;
	uint8_t *start = NULL, *w;
	int rc;

	rc = bh_entry_begin(scratch, bound(id, extra, points, n), &start);
	if (rc != 0)
		return rc;
	w = bh_pb_string(start, F_METRIC, id->name);
	w = bh_pb_string(w, F_HOST, id->host);
	while (bh_tags_next(&rest, &tag) || bh_tags_next(&extra, &tag))
		w = bh_pb_string(w, F_TAGS, tag);
	for (size_t i = 0; i < n; i++)
		w = put_point(w, &points[i]);
	w = bh_entry_metadata(w, F_METADATA, BH_ORIGIN_CATEGORY_DOGSTATSD);
	*item = bh_entry_end(scratch, start, w);
	return 0;
}
