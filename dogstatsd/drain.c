#include "dogstatsd/dogstatsd_internal.h"

#include <inttypes.h>

/* Told this long before the deadline that time is up, so that the answer arrives within it. */
#define DRAIN_MARGIN_NS (100 * BH_NS_PER_MS)

static void report(struct bh_dogstatsd *d)
{
	struct bh_ctl_drained r = {0};
	struct bh_producer_stats st;
	struct bh_ledger l;

	if (d->stage == BH_STAGE_DRAINED)
		return;
	d->stage = BH_STAGE_DRAINED;
	bh_timer_cancel(&d->drain_timer);
	bh_timer_cancel(&d->deadline_timer);
	bh_outlet_ledger(&d->outlet, &d->late, &d->notices, &l);
	bh_producer_stats(d->outlet.producer, &st);
	r.durable = l.delivered;
	r.left = l.in_flight;
	r.dropped = bh_ledger_dropped(&l);
	r.complete = d->outlet.fenced && r.left == 0;
	r.streams_n = 1;
	r.streams[0] = (struct bh_ctl_stream){BH_ROLE_DOGSTATSD, st.epoch, st.base_seq};
	if (!r.complete)
		bh_warn(&d->child->log, BH_DOGSTATSD,
		    "the drain ends without proof for everything points=%" PRIu64, r.left);
	bh_child_drained(d->child, &r);
}

void bh_dogstatsd_drained(void *ctx)
{
	report(ctx);
}

static void on_deadline(struct bh_timer *t)
{
	struct bh_dogstatsd *d = BH_CONTAINER(t, struct bh_dogstatsd, deadline_timer);

	report(d);
}

/* Open buckets to the next incarnation; false when they have to be flushed after all. */
static bool pass_on(struct bh_dogstatsd *d)
{
	struct bh_err err = BH_ERR_INIT;

	if (d->mode != BH_DRAIN_HANDOVER || d->handover_fd < 0)
		return false;
	/* What is not flushed for lack of memory goes along. */
	(void)!bh_flush_to_the_end(d, false);
	if (bh_handover_write(&d->sampler, d->handover_fd, &err) == 0)
		return true;
	bh_warn(&d->child->log, BH_DOGSTATSD, "%s; they are flushed instead", err.text);
	return false;
}

/* The last flush of this process. */
static void flush_all(struct bh_dogstatsd *d)
{
	uint64_t lost;

	if (!bh_flush_to_the_end(d, d->child->config.dogstatsd_flush_incomplete_buckets))
		return;
	lost = bh_sampler_aggregates(&d->sampler);
	bh_outlet_unflushed(&d->outlet, lost);
	bh_error(&d->child->log, BH_DOGSTATSD,
	    "no memory for the last flush; what was open is lost aggregates=%" PRIu64, lost);
}

static void hand_over(struct bh_dogstatsd *d)
{
	d->stage = BH_STAGE_HANDING_OVER;
	if (!pass_on(d))
		flush_all(d);
	bh_outlet_fence(&d->outlet);
}

/* Reads on, one batch a socket, until all of them would block in the same round; other events get
 * their turn between the rounds. */
static void drain_step(struct bh_timer *t)
{
	struct bh_dogstatsd *d = BH_CONTAINER(t, struct bh_dogstatsd, drain_timer);
	bool more = false;

	/* What waits in a datagram socket is there for the next incarnation. */
	for (size_t i = 0; i < d->listeners_n && d->mode != BH_DRAIN_HANDOVER; i++)
		more |= bh_receive_batch(d, &d->listeners[i]) > 0;
	more |= bh_dogstatsd_has_streams(d) && bh_receive_streams(d) > 0;
	if (more && bh_mono_ns(d->clock) < d->read_until_ns) {
		bh_timer_in(&d->child->loop, t, 0, drain_step);
		return;
	}
	if (more)
		bh_warn(&d->child->log, BH_DOGSTATSD,
		    "clients went on sending during the drain; half of its time is up");
	hand_over(d);
}

void bh_dogstatsd_drain(void *ctx, int64_t deadline_ns, enum bh_drain_mode mode)
{
	struct bh_dogstatsd *d = ctx;
	int64_t now = bh_mono_ns(d->clock), left = BH_MAX(deadline_ns - now, 0);
	int64_t read_until = now + left / 2;

	if (d->stage == BH_STAGE_DRAINED)
		return;
	bh_timer_at(&d->child->loop, &d->deadline_timer,
	    deadline_ns - BH_MIN(DRAIN_MARGIN_NS, left / 4), on_deadline);
	if (d->stage != BH_STAGE_RUNNING) {
		d->read_until_ns = BH_MIN(d->read_until_ns, read_until);
		return;
	}
	d->mode = mode;
	d->stage = BH_STAGE_READING;
	d->read_until_ns = read_until;
	bh_timer_cancel(&d->flush_timer);
	for (size_t i = 0; i < d->listeners_n; i++)
		bh_loop_del_fd(&d->listeners[i].watch);
	if (bh_dogstatsd_has_streams(d))
		bh_streams_stop(&d->streams);
	drain_step(&d->drain_timer);
}
