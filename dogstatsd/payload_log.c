#include "dogstatsd/payload_log.h"

#include <inttypes.h>

#define COMPONENT "payloads"

static void put_value(struct bh_buf *out, const struct bh_agg *a)
{
	switch ((enum bh_metric_type)a->type) {
	case BH_METRIC_GAUGE:
		(void)bh_buf_printf(out, "type=gauge value=%.17g", a->u.value);
		return;
	case BH_METRIC_COUNTER:
		(void)bh_buf_printf(out, "type=counter sum=%.17g", a->u.value);
		return;
	case BH_METRIC_HISTOGRAM:
		(void)bh_buf_printf(out, "type=histogram count=%" PRIu64 " sum=%.17g",
		    a->u.histogram->count, a->u.histogram->sum);
		return;
	case BH_METRIC_SET:
		(void)bh_buf_printf(out, "type=set members=%zu", a->u.set->n);
		return;
	case BH_METRIC_DISTRIBUTION:
		(void)bh_buf_printf(out,
		    "type=distribution count=%" PRId64 " min=%.17g max=%.17g sum=%.17g",
		    a->u.sketch->cnt, a->u.sketch->min, a->u.sketch->max, a->u.sketch->sum);
		return;
	}
}

static void log_aggregate(struct bh_log *log, const struct bh_agg *a, struct bh_buf *line)
{
	const struct bh_identity *id = &a->ctx->id;

	bh_buf_clear(line);
	put_value(line, a);
	(void)bh_buf_str(line, " tags=");
	bh_tags_join(id->tags, ',', line);
	if (bh_buf_failed(line))
		return;
	bh_debug(log, COMPONENT, "flushed metric=%.*s bucket=%" PRId64 " host=%.*s %.*s",
	    (int)id->name.n, id->name.p, bh_agg_start(a), (int)id->host.n, id->host.p,
	    (int)line->len, line->data);
}

void bh_payload_log_set(struct bh_log *log, const struct bh_flush_set *set)
{
	const struct bh_bucket *lists[] = {set->metrics, set->sketches};
	struct bh_buf line = BH_BUF_INIT;

	for (size_t i = 0; i < BH_ARRAY_LEN(lists); i++) {
		for (const struct bh_bucket *b = lists[i]; b; b = b->next) {
			for (size_t j = 0; j < b->n; j++)
				log_aggregate(log, bh_bucket_agg(b, j), &line);
		}
	}
	bh_buf_release(&line);
}

static void log_list(struct bh_log *log, const struct bh_notice_list *l, const char *what)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct bh_notice *n = &l->v[i];

		bh_debug(log, COMPONENT, "flushed %s=%.*s", what, (int)n->json_n,
		    l->bytes.data + n->at + n->source_n);
	}
}

void bh_payload_log_notices(struct bh_log *log, const struct bh_notices *n)
{
	log_list(log, &n->events, "event");
	log_list(log, &n->checks, "check");
}

void bh_payload_log_late(struct bh_log *log, const struct bh_late *late)
{
	if (late->batch.points)
		bh_debug(log, COMPONENT, "flushed samples with a timestamp points=%" PRIu32,
		    late->batch.points);
}
