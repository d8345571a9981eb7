#include "dogstatsd/dogstatsd_internal.h"

#include <errno.h>
#include <inttypes.h>

#include "dogstatsd/payload_log.h"

/* Aggregates or contexts looked at before the sockets get their turn: each costs up to a cache miss
 * or two. */
#define FLUSH_STEP 4096

static void log_kernel_drops(struct bh_dogstatsd *d)
{
	uint64_t drops = 0;

	for (size_t i = 0; i < d->listeners_n; i++) {
		bh_listener_update_drops(&d->listeners[i]);
		drops += d->listeners[i].kernel_drops;
	}
	if (drops == d->drops_logged)
		return;
	bh_log_limited(&d->child->log, &d->drops_limit, BH_LOG_WARN, BH_DOGSTATSD,
	    "the kernel dropped datagrams because the socket's queue was full: raise"
	    " dogstatsd_so_rcvbuf datagrams=%" PRIu64,
	    drops - d->drops_logged);
	d->drops_logged = drops;
}

static void finish_flush(struct bh_dogstatsd *d, struct bh_flush_set *set)
{
	if (d->child->config.log_payloads) {
		bh_payload_log_set(&d->child->log, set);
		bh_payload_log_notices(&d->child->log, &d->notices);
	}
	set->host_tags = bh_host_tags_at(&d->host_tags, bh_mono_ns(d->clock));
	d->late.extra = set->host_tags;
	bh_outlet_flush(&d->outlet, set, &d->notices);
}

void bh_flush_late(struct bh_dogstatsd *d)
{
	if (d->child->config.log_payloads)
		bh_payload_log_late(&d->child->log, &d->late);
	bh_outlet_late(&d->outlet, &d->late);
}

/* Some hundred microseconds of a flush; the sockets get their turn between the steps. */
static void flush_step(struct bh_timer *t)
{
	struct bh_dogstatsd *d = BH_CONTAINER(t, struct bh_dogstatsd, step_timer);
	struct bh_flush_set *set = bh_sampler_flush_step(&d->sampler, FLUSH_STEP);

	if (set)
		finish_flush(d, set);
	else
		bh_timer_in(&d->child->loop, t, 0, flush_step);
}

static void note_flushed(struct bh_dogstatsd *d, int64_t now, bool all)
{
	for (size_t i = 0; i < d->listeners_n; i++) {
		struct bh_listener *l = &d->listeners[i];

		bh_open_samples_flush(&l->open, &l->ledger, now, all);
	}
	bh_open_samples_flush(&d->streams.open, &d->streams.ledger, now, all);
}

static void begin_flush(struct bh_dogstatsd *d, bool all)
{
	int64_t now = bh_dogstatsd_wall_s(d);

	log_kernel_drops(d);
	bh_flush_late(d);
	if (!bh_outlet_ready(&d->outlet) || bh_sampler_flush_begin(&d->sampler, now, all) < 0) {
		bh_log_limited(&d->child->log, &d->memory_limit, BH_LOG_ERROR, BH_DOGSTATSD,
		    "no memory for a flush; what it would take waits for the next tick");
		return;
	}
	note_flushed(d, now, all);
	flush_step(&d->step_timer);
}

/* The last flush: nobody waits for its steps. */
int bh_flush_to_the_end(struct bh_dogstatsd *d, bool all)
{
	int64_t now = bh_dogstatsd_wall_s(d);
	struct bh_flush_set *set;

	bh_timer_cancel(&d->step_timer);
	while (bh_sampler_flushing(&d->sampler)) {
		set = bh_sampler_flush_step(&d->sampler, SIZE_MAX);
		if (set)
			finish_flush(d, set);
	}
	log_kernel_drops(d);
	bh_flush_late(d);
	if (!bh_outlet_ready(&d->outlet) || bh_sampler_flush(&d->sampler, now, all, &set) < 0)
		return -ENOMEM;
	note_flushed(d, now, all);
	finish_flush(d, set);
	return 0;
}

void bh_flush_tick(struct bh_timer *t)
{
	struct bh_dogstatsd *d = BH_CONTAINER(t, struct bh_dogstatsd, flush_timer);
	int64_t interval = d->child->config.dogstatsd_flush_interval_ms * BH_NS_PER_MS;
	int64_t now = bh_mono_ns(d->clock);

	if (bh_sampler_flushing(&d->sampler) || bh_outlet_behind(&d->outlet))
		bh_log_limited(&d->child->log, &d->behind_limit, BH_LOG_WARN, BH_DOGSTATSD,
		    "the flush before is still being encoded; this one waits for the next tick");
	else
		begin_flush(d, false);
	/* The phase is that of the start; ticks missed while stopped are not made up for. */
	d->next_flush_ns += interval;
	if (d->next_flush_ns <= now)
		d->next_flush_ns += (now - d->next_flush_ns) / interval * interval + interval;
	bh_timer_at(&d->child->loop, t, d->next_flush_ns, bh_flush_tick);
}
