#include "dogstatsd/late.h"

#include <math.h>

#include "dogstatsd/sampler.h"
#include "dogstatsd/series_encoder.h"

void bh_late_batch_release(struct bh_late_batch *b)
{
	bh_buf_release(&b->entries);
	b->points = 0;
}

void bh_late_init(struct bh_late *l, struct bh_resolver *resolver,
    const struct bh_series_format *format, uint32_t full)
{
	*l = (struct bh_late){.resolver = resolver, .format = format, .full = full};
}

void bh_late_release(struct bh_late *l)
{
	bh_late_batch_release(&l->batch);
	bh_buf_release(&l->scratch);
}

static int add_point(
    struct bh_late *l, const struct bh_identity *id, const struct bh_metric *m, double v)
{
	bool rate = m->type == BH_METRIC_COUNTER;
	struct bh_point point = {m->timestamp, rate ? v / BH_BUCKET_S : v};
	struct bh_series s = {
	    .id = id,
	    .extra = l->extra,
	    .type = rate ? BH_SERIES_RATE : BH_SERIES_GAUGE,
	    .interval = BH_BUCKET_S,
	    .category = BH_ORIGIN_CATEGORY_DOGSTATSD,
	    .points = &point,
	    .n = 1,
	};
	struct bh_str entry;
	int rc;

	rc = l->format->encode(&s, &l->scratch, &entry);
	if (rc == 0)
		rc = bh_buf_blob(&l->batch.entries, entry.p, entry.n);
	if (rc < 0)
		return rc;
	l->batch.points++;
	l->received++;
	return 0;
}

struct bh_late_result bh_late_add(struct bh_late *l, const struct bh_metric *m)
{
	struct bh_late_result r = {0};
	struct bh_identity id;
	struct bh_key key;
	int rc;

	if (m->type != BH_METRIC_GAUGE && m->type != BH_METRIC_COUNTER) {
		r.unsupported = (uint32_t)m->values_n;
		return r;
	}
	rc = bh_resolve(l->resolver, m->name, m->tags, BH_FOR_SAMPLE, &id, &key);
	if (rc) {
		*(rc == BH_FILTERED ? &r.filtered : &r.rejected) = (uint32_t)m->values_n;
		return r;
	}
	for (size_t i = 0; i < m->values_n; i++) {
		if (!isfinite(m->values[i]))
			r.nonfinite++;
		else if (add_point(l, &id, m, m->values[i]) < 0)
			r.rejected++;
		else
			r.added++;
	}
	return r;
}

struct bh_late_batch bh_late_take(struct bh_late *l)
{
	struct bh_late_batch b = l->batch;

	l->batch = (struct bh_late_batch){.points = 0};
	return b;
}

void bh_late_write(const struct bh_late_batch *b, const struct bh_series_format *format,
    struct bh_payload_writer *w)
{
	struct bh_cur c = bh_cur_init(b->entries.data, b->entries.len);

	if (b->points == 0)
		return;
	bh_payload_writer_begin(w, format->kind, format->tail);
	while (c.left)
		bh_payload_writer_add(w, format->joint, bh_cur_blob(&c), 1);
	bh_payload_writer_finish(w);
}
