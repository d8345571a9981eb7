#include "dogstatsd/dogstatsd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/rng.h"
#include "dogstatsd/handover.h"
#include "dogstatsd/ingest.h"
#include "dogstatsd/listener.h"
#include "dogstatsd/outlet.h"
#include "dogstatsd/stats.h"
#include "dogstatsd/streams.h"

#define COMPONENT "dogstatsd"

/* Batches read from one socket before others get their turn. */
#define BATCHES_PER_TURN 8

/* Aggregates or contexts looked at before the sockets get their turn: each costs up to a cache miss
 * or two. */
#define FLUSH_STEP 4096

#define LATE_TICK_NS (2 * BH_NS_PER_S)
#define LATE_IDLE_NS BH_NS_PER_S

/* Told this long before the deadline that time is up, so that the answer arrives within it. */
#define DRAIN_MARGIN_NS (100 * BH_NS_PER_MS)

enum stage { STAGE_RUNNING, STAGE_READING, STAGE_HANDING_OVER, STAGE_DRAINED };

struct bh_dogstatsd {
	struct bh_child *child;
	const struct bh_clock *clock;
	struct bh_rng rng;
	struct bh_naming naming;
	struct bh_sampler sampler;
	struct bh_late late;
	struct bh_notices notices;
	struct bh_ingest ingest;
	struct bh_outlet outlet;
	struct bh_batch batch;
	struct bh_listener *listeners;
	size_t listeners_n;
	struct bh_streams streams; /* zero without a stream socket */
	struct bh_relay relay;
	struct bh_timer flush_timer, step_timer, late_timer, drain_timer, deadline_timer;
	int64_t next_flush_ns, last_late_ns, read_until_ns;
	enum stage stage;
	enum bh_drain_mode mode;     /* of the drain */
	int handover_fd;             /* where open buckets go; -1 = nowhere */
	struct bh_handover handover; /* those of the process before, until they are read */
	struct bh_log_limit bad_line_limit, rejected_limit, truncated_limit, drops_limit,
	    frame_limit, behind_limit;
	uint64_t drops_logged;
};

static int64_t wall_s(const struct bh_dogstatsd *d)
{
	return bh_wall_ns(d->clock) / BH_NS_PER_S;
}

/* --- receiving ----------------------------------------------------------------------------------
 */

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
	    COMPONENT, "bad line (%s) from %s: %s%s", bh_parse_result_name(bad.why), name, text,
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
		bh_log_limited(&d->child->log, &d->rejected_limit, BH_LOG_WARN, COMPONENT,
		    "samples of new contexts are dropped: bulkhead.dogstatsd_context_limit "
		    "(%" PRId64 ") is reached",
		    d->child->config.dogstatsd_context_limit);
	if (d->ingest.truncated != before->ingest.truncated)
		bh_log_limited(&d->child->log, &d->truncated_limit, BH_LOG_WARN, COMPONENT,
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
		bh_outlet_late(&d->outlet, &d->late);
	if (d->late.batch.points)
		bh_timer_in(&d->child->loop, t, LATE_TICK_NS, late_tick);
}

static void after_late(struct bh_dogstatsd *d)
{
	d->last_late_ns = bh_mono_ns(d->clock);
	if (bh_late_full(&d->late))
		bh_outlet_late(&d->outlet, &d->late);
	else if (!bh_timer_armed(&d->late_timer))
		bh_timer_in(&d->child->loop, &d->late_timer, LATE_TICK_NS, late_tick);
}

/* One batch. Returns the number of datagrams. */
static unsigned read_batch(struct bh_dogstatsd *d, struct bh_listener *l)
{
	struct batch_mark mark = begin_batch(d);
	int n;

	n = bh_listener_read(l, &d->batch, &d->ingest, wall_s(d), &mark.bad);
	if (n < 0) {
		bh_error(&d->child->log, COMPONENT, "reading %s: %s; it is not read any more",
		    l->name, bh_err_name(n));
		l->ended = true;
	}
	if (l->ended)
		bh_loop_del_fd(&l->watch);
	end_batch(d, l->name, &mark);
	return n > 0 ? (unsigned)n : 0;
}

static void on_readable(struct bh_watch *w, unsigned events)
{
	struct bh_listener *l = BH_CONTAINER(w, struct bh_listener, watch);
	struct bh_dogstatsd *d = l->owner;

	(void)events;
	for (int i = 0; i < BATCHES_PER_TURN; i++) {
		if (read_batch(d, l) < d->batch.n)
			return;
	}
}

/* §2.3: a frame that is too long ends its connection. */
static void log_refused(struct bh_dogstatsd *d, const struct bh_stream_result *r)
{
	bool show = d->child->config.dogstatsd_stream_log_too_big;
	char text[160] = "";

	if (show)
		log_text(text, sizeof(text), r->refused);
	bh_log_limited(&d->child->log, &d->frame_limit, BH_LOG_INFO, COMPONENT,
	    "a frame of %" PRIu32
	    " bytes is longer than dogstatsd_buffer_size (%zu): its connection is closed%s%s",
	    r->refused_len, d->batch.size, show ? "; it begins with: " : "", text);
}

static void stream_readable(void *owner, struct bh_stream *c)
{
	struct bh_dogstatsd *d = owner;
	struct batch_mark mark = begin_batch(d);
	struct bh_stream_result r = bh_stream_read(c, &d->ingest, wall_s(d), &mark.bad);

	if (r.refused_len)
		log_refused(d, &r);
	end_batch(d, d->streams.cfg.name, &mark);
}

static bool has_streams(const struct bh_dogstatsd *d)
{
	return d->streams.cfg.name != NULL;
}

/* One round of the drain over all connections. */
static size_t read_streams(struct bh_dogstatsd *d)
{
	struct batch_mark mark = begin_batch(d);
	size_t bytes = bh_streams_read_all(&d->streams, &d->ingest, wall_s(d), &mark.bad);

	end_batch(d, d->streams.cfg.name, &mark);
	return bytes;
}

/* --- flushing -----------------------------------------------------------------------------------
 */

static void log_kernel_drops(struct bh_dogstatsd *d)
{
	uint64_t drops = 0;

	for (size_t i = 0; i < d->listeners_n; i++) {
		bh_listener_update_drops(&d->listeners[i]);
		drops += d->listeners[i].kernel_drops;
	}
	if (drops == d->drops_logged)
		return;
	bh_log_limited(&d->child->log, &d->drops_limit, BH_LOG_WARN, COMPONENT,
	    "the kernel dropped datagrams because the socket's queue was full: raise"
	    " dogstatsd_so_rcvbuf datagrams=%" PRIu64,
	    drops - d->drops_logged);
	d->drops_logged = drops;
}

static void finish_flush(struct bh_dogstatsd *d, struct bh_flush_set *set)
{
	bh_outlet_flush(&d->outlet, set, &d->notices);
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

static void begin_flush(struct bh_dogstatsd *d, bool all)
{
	log_kernel_drops(d);
	bh_outlet_late(&d->outlet, &d->late);
	if (bh_sampler_flush_begin(&d->sampler, wall_s(d), all) < 0)
		bh_error(&d->child->log, COMPONENT, "no memory for a flush; trying again later");
	else
		flush_step(&d->step_timer);
}

/* The last flush: nobody waits for its steps. */
static void flush_to_the_end(struct bh_dogstatsd *d, bool all)
{
	struct bh_flush_set *set;

	bh_timer_cancel(&d->step_timer);
	while (bh_sampler_flushing(&d->sampler)) {
		set = bh_sampler_flush_step(&d->sampler, SIZE_MAX);
		if (set)
			finish_flush(d, set);
	}
	log_kernel_drops(d);
	bh_outlet_late(&d->outlet, &d->late);
	if (bh_sampler_flush(&d->sampler, wall_s(d), all, &set) < 0)
		bh_error(&d->child->log, COMPONENT, "no memory for the last flush");
	else
		finish_flush(d, set);
}

static void flush_tick(struct bh_timer *t)
{
	struct bh_dogstatsd *d = BH_CONTAINER(t, struct bh_dogstatsd, flush_timer);
	int64_t interval = d->child->config.dogstatsd_flush_interval_ms * BH_NS_PER_MS;
	int64_t now = bh_mono_ns(d->clock);

	if (bh_sampler_flushing(&d->sampler) || bh_outlet_behind(&d->outlet))
		bh_log_limited(&d->child->log, &d->behind_limit, BH_LOG_WARN, COMPONENT,
		    "the flush before is still being encoded; this one waits for the next tick");
	else
		begin_flush(d, false);
	/* The phase is that of the start; ticks missed while stopped are not made up for. */
	d->next_flush_ns += interval;
	if (d->next_flush_ns <= now)
		d->next_flush_ns += (now - d->next_flush_ns) / interval * interval + interval;
	bh_timer_at(&d->child->loop, t, d->next_flush_ns, flush_tick);
}

/* --- the drain ----------------------------------------------------------------------------------
 */

static void report(struct bh_dogstatsd *d)
{
	struct bh_ctl_drained r = {0};
	struct bh_producer_stats st;
	struct bh_ledger l;

	if (d->stage == STAGE_DRAINED)
		return;
	d->stage = STAGE_DRAINED;
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
		bh_warn(&d->child->log, COMPONENT,
		    "the drain ends without proof for everything points=%" PRIu64, r.left);
	bh_child_drained(d->child, &r);
}

static void on_drained(void *ctx)
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
	flush_to_the_end(d, false);
	if (bh_handover_write(&d->sampler, d->handover_fd, &err) == 0)
		return true;
	bh_warn(&d->child->log, COMPONENT, "%s; they are flushed instead", err.text);
	return false;
}

static void hand_over(struct bh_dogstatsd *d)
{
	d->stage = STAGE_HANDING_OVER;
	if (!pass_on(d))
		flush_to_the_end(d, d->child->config.dogstatsd_flush_incomplete_buckets);
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
		more |= read_batch(d, &d->listeners[i]) > 0;
	more |= has_streams(d) && read_streams(d) > 0;
	if (more && bh_mono_ns(d->clock) < d->read_until_ns) {
		bh_timer_in(&d->child->loop, t, 0, drain_step);
		return;
	}
	if (more)
		bh_warn(&d->child->log, COMPONENT,
		    "clients went on sending during the drain; half of its time is up");
	hand_over(d);
}

static void drain(void *ctx, int64_t deadline_ns, enum bh_drain_mode mode)
{
	struct bh_dogstatsd *d = ctx;
	int64_t now = bh_mono_ns(d->clock), left = BH_MAX(deadline_ns - now, 0);
	int64_t read_until = now + left / 2;

	if (d->stage == STAGE_DRAINED)
		return;
	bh_timer_at(&d->child->loop, &d->deadline_timer,
	    deadline_ns - BH_MIN(DRAIN_MARGIN_NS, left / 4), on_deadline);
	if (d->stage != STAGE_RUNNING) {
		d->read_until_ns = BH_MIN(d->read_until_ns, read_until);
		return;
	}
	d->mode = mode;
	d->stage = STAGE_READING;
	d->read_until_ns = read_until;
	bh_timer_cancel(&d->flush_timer);
	for (size_t i = 0; i < d->listeners_n; i++)
		bh_loop_del_fd(&d->listeners[i].watch);
	if (has_streams(d))
		bh_streams_stop(&d->streams);
	drain_step(&d->drain_timer);
}

/* --- the child's other duties -------------------------------------------------------------------
 */

static void on_stale(void *ctx)
{
	struct bh_dogstatsd *d = ctx;

	bh_error(
	    &d->child->log, COMPONENT, "a newer incarnation of this process is at work; leaving");
	bh_child_fail(d->child, BH_EXIT_INTERNAL);
}

static void peer_state(void *ctx, enum bh_role role, bool running)
{
	struct bh_dogstatsd *d = ctx;

	if (role == BH_ROLE_FORWARDER)
		bh_producer_peer_running(d->outlet.producer, running);
}

static void stats(void *ctx, struct bh_child *child)
{
	struct bh_dogstatsd *d = ctx;
	struct bh_stats_source source = {
	    .listeners = d->listeners,
	    .listeners_n = d->listeners_n,
	    .streams = has_streams(d) ? &d->streams : NULL,
	    .relay = &d->relay,
	    .ingest = &d->ingest,
	    .sampler = &d->sampler,
	    .outlet = &d->outlet,
	    .late = &d->late,
	    .notices = &d->notices,
	};

	bh_stats_report(&source, child);
}

static void heartbeat(void *ctx, struct bh_ctl_heartbeat *hb)
{
	struct bh_dogstatsd *d = ctx;
	struct bh_producer_stats st;

	bh_producer_stats(d->outlet.producer, &st);
	hb->pending_items =
	    bh_outlet_pending(&d->outlet) + d->late.batch.points + bh_notices_waiting(&d->notices);
	hb->pending_bytes = bh_outlet_pending_bytes(&d->outlet);
	hb->link_up = st.ready;
}

const struct bh_child_ops bh_dogstatsd_child_ops = {
    .drain = drain,
    .peer_state = peer_state,
    .stats = stats,
    .heartbeat = heartbeat,
};

/* --- life ---------------------------------------------------------------------------------------
 */

static bool has_scheme(const char *name, const char *scheme)
{
	size_t n = strlen(scheme);

	return strncmp(name, scheme, n) == 0 && name[n] == ':';
}

/* Streams count as uds. */
static bool eol_required(const struct bh_config *cfg, const char *name)
{
	for (size_t i = 0; i < cfg->dogstatsd_eol_required.n; i++) {
		if (strncmp(cfg->dogstatsd_eol_required.v[i], name, 3) == 0 &&
		    cfg->dogstatsd_eol_required.v[i][3] == '\0')
			return true;
	}
	return false;
}

static int open_datagrams(struct bh_dogstatsd *d, const char *name, int fd)
{
	struct bh_listener *l = &d->listeners[d->listeners_n++];

	bh_listener_init(
	    l, fd, name, eol_required(&d->child->config, name), d->child->generation <= 1);
	l->owner = d;
	l->relay = &d->relay;
	return bh_loop_add_fd(&d->child->loop, &l->watch, l->fd, BH_LOOP_READ, on_readable);
}

static int open_streams(struct bh_dogstatsd *d, const char *name, int fd)
{
	struct bh_streams_config cfg = {
	    .loop = &d->child->loop,
	    .name = name,
	    .frame_max = (size_t)d->child->config.dogstatsd_buffer_size,
	    .eol_required = eol_required(&d->child->config, name),
	    .readable = stream_readable,
	    .owner = d,
	    .relay = &d->relay,
	};

	return bh_streams_init(&d->streams, fd, &cfg);
}

/* Takes one inherited descriptor, when it is one of ours. */
static int open_inherited(struct bh_dogstatsd *d, struct bh_child_fd *inherited)
{
	const char *name = inherited->name;
	int fd = inherited->fd;

	if (has_scheme(name, "forward")) {
		d->relay.fd = fd;
		inherited->fd = -1;
		return 0;
	}
	if (strcmp(name, "handover-out") == 0) {
		d->handover_fd = fd;
		inherited->fd = -1;
		return 0;
	}
	if (!has_scheme(name, "udp") && !has_scheme(name, "uds") && !has_scheme(name, "uds-stream"))
		return 0;
	inherited->fd = -1;
	return has_scheme(name, "uds-stream") ? open_streams(d, name, fd)
					      : open_datagrams(d, name, fd);
}

static int open_listeners(struct bh_dogstatsd *d, struct bh_err *err)
{
	struct bh_child *c = d->child;

	d->listeners = calloc(c->fds_n + 1, sizeof(*d->listeners));
	if (!d->listeners)
		return bh_err_set(err, -ENOMEM, "listeners");
	for (size_t i = 0; i < c->fds_n; i++) {
		int rc = c->fds[i].fd < 0 ? 0 : open_inherited(d, &c->fds[i]);

		if (rc < 0)
			return bh_err_set(err, rc, "watch %s", c->fds[i].name);
	}
	if (d->listeners_n == 0 && !has_streams(d))
		bh_warn(
		    &c->log, COMPONENT, "no socket to read: neither UDP nor Unix is configured");
	return 0;
}

static int open_pipeline(struct bh_dogstatsd *d, struct bh_err *err)
{
	const struct bh_config *cfg = &d->child->config;
	struct bh_err mapper_err = BH_ERR_INIT;
	uint64_t seed = d->handover.map ? d->handover.seed : bh_rng_u64(&d->rng);
	struct bh_sampler_config sampler = {
	    .seed = seed,
	    .naming = &d->naming,
	    .copy_histograms = cfg->histogram_copy_to_distribution,
	    .hostname = bh_str_from(cfg->hostname),
	    .tags = &cfg->dogstatsd_tags,
	    .expiry_s = cfg->dogstatsd_expiry_seconds,
	    .context_expiry_s = cfg->dogstatsd_context_expiry_seconds,
	    .context_limit = (size_t)cfg->dogstatsd_context_limit,
	};
	int rc;

	if (cfg->dogstatsd_buffer_size < 1 || cfg->dogstatsd_flush_interval_ms < 1 ||
	    cfg->dogstatsd_context_limit < 1)
		return bh_err_set(err, BH_E_CONFIG,
		    "dogstatsd_buffer_size, bulkhead.dogstatsd_flush_interval and"
		    " bulkhead.dogstatsd_context_limit must be positive");
	rc = bh_naming_init(&d->naming, cfg, seed, &mapper_err);
	if (mapper_err.code)
		bh_warn(&d->child->log, COMPONENT,
		    "dogstatsd_mapper_profiles: %s; no metric is mapped", mapper_err.text);
	if (rc == 0)
		rc = bh_sampler_init(&d->sampler, &sampler);
	if (rc == 0) {
		bh_late_init(&d->late, &d->sampler.contexts.resolver,
		    bh_flusher_format(d->outlet.flusher),
		    (uint32_t)cfg->dogstatsd_no_aggregation_batch_size);
		bh_notices_init(&d->notices, &d->sampler.contexts.resolver);
		rc = bh_ingest_init(&d->ingest, &d->sampler, &d->late, &d->notices,
		    cfg->dogstatsd_no_aggregation_pipeline);
	}
	if (rc == 0)
		rc = bh_batch_init(&d->batch, (size_t)cfg->dogstatsd_buffer_size);
	return rc < 0 ? bh_err_set(err, rc, "receive buffers") : 0;
}

/* Looks for open buckets of the process before; without them, or with ones that do not fit, it
 * begins with none. */
static void find_handover(struct bh_dogstatsd *d)
{
	struct bh_child *c = d->child;
	struct bh_err err = BH_ERR_INIT;

	for (size_t i = 0; i < c->fds_n; i++) {
		if (c->fds[i].fd < 0 || strcmp(c->fds[i].name, "handover-in") != 0)
			continue;
		if (bh_handover_open(&d->handover, c->fds[i].fd, &err))
			bh_warn(&c->log, COMPONENT, "%s; they are lost", err.text);
		(void)close(c->fds[i].fd);
		c->fds[i].fd = -1;
	}
}

static void take_handover(struct bh_dogstatsd *d)
{
	struct bh_err err = BH_ERR_INIT;

	if (!d->handover.map)
		return;
	if (bh_handover_read(&d->handover, &d->sampler, &err))
		bh_warn(&d->child->log, COMPONENT, "%s; some of them are lost", err.text);
	else
		bh_info(&d->child->log, COMPONENT,
		    "goes on with the open buckets of the process before contexts=%zu",
		    bh_contexts_count(&d->sampler.contexts));
	bh_handover_close(&d->handover);
}

static int open_outlet(struct bh_dogstatsd *d, struct bh_err *err)
{
	struct bh_child *c = d->child;
	struct bh_producer_config link = {
	    .loop = &c->loop,
	    .log = &c->log,
	    .rng = &d->rng,
	    .role = BH_ROLE_DOGSTATSD,
	    .run_dir = c->config.run_dir,
	    .run_id = c->run_id,
	    .generation = c->generation,
	};
	size_t skipped = bh_flusher_skipped_words(d->outlet.flusher);

	d->outlet.drained = on_drained;
	d->outlet.stale = on_stale;
	d->outlet.ctx = d;
	if (skipped)
		bh_info(&c->log, COMPONENT,
		    "words of histogram_aggregates or histogram_percentiles without meaning: %zu",
		    skipped);
	return bh_outlet_connect(&d->outlet, &link, err);
}

int bh_dogstatsd_new(struct bh_dogstatsd **out, struct bh_child *child, struct bh_err *err)
{
	struct bh_dogstatsd *d = calloc(1, sizeof(*d));
	int rc;

	if (!d)
		return bh_err_set(err, -ENOMEM, "dogstatsd");
	d->child = child;
	d->relay.fd = d->handover_fd = -1;
	d->clock = child->loop.clock;
	bh_rng_init(&d->rng);
	find_handover(d);
	rc = bh_outlet_init(&d->outlet, &child->loop, &child->config, d->clock, &child->log, err);
	if (rc == 0)
		rc = open_pipeline(d, err);
	if (rc == 0)
		take_handover(d);
	if (rc == 0)
		rc = open_outlet(d, err);
	if (rc == 0)
		rc = open_listeners(d, err);
	if (rc < 0) {
		bh_dogstatsd_free(d);
		return rc;
	}
	d->next_flush_ns =
	    bh_mono_ns(d->clock) + child->config.dogstatsd_flush_interval_ms * BH_NS_PER_MS;
	bh_timer_at(&child->loop, &d->flush_timer, d->next_flush_ns, flush_tick);
	*out = d;
	return 0;
}

void bh_dogstatsd_free(struct bh_dogstatsd *d)
{
	if (!d)
		return;
	bh_timer_cancel(&d->flush_timer);
	bh_timer_cancel(&d->step_timer);
	bh_timer_cancel(&d->late_timer);
	bh_timer_cancel(&d->drain_timer);
	bh_timer_cancel(&d->deadline_timer);
	for (size_t i = 0; i < d->listeners_n; i++) {
		bh_loop_del_fd(&d->listeners[i].watch);
		bh_listener_release(&d->listeners[i]);
	}
	free(d->listeners);
	bh_streams_release(&d->streams);
	if (d->relay.fd >= 0)
		(void)close(d->relay.fd);
	if (d->handover_fd >= 0)
		(void)close(d->handover_fd);
	bh_handover_close(&d->handover);
	bh_outlet_release(&d->outlet);
	bh_ingest_release(&d->ingest);
	bh_late_release(&d->late);
	bh_notices_release(&d->notices);
	bh_sampler_release(&d->sampler);
	bh_naming_release(&d->naming);
	bh_batch_release(&d->batch);
	free(d);
}
