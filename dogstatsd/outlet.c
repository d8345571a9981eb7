#include "dogstatsd/outlet.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "dogstatsd/selfmetrics.h"

#define COMPONENT "outlet"

static void enqueue(void *ctx, struct bh_payload *p)
{
	struct bh_outlet *o = ctx;
	uint64_t dropped;

	p->ts_ms = bh_wall_ms(o->clock);
	dropped = bh_payload_queue_push(&o->queue, p);
	if (!dropped)
		return;
	o->overflowed += dropped;
	bh_log_limited(o->log, &o->limit, BH_LOG_WARN, COMPONENT,
	    "the forwarder takes no metrics and the queue is full: the oldest are dropped"
	    " points=%" PRIu64,
	    dropped);
}

int bh_outlet_init(struct bh_outlet *o, const struct bh_config *cfg, const struct bh_clock *clock,
    struct bh_log *log)
{
	*o = (struct bh_outlet){
	    .clock = clock,
	    .log = log,
	    .hostname = bh_str_from(cfg->hostname),
	    .series = cfg->enable_series,
	    .sketches = cfg->enable_sketches,
	    .events = cfg->enable_events,
	    .checks = cfg->enable_service_checks,
	};
	bh_hist_outputs_init(&o->hist, &cfg->histogram_aggregates, &cfg->histogram_percentiles);
	bh_payload_writer_init(&o->writer, cfg, enqueue, o);
	bh_output_init(&o->output, &o->writer, &o->hist, &o->hist_filter,
	    cfg->use_v2_api_series ? &bh_series_v2 : &bh_series_v1);
	bh_payload_queue_init(&o->queue, BH_OUTLET_QUEUE_BYTES);
	return bh_output_hist_filter(&o->hist_filter, cfg, &o->hist);
}

void bh_outlet_release(struct bh_outlet *o)
{
	bh_producer_free(o->producer);
	bh_payload_queue_release(&o->queue);
	bh_output_release(&o->output);
	bh_payload_writer_release(&o->writer);
	bh_filter_release(&o->hist_filter);
}

/* Sends the oldest payload. False when it must wait. */
static bool send_one(struct bh_outlet *o)
{
	const struct bh_payload *p = o->queue.head;
	struct bh_link_data d = {
	    .kind = p->kind,
	    .encoding = p->encoding,
	    .items = p->items,
	    .raw_len = p->raw_len,
	    .first_ts_ms = p->ts_ms,
	    .last_ts_ms = p->ts_ms,
	    .body = {p->body, p->len},
	};
	uint64_t seq;
	int rc;

	rc = bh_producer_send(o->producer, &d, &seq);
	if (rc == -EAGAIN || rc == -ENOMEM)
		return false;
	if (rc < 0) {
		o->unsendable += p->items;
		bh_log_limited(o->log, &o->limit, BH_LOG_ERROR, COMPONENT,
		    "a payload of %zu bytes does not fit the link: %s", p->len, bh_err_name(rc));
	}
	free(bh_payload_queue_pop(&o->queue));
	return true;
}

static void pump(struct bh_outlet *o)
{
	while (
	    o->producer && o->queue.head && bh_producer_can_send(o->producer, o->queue.head->len)) {
		if (!send_one(o))
			break;
	}
	if (o->producer && o->fence_wanted && !o->queue.head) {
		o->fence_wanted = false;
		bh_producer_fence(o->producer);
	}
}

static void on_ready(void *ctx)
{
	pump(ctx);
}

static void on_durable(void *ctx, uint64_t seq, uint32_t items, bool refused)
{
	struct bh_outlet *o = ctx;

	(void)seq;
	if (refused)
		o->refused += items;
	else
		o->delivered += items;
}

static void on_fenced(void *ctx)
{
	struct bh_outlet *o = ctx;

	o->fenced = true;
	o->drained(o->ctx);
}

static void on_stale(void *ctx)
{
	struct bh_outlet *o = ctx;

	o->stale(o->ctx);
}

int bh_outlet_connect(
    struct bh_outlet *o, const struct bh_producer_config *base, struct bh_err *err)
{
	struct bh_producer_config cfg = *base;

	o->ops = (struct bh_producer_ops){
	    .ready = on_ready,
	    .durable = on_durable,
	    .credit = on_ready,
	    .fenced = on_fenced,
	    .stale = on_stale,
	};
	cfg.ops = &o->ops;
	cfg.ctx = o;
	return bh_producer_new(&o->producer, &cfg, err);
}

void bh_outlet_flush(struct bh_outlet *o, struct bh_flush_set *set, struct bh_notices *notices)
{
	if (o->series) {
		bh_output_begin_series(&o->output);
		bh_output_set_series(&o->output, set);
		bh_selfmetrics_output(&o->output, o->hostname, set->now);
		bh_payload_writer_finish(&o->writer);
	}
	if (o->sketches)
		bh_output_set_sketches(&o->output, set);
	bh_selfmetrics_note(notices, o->hostname, set->now);
	if (!o->events)
		o->disabled += bh_notices_forget(&notices->events);
	if (!o->checks)
		o->disabled += bh_notices_forget(&notices->checks);
	bh_notices_flush(notices, &o->writer, o->hostname);
	bh_flush_set_free(set);
	pump(o);
}

void bh_outlet_late(struct bh_outlet *o, struct bh_late *late)
{
	if (o->series)
		bh_late_flush(late, &o->writer);
	else
		o->disabled += bh_late_forget(late);
	pump(o);
}

void bh_outlet_fence(struct bh_outlet *o)
{
	o->fence_wanted = true;
	pump(o);
}

uint64_t bh_outlet_pending(const struct bh_outlet *o)
{
	struct bh_producer_stats st = {0};

	if (o->producer)
		bh_producer_stats(o->producer, &st);
	return o->queue.items + st.window_items;
}

uint64_t bh_outlet_pending_bytes(const struct bh_outlet *o)
{
	struct bh_producer_stats st = {0};

	if (o->producer)
		bh_producer_stats(o->producer, &st);
	return o->queue.bytes + st.window_bytes;
}

void bh_outlet_ledger(const struct bh_outlet *o, const struct bh_late *late,
    const struct bh_notices *notices, struct bh_ledger *l)
{
	*l = (struct bh_ledger){
	    .received = o->output.received + late->received + notices->received,
	    .delivered = o->delivered,
	    .in_flight = bh_outlet_pending(o) + late->points + bh_notices_waiting(notices),
	};
	l->dropped[BH_DROP_FILTERED] = o->output.filtered + o->disabled;
	l->dropped[BH_DROP_NONFINITE] = o->output.nonfinite;
	l->dropped[BH_DROP_TOO_LARGE] = o->writer.too_big + o->unsendable;
	l->dropped[BH_DROP_QUEUE_FULL] = o->overflowed + o->writer.lost + o->output.lost;
	l->dropped[BH_DROP_REFUSED_LINK] = o->refused;
}
