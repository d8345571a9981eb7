#include "dogstatsd/late.h"

#include <math.h>

#include "dogstatsd/sampler.h"
#include "dogstatsd/series_encoder.h"

void bh_late_init(struct bh_late *l, struct bh_resolver *resolver)
{
	*l = (struct bh_late){.resolver = resolver};
}

void bh_late_release(struct bh_late *l)
{
	bh_buf_release(&l->entries);
	bh_buf_release(&l->scratch);
}

static int add_point(
    struct bh_late *l, const struct bh_identity *id, const struct bh_metric *m, double v)
{
	bool rate = m->type == BH_METRIC_COUNTER;
	struct bh_point point = {m->timestamp, rate ? v / BH_BUCKET_S : v};
	struct bh_series s = {
	    .id = id,
	    .type = rate ? BH_SERIES_RATE : BH_SERIES_GAUGE,
	    .interval = BH_BUCKET_S,
	    .category = BH_ORIGIN_CATEGORY_DOGSTATSD,
	    .points = &point,
	    .n = 1,
	};
	struct bh_str entry;
	int rc;

	rc = bh_series_encode(&s, &l->scratch, &entry);
	if (rc == 0)
		rc = bh_buf_append(&l->entries, entry.p, entry.n);
	if (rc < 0)
		return rc;
	l->points++;
	l->received++;
	return 0;
}

struct bh_late_result bh_late_add(struct bh_late *l, const struct bh_metric *m)
{
	struct bh_late_result r = {0};
	struct bh_identity id;
	struct bh_key key;

	if (m->type != BH_METRIC_GAUGE && m->type != BH_METRIC_COUNTER) {
		r.unsupported = (uint32_t)m->values_n;
		return r;
	}
	if (bh_resolve(l->resolver, m->name, m->tags, &id, &key) < 0) {
		r.rejected = (uint32_t)m->values_n;
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

/* Length of the entry at the front: its tag, its length, its message. */
static size_t entry_size(struct bh_str rest)
{
	struct bh_str packed = {rest.p + 1, rest.n - 1}, message;

	(void)bh_tags_next(&packed, &message); /* the same packing: a varint length, then bytes */
	return (size_t)(message.p + message.n - rest.p);
}

void bh_late_flush(struct bh_late *l, struct bh_payload_writer *w)
{
	struct bh_str rest = bh_buf_view(&l->entries);

	if (l->points == 0)
		return;
	bh_payload_writer_begin(w, BH_KIND_SERIES_V2, BH_TAIL_NONE);
	while (rest.n) {
		size_t n = entry_size(rest);

		bh_payload_writer_add(w, BH_JOINT_NONE, (struct bh_str){rest.p, n}, 1);
		rest = (struct bh_str){rest.p + n, rest.n - n};
	}
	bh_payload_writer_finish(w);
	bh_buf_release(&l->entries);
	l->points = 0;
}
