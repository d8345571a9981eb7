#include "forwarder/custody.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "forwarder/custody_internal.h"
#include "forwarder/cut.h"
#include "forwarder/urls.h"

#define COMPONENT        "custody"
#define MINUTE_NS        (60 * BH_NS_PER_S)
#define LOGS_CONCURRENCY 4

void bh_payload_free(struct bh_payload *p)
{
	if (!p)
		return;
	if (p->cut)
		p->dest->cut_bytes -= p->cut_bytes;
	bh_cut_free(p->cut);
	bh_ipc_msg_free(p->msg);
	free(p->block);
	free(p->spare);
	free(p);
}

static int load_position(
    void *ctx, const struct bh_origin *row, uint64_t safe_ord, uint64_t delivered_ord)
{
	return bh_positions_load(ctx, row, safe_ord, delivered_ord);
}

static int load_parts(void *ctx, uint64_t ord, struct bh_str origins)
{
	struct bh_origins_reader r;
	struct bh_origin o;
	int rc = bh_origins_begin(&r, origins.p, origins.n);

	while (!rc && (rc = bh_origins_next(&r, &o)) == 1)
		rc = bh_positions_load_part(ctx, &o, ord);
	return rc;
}

static void configure(struct bh_dest *d, const struct bh_config *cfg, bool logs)
{
	struct bh_backoff_config b = {
	    .factor = (double)(logs ? cfg->logs_sender_backoff_factor_milli
				    : cfg->forwarder_backoff_factor_milli) /
		      1e3,
	    .base_s =
		(double)(logs ? cfg->logs_sender_backoff_base_ms : cfg->forwarder_backoff_base_ms) /
		1e3,
	    .max_s =
		(double)(logs ? cfg->logs_sender_backoff_max_ms : cfg->forwarder_backoff_max_ms) /
		1e3,
	    .recovery =
		(int)(logs ? cfg->logs_sender_recovery_interval : cfg->forwarder_recovery_interval),
	    .recovery_reset =
		logs ? cfg->logs_sender_recovery_reset : cfg->forwarder_recovery_reset,
	};
	int64_t workers = BH_MAX(cfg->forwarder_num_workers, 1) *
			  BH_MAX(cfg->forwarder_max_concurrent_requests, 1);
	int64_t logs_n = cfg->logs_batch_max_concurrent_send;

	d->logs = logs;
	d->name = logs ? "logs" : "metrics";
	d->newest_first = !logs;
	bh_spool_limits(cfg, logs, &d->limits);
	d->spool_on = d->limits.on;
	d->concurrency =
	    (unsigned)BH_MIN(logs ? (logs_n > 0 ? logs_n : LOGS_CONCURRENCY) : workers, 64);
	d->adaptive = logs && logs_n <= 0;
	d->timeout_ms = logs ? cfg->logs_http_timeout_ms : cfg->forwarder_timeout_ms;
	bh_backoff_init(&d->backoff, &b, logs ? 1 : 2, logs ? 120 : 64);
}

static int make_dest(struct bh_custody *c, struct bh_dest *d, bool logs)
{
	struct bh_buf url = BH_BUF_INIT;
	struct bh_dest_counts counts = {0};
	size_t n;
	int rc;

	d->custody = c;
	configure(d, c->cfg.config, logs);
	d->key = logs ? "logs/primary" : "metrics/primary";
	rc = logs ? bh_url_logs(c->cfg.config, &url) : bh_url_metrics_base(c->cfg.config, &url);
	d->url = bh_buf_detach(&url, &n);
	if (!rc)
		rc = bh_store_destination(c->cfg.store, d->key, logs, &d->id);
	if (!rc)
		rc = bh_store_counts(c->cfg.store, d->id, &counts);
	if (!rc)
		rc = bh_store_items(c->cfg.store, d->id, &d->row_items);
	d->rows = counts.pending_rows;
	d->row_bytes = counts.pending_bytes;
	d->l.received = d->row_items; /* the opening balance */
	if (!rc)
		d->kept = bh_kept_dest(
		    &c->kept, d->name, d->row_items, bh_store_replaced(c->cfg.store) != NULL);
	return rc || d->kept ? rc : -ENOMEM;
}

static void on_minute(struct bh_timer *t)
{
	struct bh_custody *c = BH_CONTAINER(t, struct bh_custody, minute);

	if (!c->drain_done)
		bh_custody_expire(c);
	bh_timer_in(c->cfg.loop, t, bh_custody_is_full(c) ? BH_FULL_LOOK_NS : MINUTE_NS, on_minute);
}

int bh_custody_new(struct bh_custody **out, const struct bh_custody_config *cfg, struct bh_err *err)
{
	struct bh_custody *c = calloc(1, sizeof(*c));
	int rc;

	if (!c)
		return bh_err_set(err, -ENOMEM, "custody");
	c->cfg = *cfg;
	c->offline = cfg->spool_only;
	c->disk_reserve = bh_spool_disk_reserve(cfg->config, bh_store_disk_total(cfg->store));
	rc = bh_positions_init(&c->positions);
	if (!rc)
		rc = bh_store_each_position(cfg->store, load_position, &c->positions);
	if (!rc)
		rc = bh_store_each_origins(cfg->store, load_parts, &c->positions);
	if (!rc)
		rc = bh_kept_open(&c->kept, cfg->store, bh_wall_ms(cfg->loop->clock));
	if (!rc)
		rc = make_dest(c, &c->dests[0], true);
	if (!rc)
		rc = make_dest(c, &c->dests[1], false);
	if (!rc)
		rc = bh_quarantine_open(&c->quarantine, cfg->store, cfg->config->quarantine,
		    cfg->config->quarantine_max_size_bytes, cfg->config->quarantine_max_payloads);
	if (!rc)
		rc = bh_custody_key_init(c);
	if (rc) {
		bh_custody_free(c);
		return bh_err_set(err, rc, "load registry and spool");
	}
	on_minute(&c->minute);
	bh_custody_guard_start(c);
	*out = c;
	return 0;
}

void bh_custody_free(struct bh_custody *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < BH_CUSTODY_DESTS; i++) {
		struct bh_dest *d = &c->dests[i];

		while (d->head) {
			struct bh_payload *p = d->head;

			bh_dest_remove(d, p);
			bh_payload_free(p);
		}
		bh_timer_cancel(&d->retry);
		bh_timer_cancel(&d->spool_timer);
		free(d->url);
	}
	while (c->empties) {
		struct bh_payload *p = c->empties;

		c->empties = p->next;
		bh_payload_free(p);
	}
	bh_timer_cancel(&c->company);
	bh_timer_cancel(&c->minute);
	bh_timer_cancel(&c->idle);
	bh_timer_cancel(&c->backup);
	bh_timer_cancel(&c->drain_timer);
	bh_timer_cancel(&c->key_timer);
	free(c->key_url);
	bh_positions_release(&c->positions);
	bh_kept_release(&c->kept);
	free(c);
}

void bh_custody_connect(
    struct bh_custody *c, struct bh_intake *intake, struct bh_transport *transport)
{
	c->intake = intake;
	c->transport = transport;
}

static void add_positions(struct bh_custody *c, const struct bh_payload *p)
{
	struct bh_origins_reader r;
	struct bh_origin o;

	if (bh_origins_begin(&r, p->origins.p, p->origins.n))
		return;
	while (bh_origins_next(&r, &o) == 1) {
		if (bh_positions_add(&c->positions, &o, p->ord))
			bh_log_limited(c->cfg.log, &c->limit, BH_LOG_ERROR, COMPONENT,
			    "%.*s: a part does not connect to the position before it; its position "
			    "waits registry_gap=%llu",
			    (int)BH_MIN(o.identifier.n, (size_t)200), o.identifier.p,
			    (unsigned long long)c->positions.gaps);
	}
}

static struct bh_payload *new_payload(
    struct bh_custody *c, enum bh_role producer, uint64_t seq, const struct bh_link_data *d)
{
	struct bh_payload *p = calloc(1, sizeof(*p));
	int rc = p ? bh_store_next_ord(c->cfg.store, &p->ord) : -ENOMEM;

	if (rc) {
		free(p);
		bh_error(c->cfg.log, COMPONENT, "payload of %s: %s", bh_role_name(producer),
		    bh_err_name(rc));
		return NULL;
	}
	p->producer = producer;
	p->epoch = bh_intake_receiver(c->intake, producer)->epoch;
	p->seq = seq;
	p->kind = d->kind;
	p->encoding = d->encoding;
	p->items = d->items;
	p->raw_len = d->raw_len;
	p->last_ts_ms = d->last_ts_ms;
	p->created_ms = bh_wall_ms(c->cfg.loop->clock);
	p->taken_ns = bh_mono_ns(c->cfg.loop->clock);
	return p;
}

/* Nothing to deliver: its end is known, the next group records it. */
static void keep_empty(struct bh_custody *c, struct bh_payload *p)
{
	struct bh_payload **at = &c->empties;

	p->settled = true;
	while (*at)
		at = &(*at)->next;
	*at = p;
}

static void take(void *ctx, enum bh_role producer, uint64_t seq, const struct bh_link_data *data,
    struct bh_ipc_msg *msg)
{
	struct bh_custody *c = ctx;
	struct bh_payload *p = new_payload(c, producer, seq, data);
	struct bh_dest *d;

	if (!p) {
		/* The receiver counts it as received: only a new greeting after a restart brings it
		 * again. */
		bh_ipc_msg_free(msg);
		c->cfg.fatal(c->cfg.ctx, BH_EXIT_INTERNAL);
		return;
	}
	p->msg = msg;
	p->origins = data->origins;
	p->body = data->body;
	add_positions(c, p);
	if (data->items == 0) {
		keep_empty(c, p);
		return;
	}
	d = &c->dests[data->kind == BH_KIND_LOGS ? 0 : 1];
	p->dest = d;
	d->l.received += p->items;
	d->mem_items += p->items;
	d->mem_bytes += p->body.n;
	bh_buffer_in(&d->mem_buffer, bh_buffer_events(d->logs, p->items, 1), p->body.n);
	/* Behind rows, behind a failing destination, or without a network: straight to the spool.
	 */
	p->want_row = d->spool_on && ((d->rows > 0 && !d->limits.live_first) ||
					 d->backoff.state != BH_BREAKER_OPEN || c->offline ||
					 d->limits.after_ms == 0);
	bh_dest_insert(d, p);
	if (d->mem_bytes > d->limits.memory_bytes)
		bh_dest_want_rows(d);
}

/* Durable already; only its origins are wanted, so that the run it belongs to can close. */
static void repeat(void *ctx, enum bh_role producer, uint64_t seq, const struct bh_link_data *data)
{
	struct bh_custody *c = ctx;
	struct bh_payload *p;

	if (data->origins.n == 0)
		return;
	p = new_payload(c, producer, seq, data);
	if (!p)
		return;
	p->block = malloc(data->origins.n);
	if (!p->block) {
		bh_payload_free(p);
		return;
	}
	memcpy(p->block, data->origins.p, data->origins.n);
	p->origins = (struct bh_str){p->block, data->origins.n};
	add_positions(c, p);
	keep_empty(c, p);
}

static void want_rows_of(struct bh_custody *c, enum bh_role producer)
{
	for (size_t i = 0; i < BH_CUSTODY_DESTS; i++) {
		struct bh_dest *d = &c->dests[i];

		for (struct bh_payload *p = d->head; p; p = p->next)
			p->want_row |= p->producer == producer && !p->row && d->spool_on;
	}
}

static bool holds_unproven(const struct bh_custody *c, enum bh_role producer)
{
	for (size_t i = 0; i < BH_CUSTODY_DESTS; i++) {
		for (const struct bh_payload *p = c->dests[i].head; p; p = p->next) {
			if (p->producer == producer && !p->row)
				return true;
		}
	}
	return false;
}

static void fence(void *ctx, enum bh_role producer, uint64_t seq)
{
	struct bh_custody *c = ctx;

	if (bh_intake_receiver(c->intake, producer)->base >= seq) {
		bh_intake_fence_ack(c->intake, producer, seq);
		return;
	}
	c->fence_open[producer] = true;
	c->fences[producer] = seq;
	want_rows_of(c, producer);
	c->force = true;
}

static int fence_epoch(void *ctx, enum bh_role producer, uint64_t new_epoch)
{
	struct bh_custody *c = ctx;

	want_rows_of(c, producer);
	c->force = true;
	bh_custody_commit(c);
	if (holds_unproven(c, producer))
		return -EAGAIN; /* no room, or no spool: they must be delivered first */
	c->new_epoch[producer] = new_epoch;
	c->force = true;
	bh_custody_commit(c);
	c->new_epoch[producer] = 0;
	c->fence_open[producer] = false;
	if (producer == BH_ROLE_LOGS)
		bh_positions_rewind_tips(&c->positions);
	return 0;
}

struct resume {
	struct bh_resume_writer *w;
};

static int resume_row(void *ctx, const struct bh_generation *g)
{
	if (g->row.state == BH_ORIGIN_FORGOTTEN)
		return 0;
	return bh_resume_add(((struct resume *)ctx)->w, &g->row);
}

static int resume(void *ctx, enum bh_role producer, struct bh_resume_writer *w)
{
	struct bh_custody *c = ctx;
	struct resume r = {w};
	int rc;

	if (producer != BH_ROLE_LOGS)
		return 0;
	rc = bh_custody_resume_lost(c, w);
	return rc ? rc : bh_positions_each(&c->positions, resume_row, &r);
}

const struct bh_intake_ops bh_custody_intake_ops = {
    .fence_epoch = fence_epoch,
    .resume = resume,
    .data = take,
    .repeat = repeat,
    .fence = fence,
};

void bh_custody_turn_end(void *ctx)
{
	struct bh_custody *c = ctx;

	if (c->drain_done)
		return;
	bh_custody_key_look(c);
	bh_custody_pump(c);
	bh_custody_commit(c);
	/* A commit moves rows out of memory: their turn in the window may have come. */
	bh_custody_pump(c);
	bh_custody_check_drain(c);
	bh_custody_guard_turn(c);
}

static void on_deadline(struct bh_timer *t)
{
	(void)t; /* the end of the turn looks at the clock */
}

void bh_custody_drain(struct bh_custody *c, int64_t deadline_ns, enum bh_drain_mode mode)
{
	c->draining = true;
	c->drain_deadline_ns = deadline_ns;
	if (mode != BH_DRAIN_FULL)
		c->offline = true;
	bh_timer_at(c->cfg.loop, &c->drain_timer, deadline_ns, on_deadline);
}

void bh_custody_pending(const struct bh_custody *c, uint64_t *items, uint64_t *bytes)
{
	*items = *bytes = 0;
	for (size_t i = 0; i < BH_CUSTODY_DESTS; i++) {
		*items += c->dests[i].mem_items + c->dests[i].row_items;
		*bytes += c->dests[i].mem_bytes + c->dests[i].row_bytes;
	}
}

void bh_custody_totals(const struct bh_custody *c, struct bh_ctl_drained *out)
{
	static const enum bh_role producers[] = {BH_ROLE_DOGSTATSD, BH_ROLE_LOGS};

	for (size_t i = 0; i < BH_CUSTODY_DESTS; i++) {
		out->delivered += c->dests[i].l.delivered;
		out->spooled += c->dests[i].row_items;
		out->dropped += bh_ledger_dropped(&c->dests[i].l);
	}
	for (size_t i = 0; i < BH_ARRAY_LEN(producers); i++) {
		const struct bh_receiver *r = bh_intake_receiver(c->intake, producers[i]);

		out->streams[out->streams_n++] =
		    (struct bh_ctl_stream){producers[i], r->epoch, r->base};
	}
}

static void dest_note(struct bh_custody *c, struct bh_dest *d, struct bh_child *child)
{
	int64_t wait_ms = (d->backoff.until_ns - bh_mono_ns(c->cfg.loop->clock)) / BH_NS_PER_MS;
	char name[64];

	(void)snprintf(name, sizeof(name), "destination.%s", d->name);
	if (d->error[0] && d->backoff.state == BH_BREAKER_BLOCKED && wait_ms > 0)
		bh_child_stat_note(child, name, "%.90s: retrying in %lld.%lld s after %s", d->url,
		    (long long)(wait_ms / 1000), (long long)(wait_ms % 1000 / 100), d->error);
	else if (d->error[0])
		bh_child_stat_note(child, name, "%.90s: trying again after %s", d->url, d->error);
	else
		bh_child_stat_note(child, name, "%.90s: ok", d->url);
}

void bh_custody_keep_rows(struct bh_custody *c, struct bh_str rows)
{
	if (!c->drain_done)
		bh_kept_put_all(&c->kept, rows);
}

static void buffer_stats(const struct bh_dest *d, struct bh_child *child)
{
	uint64_t payloads = 0;

	for (const struct bh_payload *p = d->head; p; p = p->next)
		payloads += !p->row;
	bh_buffer_stats(&d->mem_buffer, d->logs ? "logs_dest" : "metrics_retry_memory", d->url,
	    (struct bh_buffer_count){
		bh_buffer_events(d->logs, d->mem_items, payloads), d->mem_bytes},
	    child);
	bh_buffer_stats(&d->disk_buffer, d->logs ? "logs_spool" : "metrics_retry_disk", d->url,
	    (struct bh_buffer_count){
		bh_buffer_events(d->logs, d->row_items, d->rows), d->row_bytes},
	    child);
}

static void kept_stats(const struct bh_dest *d, struct bh_child *child)
{
	struct bh_ledger l = bh_kept_now(d->kept, d->row_items, d->mem_items);
	struct bh_ledger_row row;

	bh_ledger_row_set(&row, BH_LEDGER_DESTINATION, d->name, strlen(d->name), &l);
	bh_child_stat_kept(child, &row);
}

void bh_custody_stats(struct bh_custody *c, struct bh_child *child)
{
	uint64_t rows = 0, bytes = 0;
	char name[64];

	for (size_t i = 0; i < BH_CUSTODY_DESTS; i++) {
		struct bh_dest *d = &c->dests[i];

		d->l.spooled = d->row_items;
		d->l.in_flight = d->mem_items;
		bh_child_stat_ledger(child, BH_LEDGER_DESTINATION, d->name, strlen(d->name), &d->l);
		(void)snprintf(name, sizeof(name), "destination.%s.spool_bytes", d->name);
		bh_child_stat_number(child, name, d->row_bytes);
		(void)snprintf(name, sizeof(name), "destination.%s.splits", d->name);
		bh_child_stat_number(child, name, d->splits);
		dest_note(c, d, child);
		buffer_stats(d, child);
		kept_stats(d, child);
		rows += d->rows;
		bytes += d->row_bytes;
	}
	bh_child_stat_number(child, "spool.rows", rows);
	bh_child_stat_number(child, "spool.bytes", bytes);
	bh_child_stat_number(child, "registry.rows", c->positions.n - c->positions.sources);
	bh_child_stat_number(child, "registry.gaps", c->positions.gaps);
	bh_kept_stats(&c->kept, child);
	bh_custody_key_stats(c, child);
	bh_custody_quarantine_stats(c, child);
	if (c->registry_note[0])
		bh_child_stat_note(child, "registry", "%s", c->registry_note);
	if (bh_custody_is_full(c))
		bh_child_stat_note(child, "spool",
		    "full: free disk space or raise bulkhead.spool_max_size_bytes; logs that are "
		    "not taken wait in their files");
	if (c->drain_done)
		return; /* the store is closed */
	bh_child_stat_number(child, "store.wal_bytes", bh_store_wal_bytes(c->cfg.store));
	bh_child_stat_number(child, "spool.oldest_ms",
	    rows ? (uint64_t)BH_MAX(
		       0, bh_wall_ms(c->cfg.loop->clock) - bh_store_oldest_ms(c->cfg.store))
		 : 0);
	bh_custody_store_stats(c, child);
}
