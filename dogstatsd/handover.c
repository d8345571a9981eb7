#include "dogstatsd/handover.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/crc.h"
#include "dogstatsd/pbwriter.h"
#include "dogstatsd/sampler_internal.h"

#define MAGIC       0x6f686862u /* "bhho" */
#define VERSION     1
#define CHUNK       ((size_t)256 << 10)
#define HEAD_SIZE   40
#define CRC_SIZE    sizeof(uint32_t)
#define CONTEXT_MIN 24 /* of a context, and of an aggregate: what a count is checked against */

/* --- writing -----------------------------------------------------------------------------------
 */

struct out {
	int fd;
	int rc; /* first error */
	uint32_t crc;
	uint64_t total;
	size_t n;
	char *buf; /* CHUNK bytes */
};

static void flush_out(struct out *o)
{
	size_t done = 0;

	o->crc = bh_crc32c(o->crc, o->buf, o->n);
	while (done < o->n && !o->rc) {
		ssize_t n = write(o->fd, o->buf + done, o->n - done);

		if (n < 0 && errno != EINTR)
			o->rc = -errno;
		else if (n > 0)
			done += (size_t)n;
	}
	o->total += o->n;
	o->n = 0;
	if (o->total > BH_HANDOVER_MAX && !o->rc)
		o->rc = BH_E_LIMIT;
}

static void put(struct out *o, const void *p, size_t n)
{
	const char *from = p;

	while (n && !o->rc) {
		size_t part = BH_MIN(n, CHUNK - o->n);

		memcpy(o->buf + o->n, from, part);
		o->n += part;
		from += part;
		n -= part;
		if (o->n == CHUNK)
			flush_out(o);
	}
}

static void put_u32(struct out *o, uint32_t v)
{
	put(o, &v, sizeof(v));
}

static void put_u64(struct out *o, uint64_t v)
{
	put(o, &v, sizeof(v));
}

static void put_i64(struct out *o, int64_t v)
{
	put(o, &v, sizeof(v));
}

static void put_f64(struct out *o, double v)
{
	put(o, &v, sizeof(v));
}

static void put_packed(struct out *o, struct bh_tags tags)
{
	uint8_t head[BH_PB_VARINT_MAX];
	struct bh_str tag;

	while (bh_tags_next(&tags, &tag)) {
		put(o, head, (size_t)(bh_pb_varint(head, tag.n) - head));
		put(o, tag.p, tag.n);
	}
}

static void put_context(struct out *o, const struct bh_context *ctx)
{
	put_i64(o, ctx->last_seen);
	put_u32(o, ctx->type);
	put_u32(o, (uint32_t)ctx->id.name.n);
	put_u32(o, (uint32_t)ctx->id.host.n);
	put_u32(o, ctx->id.tags.bytes);
	put(o, ctx->id.name.p, ctx->id.name.n);
	put(o, ctx->id.host.p, ctx->id.host.n);
	put_packed(o, ctx->id.tags);
}

/* Each context gets the number by which aggregates name it. Their table is settled. */
static void put_contexts(struct out *o, const struct bh_sampler *s)
{
	const struct bh_ctxmap *map = &s->contexts.by_identity;
	uint64_t number = 0;

	for (size_t i = 0; i <= map->mask; i++) {
		struct bh_context *ctx = map->slots[i].ctx;

		if (!ctx)
			continue;
		ctx->born = number++;
		put_context(o, ctx);
	}
}

static void put_set(struct out *o, const struct bh_valueset *set)
{
	put_u64(o, set->n);
	for (size_t i = 0; i < set->cap; i++) {
		if (set->slots[i].lo | set->slots[i].hi)
			put(o, &set->slots[i], sizeof(set->slots[i]));
	}
}

static void put_sketch(struct out *o, const struct bh_sketch *k)
{
	put_i64(o, k->cnt);
	put_f64(o, k->min);
	put_f64(o, k->max);
	put_f64(o, k->sum);
	put_f64(o, k->avg);
	put_u64(o, k->len);
	put(o, k->bins, k->len * sizeof(*k->bins));
}

static void put_aggregate(struct out *o, const struct bh_agg *a)
{
	put_u64(o, a->ctx->born);
	put_u32(o, a->type);
	put_u32(o, 0);
	switch ((enum bh_metric_type)a->type) {
	case BH_METRIC_GAUGE:
	case BH_METRIC_COUNTER:
		put_f64(o, a->u.value);
		break;
	case BH_METRIC_HISTOGRAM:
		put_f64(o, a->u.histogram->sum);
		put_u64(o, a->u.histogram->count);
		put_u64(o, a->u.histogram->n);
		put(o, a->u.histogram->v, a->u.histogram->n * sizeof(*a->u.histogram->v));
		break;
	case BH_METRIC_SET:
		put_set(o, a->u.set);
		break;
	case BH_METRIC_DISTRIBUTION:
		put_sketch(o, a->u.sketch);
		break;
	}
}

static uint64_t count_buckets(const struct bh_sampler *s)
{
	uint64_t n = 0;

	for (int i = 0; i < BH_STORE__N; i++) {
		for (const struct bh_bucket *b = s->stores[i].list; b; b = b->next)
			n++;
	}
	return n;
}

static void put_all(struct out *o, const struct bh_sampler *s)
{
	put_u32(o, MAGIC);
	put_u32(o, VERSION);
	put_u64(o, s->contexts.resolver.seed);
	put_i64(o, s->last_cutoff);
	put_u64(o, bh_contexts_count(&s->contexts));
	put_u64(o, count_buckets(s));
	put_contexts(o, s);
	for (uint32_t i = 0; i < BH_STORE__N; i++) {
		for (const struct bh_bucket *b = s->stores[i].list; b; b = b->next) {
			put_u32(o, i);
			put_u32(o, 0);
			put_i64(o, b->start);
			put_u64(o, b->n);
			for (size_t j = 0; j < b->n; j++)
				put_aggregate(o, bh_bucket_agg(b, j));
		}
	}
}

int bh_handover_write(struct bh_sampler *s, int fd, struct bh_err *err)
{
	struct out o = {.fd = fd, .buf = malloc(CHUNK)};
	size_t all = SIZE_MAX;

	if (!o.buf)
		return bh_err_set(err, -ENOMEM, "hand over open buckets");
	if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		o.rc = -errno;
	(void)bh_ctxmap_settle(&s->contexts.by_identity, &all);
	put_all(&o, s);
	flush_out(&o);
	put_u32(&o, o.crc);
	flush_out(&o);
	free(o.buf);
	if (o.rc)
		(void)!ftruncate(fd, 0);
	return o.rc ? bh_err_set(err, o.rc, "hand over open buckets") : 0;
}

/* --- reading -----------------------------------------------------------------------------------
 */

struct in {
	const char *p;
	size_t left;
	bool failed;
};

static const void *take(struct in *in, size_t n)
{
	const char *p = in->p;

	if (in->failed || n > in->left) {
		in->failed = true;
		return NULL;
	}
	in->p += n;
	in->left -= n;
	return p;
}

static void take_into(struct in *in, void *to, size_t n)
{
	const void *p = take(in, n);

	if (p && n)
		memcpy(to, p, n);
}

static uint32_t take_u32(struct in *in)
{
	uint32_t v = 0;

	take_into(in, &v, sizeof(v));
	return v;
}

static uint64_t take_u64(struct in *in)
{
	uint64_t v = 0;

	take_into(in, &v, sizeof(v));
	return v;
}

static int64_t take_i64(struct in *in)
{
	return (int64_t)take_u64(in);
}

static double take_f64(struct in *in)
{
	double v = 0;

	take_into(in, &v, sizeof(v));
	return v;
}

/* A count of things that take at least `each` bytes. */
static size_t take_count(struct in *in, size_t each)
{
	uint64_t n = take_u64(in);

	if (n > in->left / each)
		in->failed = true;
	return in->failed ? 0 : (size_t)n;
}

int bh_handover_open(struct bh_handover *h, int fd, struct bh_err *err)
{
	struct stat st;
	struct in in;
	uint32_t crc;

	*h = (struct bh_handover){.map = NULL};
	if (fstat(fd, &st) < 0)
		return bh_err_set(err, -errno, "open buckets of the process before");
	if ((uint64_t)st.st_size < HEAD_SIZE + CRC_SIZE ||
	    (uint64_t)st.st_size > BH_HANDOVER_MAX * 2)
		return bh_err_set(err, BH_E_FORMAT,
		    "open buckets of the process before: %lld bytes", (long long)st.st_size);
	h->n = (size_t)st.st_size;
	h->map = mmap(NULL, h->n, PROT_READ, MAP_PRIVATE, fd, 0);
	if (h->map == MAP_FAILED) {
		h->map = NULL;
		return bh_err_set(err, -errno, "open buckets of the process before");
	}
	in = (struct in){h->map, h->n - CRC_SIZE, false};
	memcpy(&crc, in.p + in.left, sizeof(crc));
	if (take_u32(&in) != MAGIC || take_u32(&in) != VERSION) {
		bh_handover_close(h);
		return bh_err_set(
		    err, BH_E_FORMAT, "open buckets of the process before: another format");
	}
	if (bh_crc32c(0, h->map, h->n - CRC_SIZE) != crc) {
		bh_handover_close(h);
		return bh_err_set(err, BH_E_CORRUPT, "open buckets of the process before");
	}
	h->seed = take_u64(&in);
	return 0;
}

void bh_handover_close(struct bh_handover *h)
{
	if (h->map)
		(void)munmap(h->map, h->n);
	*h = (struct bh_handover){.map = NULL};
}

/* What bh_tags_from_packed expects. */
static bool tags_fit(struct bh_str packed)
{
	if (packed.n > BH_TAGS_BYTES_MAX)
		return false;
	while (packed.n) {
		uint64_t len = 0;
		size_t i = 0;

		for (unsigned shift = 0;; shift += 7) {
			unsigned char c;

			if (i == packed.n || shift > 28)
				return false;
			c = (unsigned char)packed.p[i++];
			len |= (uint64_t)(c & 127) << shift;
			if (c < 128)
				break;
		}
		if (len > packed.n - i)
			return false;
		packed = (struct bh_str){packed.p + i + len, packed.n - i - (size_t)len};
	}
	return true;
}

/* Seconds whose bucket has a slot (struct bh_agg), with room for what is added to them. */
static bool time_fits(int64_t t)
{
	return t >= 0 && t / BH_BUCKET_S < INT32_MAX;
}

static int read_context(struct in *in, struct bh_sampler *s, struct bh_context **out)
{
	int64_t last_seen = take_i64(in);
	uint32_t type = take_u32(in), n[3];
	struct bh_str part[3];
	int rc;

	for (size_t i = 0; i < 3; i++)
		n[i] = take_u32(in);
	for (size_t i = 0; i < 3; i++)
		part[i] = (struct bh_str){take(in, n[i]), n[i]};
	if (in->failed || type > BH_METRIC_DISTRIBUTION || !time_fits(last_seen) ||
	    !tags_fit(part[2]))
		return BH_E_FORMAT;
	rc = bh_contexts_restore(&s->contexts,
	    &(struct bh_identity){part[0], part[1], bh_tags_from_packed(part[2])},
	    (enum bh_metric_type)type, out);
	if (rc)
		return rc;
	(*out)->last_seen = last_seen;
	return 0;
}

/* What the encoders rely on. */
static bool histogram_fits(const struct bh_histogram *h)
{
	uint64_t count = 0;

	for (size_t i = 0; i < h->n; i++) {
		if (!isfinite(h->v[i].v) || __builtin_add_overflow(count, h->v[i].weight, &count))
			return false;
	}
	return h->n && count == h->count;
}

static bool sketch_fits(const struct bh_sketch *k)
{
	int64_t cnt = 0;

	for (uint32_t i = 0; i < k->len; i++) {
		if (bh_bin_n(k->bins[i]) < 1 ||
		    __builtin_add_overflow(cnt, bh_bin_n(k->bins[i]), &cnt) ||
		    (i && bh_bin_key(k->bins[i]) <= bh_bin_key(k->bins[i - 1])))
			return false;
	}
	return k->len && cnt == k->cnt;
}

static int read_histogram(struct in *in, struct bh_histogram *h)
{
	size_t n;

	h->sum = take_f64(in);
	h->count = take_u64(in);
	n = take_count(in, sizeof(*h->v));
	h->v = calloc(n ? n : 1, sizeof(*h->v));
	if (!h->v)
		return -ENOMEM;
	take_into(in, h->v, n * sizeof(*h->v));
	h->n = h->cap = n;
	return histogram_fits(h) ? 0 : BH_E_FORMAT;
}

static int read_set(struct in *in, struct bh_valueset *set)
{
	size_t n = take_count(in, sizeof(struct bh_key));
	int rc = 0;

	for (size_t i = 0; i < n && !rc; i++) {
		struct bh_key key = {0, 0};

		take_into(in, &key, sizeof(key));
		rc = bh_valueset_add_key(set, key);
	}
	return rc;
}

static int read_sketch(struct in *in, struct bh_sketch *k)
{
	size_t n;

	k->cnt = take_i64(in);
	k->min = take_f64(in);
	k->max = take_f64(in);
	k->sum = take_f64(in);
	k->avg = take_f64(in);
	n = take_count(in, sizeof(*k->bins));
	if (n > BH_SKETCH_BINS_MAX)
		return BH_E_FORMAT;
	k->bins = calloc(n ? n : 1, sizeof(*k->bins));
	if (!k->bins)
		return -ENOMEM;
	take_into(in, k->bins, n * sizeof(*k->bins));
	k->len = k->cap = (uint32_t)n;
	return sketch_fits(k) ? 0 : BH_E_FORMAT;
}

static int read_value(struct in *in, struct bh_agg *a)
{
	switch ((enum bh_metric_type)a->type) {
	case BH_METRIC_GAUGE:
	case BH_METRIC_COUNTER:
		a->u.value = take_f64(in);
		return 0;
	case BH_METRIC_HISTOGRAM:
		return read_histogram(in, a->u.histogram);
	case BH_METRIC_SET:
		return read_set(in, a->u.set);
	case BH_METRIC_DISTRIBUTION:
		return read_sketch(in, a->u.sketch);
	}
	return BH_E_FORMAT;
}

static int read_aggregate(struct in *in, struct bh_bucket *b, enum bh_store store,
    struct bh_context **contexts, size_t contexts_n)
{
	uint64_t number = take_u64(in);
	uint32_t type = take_u32(in);
	bool sketch = type == BH_METRIC_DISTRIBUTION;
	int rc;

	(void)take_u32(in);
	if (in->failed || number >= contexts_n || type > BH_METRIC_DISTRIBUTION ||
	    sketch != (store == BH_STORE_SKETCHES) ||
	    (!sketch && contexts[number]->places[store].bucket == b->id))
		return BH_E_FORMAT;
	rc = bh_bucket_append(b, contexts[number], (enum bh_metric_type)type, store);
	if (!rc)
		rc = read_value(in, bh_bucket_agg(b, b->n - 1));
	return rc ? rc : in->failed ? BH_E_FORMAT : 0;
}

/* Buckets of a store come in ascending order. */
static int read_bucket(
    struct in *in, struct bh_sampler *s, struct bh_context **contexts, size_t contexts_n)
{
	uint32_t store = take_u32(in);
	struct bh_bucket **at, *b;
	int64_t start;
	size_t n;
	int rc = 0;

	(void)take_u32(in);
	start = take_i64(in);
	n = take_count(in, CONTEXT_MIN);
	if (in->failed || store >= BH_STORE__N || !time_fits(start) ||
	    start != bh_bucket_floor(start))
		return BH_E_FORMAT;
	for (at = &s->stores[store].list; *at; at = &(*at)->next) {
		if ((*at)->start >= start)
			return BH_E_FORMAT;
	}
	b = bh_sampler_new_bucket(s, start);
	if (!b)
		return -ENOMEM;
	*at = b;
	for (size_t i = 0; i < n && !rc; i++)
		rc = read_aggregate(in, b, (enum bh_store)store, contexts, contexts_n);
	return rc;
}

static int read_all(struct in *in, struct bh_sampler *s)
{
	struct bh_context **contexts;
	size_t contexts_n;
	uint64_t buckets;
	int rc = 0;

	(void)take(in, 16); /* magic, version, seed: read by open */
	s->last_cutoff = take_i64(in);
	if (!time_fits(s->last_cutoff))
		return BH_E_FORMAT;
	contexts_n = take_count(in, CONTEXT_MIN);
	buckets = take_u64(in);
	contexts = calloc(contexts_n ? contexts_n : 1, sizeof(struct bh_context *));
	if (!contexts)
		return -ENOMEM;
	for (size_t i = 0; i < contexts_n && !rc; i++)
		rc = read_context(in, s, &contexts[i]);
	for (uint64_t i = 0; i < buckets && !rc; i++)
		rc = read_bucket(in, s, contexts, contexts_n);
	free((void *)contexts);
	return rc ? rc : in->left ? BH_E_FORMAT : 0;
}

int bh_handover_read(const struct bh_handover *h, struct bh_sampler *s, struct bh_err *err)
{
	struct in in = {h->map, h->n - CRC_SIZE, false};
	int rc = read_all(&in, s);

	return rc ? bh_err_set(err, rc, "open buckets of the process before") : 0;
}
