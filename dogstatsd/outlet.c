#include "dogstatsd/outlet.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/retry_memory.h"
#include "dogstatsd/selfmetrics.h"

#define COMPONENT "outlet"

static void pump(struct bh_outlet *o);

static void enqueue(struct bh_outlet *o, struct bh_payload *p)
{
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

static void on_encoded(void *ctx, struct bh_payload *p, const struct bh_encoder_counts *counts)
{
	struct bh_outlet *o = ctx;

	o->encoded = *counts;
	if (p)
		enqueue(o, p);
	pump(o);
}

/* Without a spool the Agent's key says how much of an outage metrics outlast. */
static size_t queue_bytes(const struct bh_config *cfg)
{
	if (cfg->forwarder_storage_max_size_in_bytes != 0)
		return BH_OUTLET_QUEUE_BYTES;
	return bh_retry_memory(cfg, BH_OUTLET_QUEUE_BYTES);
}

int bh_outlet_init(struct bh_outlet *o, struct bh_loop *loop, const struct bh_config *cfg,
    const struct bh_clock *clock, struct bh_log *log, struct bh_err *err)
{
	*o = (struct bh_outlet){.clock = clock, .log = log, .hostname = bh_str_from(cfg->hostname)};
	bh_payload_queue_init(&o->queue, queue_bytes(cfg));
	return bh_flusher_new(&o->flusher, loop, cfg, on_encoded, o, err);
}

void bh_outlet_release(struct bh_outlet *o)
{
	bh_flusher_free(o->flusher);
	bh_flush_job_free(o->spare);
	bh_own_figures_release(&o->own);
	bh_producer_free(o->producer);
	bh_payload_queue_release(&o->queue);
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
	bh_flusher_downstream(o->flusher, o->queue.bytes);
	if (o->producer && o->fence_wanted && !o->queue.head && !bh_flusher_backlog(o->flusher)) {
		o->fence_wanted = false;
		bh_producer_fence(o->producer);
	}
}

static void on_ready(void *ctx)
{
	pump(ctx);
}

static void on_durable(void *ctx, uint64_t seq, uint32_t items, enum bh_refuse_cause refused)
{
	struct bh_outlet *o = ctx;

	if (!refused) {
		o->delivered += items;
		return;
	}
	o->refused += items;
	bh_error(o->log, COMPONENT,
	    "the forwarder refused payload %" PRIu64 ", %" PRIu32 " points of metrics: %s", seq,
	    items, bh_refuse_name(refused));
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

static void on_again(void *ctx)
{
	struct bh_outlet *o = ctx;

	o->again(o->ctx);
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
	    .again = on_again,
	};
	cfg.ops = &o->ops;
	cfg.ctx = o;
	return bh_producer_new(&o->producer, &cfg, err);
}

bool bh_outlet_behind(const struct bh_outlet *o)
{
	return bh_flusher_backlog(o->flusher) >= BH_OUTLET_FLUSHES;
}

bool bh_outlet_ready(struct bh_outlet *o)
{
	if (!o->spare)
		o->spare = bh_flush_job_new();
	return o->spare != NULL;
}

void bh_outlet_unflushed(struct bh_outlet *o, uint64_t aggregates)
{
	o->unflushed += aggregates;
}

void bh_outlet_flush(struct bh_outlet *o, struct bh_flush_set *set, struct bh_notices *notices)
{
	struct bh_flush_job *job = o->spare;

	o->spare = NULL;
	bh_selfmetrics_note(notices, o->hostname, set->now);
	o->handed += bh_notices_waiting(notices);
	job->set = set;
	bh_own_figures_flush(&o->own, &job->figures);
	job->events = bh_notices_take(&notices->events);
	job->checks = bh_notices_take(&notices->checks);
	bh_flusher_submit(o->flusher, job);
}

void bh_outlet_late(struct bh_outlet *o, struct bh_late *late)
{
	bool room = bh_flusher_backlog(o->flusher) < BH_OUTLET_JOBS;
	struct bh_flush_job *job;
	struct bh_late_batch batch;

	if (late->batch.points == 0)
		return;
	job = room ? bh_flush_job_new() : NULL;
	batch = bh_late_take(late);
	if (!job) {
		*(room ? &o->late_lost : &o->overflowed) += batch.points;
		bh_late_batch_release(&batch);
		return;
	}
	o->handed += batch.points;
	job->late = batch;
	bh_flusher_submit(o->flusher, job);
}

void bh_outlet_fence(struct bh_outlet *o)
{
	o->fence_wanted = true;
	bh_flusher_hasten(o->flusher);
	pump(o);
}

/* In jobs, and in the payload that is being written. */
static uint64_t encoding(const struct bh_outlet *o)
{
	const struct bh_encoder_counts *e = &o->encoded;

	return o->handed + e->received -
	       (e->nonfinite + e->filtered + e->too_big + e->lost + e->emitted);
}

uint64_t bh_outlet_pending(const struct bh_outlet *o)
{
	struct bh_producer_stats st = {0};

	if (o->producer)
		bh_producer_stats(o->producer, &st);
	return encoding(o) + o->queue.items + st.window_items;
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
	const struct bh_encoder_counts *e = &o->encoded;

	*l = (struct bh_ledger){
	    .received = e->received + late->received + notices->received + o->unflushed,
	    .delivered = o->delivered,
	    .in_flight = bh_outlet_pending(o) + late->batch.points + bh_notices_waiting(notices),
	};
	l->dropped[BH_DROP_FILTERED] = e->filtered;
	l->dropped[BH_DROP_NONFINITE] = e->nonfinite;
	l->dropped[BH_DROP_TOO_LARGE] = e->too_big + o->unsendable;
	l->dropped[BH_DROP_QUEUE_FULL] = o->overflowed;
	l->dropped[BH_DROP_NO_MEMORY] = e->lost + o->late_lost + o->unflushed;
	l->dropped[BH_DROP_REFUSED_LINK] = o->refused;
}
