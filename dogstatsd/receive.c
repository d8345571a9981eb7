#include "dogstatsd/dogstatsd_internal.h"

#include <inttypes.h>
#include <string.h>

/* Batches read from one socket before others get their turn. */
#define BATCHES_PER_TURN 8

#define LATE_TICK_NS (2 * BH_NS_PER_S)
#define LATE_IDLE_NS BH_NS_PER_S

static void log_text(char *out, size_t cap, struct bh_str in)
{
	size_t n = BH_MIN(in.n, cap - 1);

	/* The log escapes control characters; a NUL would end the text. */
	if (n)
		memcpy(out, in.p, n);
	out[n] = '\0';
	for (size_t i = 0; i < n; i++) {
		if (!out[i])
			out[i] = '?';
	}
}

static void log_bad_line(struct bh_dogstatsd *d, const char *name, struct bh_bad_line bad)
{
	char text[160];

	log_text(text, sizeof(text), bad.line);
	bh_log_limited(&d->child->log, &d->bad_line_limit,
	    d->child->config.dogstatsd_disable_verbose_logs ? BH_LOG_DEBUG : BH_LOG_ERROR,
	    BH_DOGSTATSD, "bad line (%s) from %s: %s%s", bh_parse_result_name(bad.why), name, text,
	    bad.line.n >= sizeof(text) ? "..." : "");
}

/* What must be known before a batch is read, to tell what became of it. */
struct batch_mark {
	struct bh_ingest ingest;
	uint64_t late;
	struct bh_bad_line bad;
};

static struct batch_mark begin_batch(const struct bh_dogstatsd *d)
{
	return (struct batch_mark){d->ingest, d->late.received, {{NULL, 0}, BH_PARSE_OK}};
}

static void after_late(struct bh_dogstatsd *d);

/* Says what a batch lost, each kind at a limited rate. */
static void end_batch(struct bh_dogstatsd *d, const char *name, const struct batch_mark *before)
{
	if (before->bad.line.p)
		log_bad_line(d, name, before->bad);
	if (d->ingest.contexts_rejected != before->ingest.contexts_rejected)
		bh_log_limited(&d->child->log, &d->rejected_limit, BH_LOG_WARN, BH_DOGSTATSD,
		    "samples of new contexts are dropped: bulkhead.dogstatsd_context_limit "
		    "(%" PRId64 ") is reached",
		    d->child->config.dogstatsd_context_limit);
	if (d->ingest.truncated != before->ingest.truncated)
		bh_log_limited(&d->child->log, &d->truncated_limit, BH_LOG_WARN, BH_DOGSTATSD,
		    "a datagram from %s is longer than dogstatsd_buffer_size (%zu); its end is"
		    " dropped",
		    name, d->batch.size);
	if (d->late.received != before->late)
		after_late(d);
}

static void late_tick(struct bh_timer *t)
{
	struct bh_dogstatsd *d = BH_CONTAINER(t, struct bh_dogstatsd, late_timer);
	int64_t now = bh_mono_ns(d->clock);

	if (now - d->last_late_ns >= LATE_IDLE_NS)
		bh_flush_late(d);
	if (d->late.batch.points)
		bh_timer_in(&d->child->loop, t, LATE_TICK_NS, late_tick);
}

static void after_late(struct bh_dogstatsd *d)
{
	d->last_late_ns = bh_mono_ns(d->clock);
	if (bh_late_full(&d->late))
		bh_flush_late(d);
	else if (!bh_timer_armed(&d->late_timer))
		bh_timer_in(&d->child->loop, &d->late_timer, LATE_TICK_NS, late_tick);
}

/* One batch. Returns the number of datagrams. */
unsigned bh_receive_batch(struct bh_dogstatsd *d, struct bh_listener *l)
{
	struct batch_mark mark = begin_batch(d);
	int n;

	bh_open_samples_note(&l->open, &l->ledger, bh_dogstatsd_wall_s(d));
	n = bh_listener_read(l, &d->batch, &d->ingest, bh_dogstatsd_wall_s(d), &mark.bad);
	if (n < 0) {
		bh_error(&d->child->log, BH_DOGSTATSD, "reading %s: %s; it is not read any more",
		    l->name, bh_err_name(n));
		l->ended = true;
	}
	if (l->ended)
		bh_loop_del_fd(&l->watch);
	end_batch(d, l->name, &mark);
	return n > 0 ? (unsigned)n : 0;
}

void bh_receive_readable(struct bh_watch *w, unsigned events)
{
	struct bh_listener *l = BH_CONTAINER(w, struct bh_listener, watch);
	struct bh_dogstatsd *d = l->owner;

	(void)events;
	for (int i = 0; i < BATCHES_PER_TURN; i++) {
		if (bh_receive_batch(d, l) < d->batch.n)
			return;
	}
}

/* What waits in the sockets only the kernel knows: what a turn took out of them waited there, and
 * when it took all it may, more did. */
void bh_receive_turn_end(void *ctx)
{
	struct bh_dogstatsd *d = ctx;
	uint64_t max = d->listeners_n * BATCHES_PER_TURN * (uint64_t)d->batch.n, datagrams = 0;
	int64_t now = bh_mono_ns(d->clock);
	struct bh_producer_stats link;

	for (size_t i = 0; i < d->listeners_n; i++)
		datagrams += d->listeners[i].datagrams;
	/* A drain takes more. */
	bh_fill_see(&d->fills.packets, BH_MIN(datagrams - d->fills.datagrams, max), max, now);
	d->fills.datagrams = datagrams;
	bh_producer_stats(d->outlet.producer, &link);
	bh_fill_see(&d->fills.ipc, link.window_msgs, BH_LINK_CREDIT_MSGS, now);
}

/* §2.3: a frame that is too long ends its connection. */
static void log_refused(struct bh_dogstatsd *d, const struct bh_stream_result *r)
{
	bool show = d->child->config.dogstatsd_stream_log_too_big;
	char text[160] = "";

	if (show)
		log_text(text, sizeof(text), r->refused);
	bh_log_limited(&d->child->log, &d->frame_limit, BH_LOG_INFO, BH_DOGSTATSD,
	    "a frame of %" PRIu32
	    " bytes is longer than dogstatsd_buffer_size (%zu): its connection is closed%s%s",
	    r->refused_len, d->batch.size, show ? "; it begins with: " : "", text);
}

void bh_receive_stream(void *owner, struct bh_stream *c)
{
	struct bh_dogstatsd *d = owner;
	struct batch_mark mark = begin_batch(d);
	struct bh_stream_result r;

	bh_open_samples_note(&d->streams.open, &d->streams.ledger, bh_dogstatsd_wall_s(d));
	r = bh_stream_read(c, &d->ingest, bh_dogstatsd_wall_s(d), &mark.bad);

	if (r.refused_len)
		log_refused(d, &r);
	end_batch(d, d->streams.cfg.name, &mark);
}

/* One round of the drain over all connections. */
size_t bh_receive_streams(struct bh_dogstatsd *d)
{
	struct batch_mark mark = begin_batch(d);
	size_t bytes;

	bh_open_samples_note(&d->streams.open, &d->streams.ledger, bh_dogstatsd_wall_s(d));
	bytes = bh_streams_read_all(&d->streams, &d->ingest, bh_dogstatsd_wall_s(d), &mark.bad);

	end_batch(d, d->streams.cfg.name, &mark);
	return bytes;
}
