#include "dogstatsd/output.h"

#include <math.h>
#include <stdlib.h>

void bh_output_init(struct bh_output *o, struct bh_payload_writer *writer,
    const struct bh_hist_outputs *hist, const struct bh_filter *hist_filter,
    const struct bh_series_format *format)
{
	*o = (struct bh_output){
	    .writer = writer, .hist = hist, .hist_filter = hist_filter, .format = format};
}

void bh_output_release(struct bh_output *o)
{
	bh_buf_release(&o->entry);
	bh_buf_release(&o->name);
	free(o->points);
	free(o->sketches);
	*o = (struct bh_output){0};
}

int bh_output_hist_filter(
    struct bh_filter *f, const struct bh_config *cfg, const struct bh_hist_outputs *hist)
{
	struct bh_str suffixes[BH_HIST_OUTPUTS_MAX];

	for (size_t i = 0; i < hist->n; i++)
		suffixes[i] = bh_str_from(hist->v[i].suffix);
	return bh_filter_configured(f, cfg, suffixes, hist->n);
}

static void write_series(struct bh_output *o, const struct bh_series *s)
{
	struct bh_str entry;

	if (o->format->encode(s, &o->entry, &entry) < 0)
		o->lost += s->n;
	else
		bh_payload_writer_add(o->writer, o->format->joint, entry, (uint32_t)s->n);
}

void bh_output_series(struct bh_output *o, const struct bh_series *s)
{
	uint32_t limit = bh_payload_writer_limits(o->writer, o->format->kind)->points;
	struct bh_series part = *s;
	size_t left = s->n;

	o->received += s->n;
	part.extra = o->extra;
	while (left > 0) {
		part.n = limit ? BH_MIN(left, (size_t)limit) : left;
		write_series(o, &part);
		part.points += part.n;
		left -= part.n;
	}
}

/* The array with room for n elements; NULL without memory (the old one stays). */
static void *reserve(void *array, size_t *cap, size_t n, size_t size)
{
	if (n <= *cap)
		return array;
	array = realloc(array, 2 * n * size);
	if (array)
		*cap = 2 * n;
	return array;
}

static void add_point(struct bh_output *o, size_t *n, int64_t ts, double v)
{
	struct bh_point *room;

	if (!isfinite(v)) {
		o->received++;
		o->nonfinite++;
		return;
	}
	room = reserve(o->points, &o->points_cap, *n + 1, sizeof(*room));
	if (!room) {
		o->received++;
		o->lost++;
		return;
	}
	o->points = room;
	o->points[(*n)++] = (struct bh_point){ts, v};
}

static void emit(struct bh_output *o, const struct bh_identity *id, enum bh_series_type type,
    struct bh_str suffix, size_t n)
{
	struct bh_series s = {
	    .id = id,
	    .suffix = suffix,
	    .type = type,
	    .interval = BH_BUCKET_S, /* gauges too: dogstatsd.md §9.3 */
	    .category = BH_ORIGIN_CATEGORY_DOGSTATSD,
	    .points = o->points,
	    .n = n,
	};

	if (n)
		bh_output_series(o, &s);
}

/* §8.4, second pass: the filter names this one series. */
static bool is_filtered(struct bh_output *o, const struct bh_agg *head, const char *suffix)
{
	const struct bh_identity *id = &head->ctx->id;

	if (o->hist_filter->n == 0)
		return false;
	bh_buf_clear(&o->name);
	(void)bh_buf_append(&o->name, id->name.p, id->name.n);
	(void)bh_buf_str(&o->name, suffix);
	return !bh_buf_failed(&o->name) && bh_filter_matches(o->hist_filter, bh_buf_view(&o->name));
}

/* Gauges and sets of the chain become one gauge series, its counters one rate series. */
static void output_plain(struct bh_output *o, const struct bh_agg *head)
{
	const struct bh_str none = {NULL, 0};
	size_t n = 0;

	for (const struct bh_agg *a = head; a; a = a->next) {
		if (a->type == BH_METRIC_GAUGE)
			add_point(o, &n, bh_agg_start(a), a->u.value);
		else if (a->type == BH_METRIC_SET)
			add_point(o, &n, bh_agg_start(a), (double)a->u.set->n);
	}
	emit(o, &head->ctx->id, BH_SERIES_GAUGE, none, n);
	n = 0;
	for (const struct bh_agg *a = head; a; a = a->next) {
		if (a->type == BH_METRIC_COUNTER)
			add_point(o, &n, bh_agg_start(a), a->u.value / BH_BUCKET_S);
	}
	emit(o, &head->ctx->id, BH_SERIES_RATE, none, n);
}

static void output_histograms(struct bh_output *o, const struct bh_agg *head)
{
	for (size_t i = 0; i < o->hist->n; i++) {
		const struct bh_hist_output *h = &o->hist->v[i];
		bool rate = h->what == BH_AGG_COUNT, drop = is_filtered(o, head, h->suffix);
		size_t n = 0;

		for (const struct bh_agg *a = head; a; a = a->next) {
			double v;

			if (a->type != BH_METRIC_HISTOGRAM)
				continue;
			v = bh_histogram_result(a->u.histogram, h);
			add_point(o, &n, bh_agg_start(a), rate ? v / BH_BUCKET_S : v);
		}
		if (drop) {
			o->received += n;
			o->filtered += n;
			continue;
		}
		emit(o, &head->ctx->id, rate ? BH_SERIES_RATE : BH_SERIES_GAUGE,
		    bh_str_from(h->suffix), n);
	}
}

void bh_output_begin_series(struct bh_output *o)
{
	bh_payload_writer_begin(o->writer, o->format->kind, o->format->tail);
}

void bh_output_set_series(struct bh_output *o, const struct bh_flush_set *set)
{
	for (const struct bh_bucket *b = set->metrics; b; b = b->next) {
		for (size_t i = 0; i < b->n; i++) {
			const struct bh_agg *head = bh_bucket_agg(b, i);
			bool histogram = false, plain = false;

			if (head->follower)
				continue;
			for (const struct bh_agg *a = head; a; a = a->next) {
				histogram |= a->type == BH_METRIC_HISTOGRAM;
				plain |= a->type != BH_METRIC_HISTOGRAM;
			}
			if (plain)
				output_plain(o, head);
			if (histogram)
				output_histograms(o, head);
		}
	}
}

/* The aggregates behind a in the chain that are of the same bucket go into it; returns what follows
 * them. Without memory for that they stay points of their own. */
static struct bh_agg *merge_parts(struct bh_agg *a)
{
	struct bh_agg *next = a->next;

	while (next && next->slot == a->slot && !bh_sketch_merge(a->u.sketch, next->u.sketch))
		next = next->next;
	return next;
}

static void output_sketch(struct bh_output *o, struct bh_agg *head)
{
	struct bh_sketch_point *room;
	struct bh_str entry;
	size_t n = 0;

	for (struct bh_agg *a = head, *next; a; a = next) {
		next = merge_parts(a);
		if (a->u.sketch->cnt == 0)
			continue;
		o->received++;
		room = reserve(o->sketches, &o->sketches_cap, n + 1, sizeof(*room));
		if (!room) {
			o->lost++;
			continue;
		}
		o->sketches = room;
		o->sketches[n++] = (struct bh_sketch_point){bh_agg_start(a), a->u.sketch};
	}
	if (n == 0)
		return;
	if (bh_sketch_encode(&head->ctx->id, o->extra, o->sketches, n, &o->entry, &entry) < 0)
		o->lost += n;
	else
		bh_payload_writer_add(o->writer, BH_JOINT_NONE, entry, (uint32_t)n);
}

void bh_output_set_sketches(struct bh_output *o, const struct bh_flush_set *set)
{
	bh_payload_writer_begin(o->writer, BH_KIND_SKETCHES, BH_SKETCH_TAIL);
	for (const struct bh_bucket *b = set->sketches; b; b = b->next) {
		for (size_t i = 0; i < b->n; i++) {
			if (!bh_bucket_agg(b, i)->follower)
				output_sketch(o, bh_bucket_agg(b, i));
		}
	}
	bh_payload_writer_finish(o->writer);
}
