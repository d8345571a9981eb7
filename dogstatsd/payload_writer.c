#include "dogstatsd/payload_writer.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"

static size_t limit(int64_t configured, size_t max)
{
	return configured > 0 && (uint64_t)configured < max ? (size_t)configured : max;
}

static enum bh_encoding encoding_of(const char *word)
{
	if (strcmp(word, "zstd") == 0)
		return BH_ENC_ZSTD;
	return strcmp(word, "zlib") == 0 ? BH_ENC_DEFLATE : BH_ENC_IDENTITY;
}

void bh_payload_writer_init(
    struct bh_payload_writer *w, const struct bh_config *cfg, bh_payload_emit_fn *emit, void *ctx)
{
	*w = (struct bh_payload_writer){.emit = emit, .ctx = ctx};
	bh_compressor_init(&w->compressor, encoding_of(cfg->serializer_compressor_kind),
	    (int)cfg->serializer_zstd_compressor_level);
	/* The link carries no larger body than its own bound, whatever is configured. */
	w->series = (struct bh_payload_limits){
	    .compressed = limit(cfg->serializer_max_series_payload_size, BH_LINK_BODY_MAX),
	    .raw = limit(cfg->serializer_max_series_uncompressed_payload_size, BH_BUF_MAX / 4),
	    .points = (uint32_t)limit(cfg->serializer_max_series_points_per_payload, INT32_MAX),
	};
	w->general = (struct bh_payload_limits){
	    .compressed = limit(cfg->serializer_max_payload_size, BH_LINK_BODY_MAX),
	    .raw = limit(cfg->serializer_max_uncompressed_payload_size, BH_BUF_MAX / 4),
	};
}

void bh_payload_writer_release(struct bh_payload_writer *w)
{
	bh_compressor_release(&w->compressor);
}

const struct bh_payload_limits *bh_payload_writer_limits(
    const struct bh_payload_writer *w, enum bh_kind kind)
{
	return kind == BH_KIND_SERIES_V2 ? &w->series : &w->general;
}

void bh_payload_writer_begin(struct bh_payload_writer *w, enum bh_kind kind, struct bh_str tail)
{
	w->kind = kind;
	w->tail = tail;
}

static void give_up(struct bh_payload_writer *w)
{
	w->lost += w->items;
	w->items = 0;
	w->open = false;
}

static void emit(struct bh_payload_writer *w)
{
	const struct bh_buf *out = &w->compressor.out;
	struct bh_payload *p = malloc(sizeof(*p) + out->len);

	if (!p) {
		give_up(w);
		return;
	}
	*p = (struct bh_payload){
	    .kind = w->kind,
	    .encoding = w->compressor.encoding,
	    .items = w->items,
	    .raw_len = w->raw,
	    .len = out->len,
	};
	memcpy(p->body, out->data, out->len);
	w->items = 0;
	w->open = false;
	w->emit(w->ctx, p);
}

static void close_payload(struct bh_payload_writer *w)
{
	w->raw += w->tail.n;
	if (bh_compressor_feed(&w->compressor, w->tail) < 0 ||
	    bh_compressor_end(&w->compressor) < 0)
		give_up(w);
	else
		emit(w);
}

static bool compressed_fits(
    struct bh_payload_writer *w, const struct bh_payload_limits *l, size_t n)
{
	const struct bh_compressor *c = &w->compressor;
	size_t more = bh_compressor_bound(c, c->pending + n + w->tail.n);

	return c->out.len + more + bh_compressor_overhead(c) <= l->compressed;
}

/* Whether n bytes and their points still belong into the open payload. Negative: it broke. */
static int fits(struct bh_payload_writer *w, size_t n, uint32_t points)
{
	const struct bh_payload_limits *l = bh_payload_writer_limits(w, w->kind);
	int rc;

	if (w->raw + n + w->tail.n > l->raw)
		return 0;
	if (l->points && (uint64_t)w->items + points > l->points)
		return 0;
	if (compressed_fits(w, l, n))
		return 1;
	if (w->flushes == BH_COMPRESSOR_FLUSHES_MAX || w->compressor.pending == 0)
		return 0;
	rc = bh_compressor_flush(&w->compressor);
	w->flushes++;
	return rc < 0 ? rc : compressed_fits(w, l, n);
}

static bool fits_alone(const struct bh_payload_writer *w, size_t n)
{
	const struct bh_payload_limits *l = bh_payload_writer_limits(w, w->kind);
	const struct bh_compressor *c = &w->compressor;

	n += w->tail.n;
	return n <= l->raw &&
	       bh_compressor_bound(c, n) + bh_compressor_overhead(c) <= l->compressed;
}

static bool open_payload(struct bh_payload_writer *w)
{
	if (bh_compressor_begin(&w->compressor) < 0)
		return false;
	w->open = true;
	w->items = 0;
	w->raw = 0;
	w->flushes = 0;
	return true;
}

void bh_payload_writer_add(
    struct bh_payload_writer *w, struct bh_joint joint, struct bh_str entry, uint32_t points)
{
	size_t n = BH_MAX(joint.first.n, joint.next.n) + entry.n;
	struct bh_str before;
	int rc;

	if (!fits_alone(w, n)) {
		w->too_big += points;
		return;
	}
	if (w->open) {
		rc = fits(w, n, points);
		if (rc == 0)
			close_payload(w);
		else if (rc < 0)
			give_up(w);
	}
	before = w->open ? joint.next : joint.first;
	if (!w->open && !open_payload(w)) {
		w->lost += points;
		return;
	}
	w->items += points;
	w->raw += before.n + entry.n;
	if (bh_compressor_feed(&w->compressor, before) < 0 ||
	    bh_compressor_feed(&w->compressor, entry) < 0)
		give_up(w);
}

void bh_payload_writer_finish(struct bh_payload_writer *w)
{
	if (w->open)
		close_payload(w);
	bh_compressor_rest(&w->compressor);
}
