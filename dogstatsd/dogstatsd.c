#include "dogstatsd/dogstatsd_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CENSUS_STEP 512 /* contexts looked at before the sockets get their turn */

static void on_stale(void *ctx)
{
	struct bh_dogstatsd *d = ctx;

	bh_error(&d->child->log, BH_DOGSTATSD,
	    "a newer incarnation of this process is at work; leaving");
	bh_child_fail(d->child, BH_EXIT_INTERNAL);
}

static void on_again(void *ctx)
{
	struct bh_dogstatsd *d = ctx;

	bh_child_again(d->child);
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
	    .streams = bh_dogstatsd_has_streams(d) ? &d->streams : NULL,
	    .tap = &d->tap,
	    .ingest = &d->ingest,
	    .sampler = &d->sampler,
	    .outlet = &d->outlet,
	    .late = &d->late,
	    .notices = &d->notices,
	    .fills = &d->fills,
	    .rate = d->rate.v ? &d->rate : NULL,
	};

	bh_stats_report(&source, child);
}

static void rate_tick(struct bh_timer *t)
{
	struct bh_dogstatsd *d = BH_CONTAINER(t, struct bh_dogstatsd, rate_timer);

	bh_rate_tick(&d->rate, d->ingest.lines, bh_mono_ns(d->clock));
	bh_timer_in(&d->child->loop, t, BH_NS_PER_S, rate_tick);
}

static int open_rate(struct bh_dogstatsd *d, struct bh_err *err)
{
	const struct bh_config *cfg = &d->child->config;
	int rc;

	if (!cfg->dogstatsd_stats_enable)
		return 0;
	rc = bh_rate_init(&d->rate, (size_t)cfg->dogstatsd_stats_buffer, 0, bh_mono_ns(d->clock));
	if (rc < 0)
		return bh_err_set(err, rc, "dogstatsd_stats_buffer");
	bh_timer_in(&d->child->loop, &d->rate_timer, BH_NS_PER_S, rate_tick);
	return 0;
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

static void give_rows(
    struct bh_dogstatsd *d, enum bh_query_row_kind kind, const struct bh_census_table *t)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct bh_census_row *r = &t->v[i];

		bh_child_row(d->child, d->census_id, kind, r->name, r->tags ? r->tags : "",
		    r->count, r->last_seen);
	}
}

static void census_step(struct bh_timer *t)
{
	struct bh_dogstatsd *d = BH_CONTAINER(t, struct bh_dogstatsd, census_timer);

	if (!bh_census_step(&d->census, &d->sampler.contexts, CENSUS_STEP)) {
		bh_timer_in(&d->child->loop, t, 0, census_step);
		return;
	}
	give_rows(d, BH_ROW_METRIC, &d->census.metrics);
	give_rows(d, BH_ROW_NAME, &d->census.names);
	give_rows(d, BH_ROW_TAG_KEY, &d->census.tag_keys);
	bh_child_row(d->child, d->census_id, BH_ROW_END, "",
	    d->census.failed ? "not enough memory to count all" : "", d->census.seen, 0);
	bh_census_release(&d->census);
	d->census_id = 0;
}

static void give_senders(struct bh_dogstatsd *d, uint32_t id, uint32_t limit)
{
	struct bh_sender_row rows[BH_SENDERS_MAX];
	size_t n =
	    bh_senders_top(&d->tap.senders, rows, BH_MIN((size_t)limit, (size_t)BH_SENDERS_MAX));

	for (size_t i = 0; i < n; i++) {
		char pid[16], uid[16];

		(void)snprintf(pid, sizeof(pid), "%ld", (long)rows[i].from.pid);
		(void)snprintf(uid, sizeof(uid), "%lu", (unsigned long)rows[i].from.uid);
		bh_child_row(
		    d->child, id, BH_ROW_SENDER, pid, uid, rows[i].packets, rows[i].last_seen);
	}
	bh_child_row(d->child, id, BH_ROW_END, "",
	    d->tap.senders.rows
		? ""
		: "senders are not counted: set dogstatsd_origin_detection: true and"
		  " start bulkhead again",
	    n, 0);
}

static void query(void *ctx, const struct bh_child_query *q)
{
	struct bh_dogstatsd *d = ctx;

	if (q->what == BH_QUERY_METRICS && !d->child->config.dogstatsd_metrics_stats_enable) {
		bh_child_row(d->child, q->id, BH_ROW_END, "",
		    "samples are not counted: set dogstatsd_metrics_stats_enable: true and restart",
		    0, 0);
		return;
	}
	if (q->what == BH_QUERY_SENDERS) {
		give_senders(d, q->id, q->limit);
		return;
	}
	if (q->what != BH_QUERY_METRICS && q->what != BH_QUERY_CONTEXTS) {
		bh_child_row(d->child, q->id, BH_ROW_END, "", "not a question to dogstatsd", 0, 0);
		return;
	}
	bh_census_release(&d->census); /* the supervisor asks again only when it gave up */
	bh_census_begin(&d->census, q->what, q->limit);
	d->census_id = q->id;
	census_step(&d->census_timer);
}

static void capture_end(struct bh_timer *t)
{
	bh_capture_stop(&BH_CONTAINER(t, struct bh_dogstatsd, capture_timer)->tap.capture);
}

static void capture(void *ctx, int fd, uint32_t seconds)
{
	struct bh_dogstatsd *d = ctx;

	bh_capture_start(&d->tap.capture, fd);
	bh_timer_in(&d->child->loop, &d->capture_timer, seconds * BH_NS_PER_S, capture_end);
}

static void take_figures(void *ctx, struct bh_str figures)
{
	struct bh_dogstatsd *d = ctx;

	bh_own_figures_take(&d->outlet.own, figures);
}

const struct bh_child_ops bh_dogstatsd_child_ops = {
    .drain = bh_dogstatsd_drain,
    .peer_state = peer_state,
    .stats = stats,
    .heartbeat = heartbeat,
    .query = query,
    .capture = capture,
    .figures = take_figures,
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
	l->tap = &d->tap;
	return bh_loop_add_fd(&d->child->loop, &l->watch, l->fd, BH_LOOP_READ, bh_receive_readable);
}

static int open_streams(struct bh_dogstatsd *d, const char *name, int fd)
{
	struct bh_streams_config cfg = {
	    .loop = &d->child->loop,
	    .name = name,
	    .frame_max = (size_t)d->child->config.dogstatsd_buffer_size,
	    .eol_required = eol_required(&d->child->config, name),
	    .readable = bh_receive_stream,
	    .owner = d,
	    .tap = &d->tap,
	};

	return bh_streams_init(&d->streams, fd, &cfg);
}

/* Takes one inherited descriptor, when it is one of ours. */
static int open_inherited(struct bh_dogstatsd *d, struct bh_child_fd *inherited)
{
	const char *name = inherited->name;
	int fd = inherited->fd;

	if (has_scheme(name, "forward")) {
		d->tap.relay.fd = fd;
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
	if (d->listeners_n == 0 && !bh_dogstatsd_has_streams(d))
		bh_warn(
		    &c->log, BH_DOGSTATSD, "no socket to read: neither UDP nor Unix is configured");
	return 0;
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
			bh_warn(&c->log, BH_DOGSTATSD, "%s; they are lost", err.text);
		(void)close(c->fds[i].fd);
		c->fds[i].fd = -1;
	}
}

/* With the open buckets of the process before; with none when they do not fit. */
static int open_sampler(struct bh_dogstatsd *d, const struct bh_sampler_config *cfg)
{
	struct bh_err err = BH_ERR_INIT;
	int rc = bh_sampler_init(&d->sampler, cfg);

	if (rc || !d->handover.map)
		return rc;
	if (bh_handover_read(&d->handover, &d->sampler, &err)) {
		bh_warn(&d->child->log, BH_DOGSTATSD, "%s; they are lost", err.text);
		bh_sampler_release(&d->sampler);
		rc = bh_sampler_init(&d->sampler, cfg);
	} else {
		bh_info(&d->child->log, BH_DOGSTATSD,
		    "goes on with the open buckets of the process before contexts=%zu",
		    bh_contexts_count(&d->sampler.contexts));
	}
	bh_handover_close(&d->handover);
	return rc;
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
	    .count_samples = cfg->dogstatsd_metrics_stats_enable,
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
	rc = bh_host_tags_init(&d->host_tags, &cfg->tags,
	    bh_mono_ns(d->clock) + cfg->expected_tags_duration_ms * BH_NS_PER_MS);
	if (rc < 0)
		return bh_err_set(err, rc, "host tags");
	rc = bh_naming_init(&d->naming, cfg, seed, &mapper_err);
	if (mapper_err.code)
		bh_warn(&d->child->log, BH_DOGSTATSD,
		    "dogstatsd_mapper_profiles: %s; no metric is mapped", mapper_err.text);
	if (rc == 0)
		rc = open_sampler(d, &sampler);
	if (rc == 0) {
		bh_late_init(&d->late, &d->sampler.contexts.resolver,
		    bh_flusher_format(d->outlet.flusher),
		    (uint32_t)cfg->dogstatsd_no_aggregation_batch_size);
		d->late.extra = bh_host_tags_at(&d->host_tags, bh_mono_ns(d->clock));
		bh_notices_init(&d->notices, &d->sampler.contexts.resolver);
		rc = bh_ingest_init(&d->ingest, &d->sampler, &d->late, &d->notices,
		    cfg->dogstatsd_no_aggregation_pipeline);
	}
	if (rc == 0)
		rc = bh_batch_init(&d->batch, (size_t)cfg->dogstatsd_buffer_size);
	return rc < 0 ? bh_err_set(err, rc, "receive buffers") : 0;
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
	    .uids = c->uids,
	    .run_id = c->run_id,
	    .generation = c->generation,
	};
	size_t skipped = bh_flusher_skipped_words(d->outlet.flusher);

	d->outlet.drained = bh_dogstatsd_drained;
	d->outlet.stale = on_stale;
	d->outlet.again = on_again;
	d->outlet.ctx = d;
	if (skipped)
		bh_info(&c->log, BH_DOGSTATSD,
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
	d->tap.relay.fd = d->handover_fd = -1;
	bh_capture_init(&d->tap.capture, child->loop.clock, &child->log);
	d->clock = child->loop.clock;
	bh_rng_init(&d->rng);
	find_handover(d);
	rc = bh_outlet_init(&d->outlet, &child->loop, &child->config, d->clock, &child->log, err);
	if (rc == 0)
		rc = open_pipeline(d, err);
	if (rc == 0)
		rc = open_outlet(d, err);
	if (rc == 0 && child->config.dogstatsd_origin_detection)
		rc = bh_senders_init(&d->tap.senders);
	if (rc == 0)
		rc = open_rate(d, err);
	if (rc == 0)
		rc = open_listeners(d, err);
	if (rc < 0) {
		bh_dogstatsd_free(d);
		return rc;
	}
	d->next_flush_ns =
	    bh_mono_ns(d->clock) + child->config.dogstatsd_flush_interval_ms * BH_NS_PER_MS;
	bh_timer_at(&child->loop, &d->flush_timer, d->next_flush_ns, bh_flush_tick);
	child->loop.turn_end = bh_receive_turn_end;
	child->loop.turn_ctx = d;
	*out = d;
	return 0;
}

void bh_dogstatsd_free(struct bh_dogstatsd *d)
{
	if (!d)
		return;
	d->child->loop.turn_end = NULL;
	bh_timer_cancel(&d->flush_timer);
	bh_timer_cancel(&d->step_timer);
	bh_timer_cancel(&d->late_timer);
	bh_timer_cancel(&d->census_timer);
	bh_timer_cancel(&d->capture_timer);
	bh_timer_cancel(&d->rate_timer);
	bh_rate_release(&d->rate);
	bh_capture_stop(&d->tap.capture);
	bh_senders_release(&d->tap.senders);
	bh_census_release(&d->census);
	bh_timer_cancel(&d->drain_timer);
	bh_timer_cancel(&d->deadline_timer);
	for (size_t i = 0; i < d->listeners_n; i++) {
		bh_loop_del_fd(&d->listeners[i].watch);
		bh_listener_release(&d->listeners[i]);
	}
	free(d->listeners);
	bh_streams_release(&d->streams);
	if (d->tap.relay.fd >= 0)
		(void)close(d->tap.relay.fd);
	if (d->handover_fd >= 0)
		(void)close(d->handover_fd);
	bh_handover_close(&d->handover);
	bh_outlet_release(&d->outlet);
	bh_host_tags_release(&d->host_tags);
	bh_ingest_release(&d->ingest);
	bh_late_release(&d->late);
	bh_notices_release(&d->notices);
	bh_sampler_release(&d->sampler);
	bh_naming_release(&d->naming);
	bh_batch_release(&d->batch);
	free(d);
}
