#include "forwarder/custody.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "forwarder/custody_internal.h"
#include "forwarder/cut.h"

#define COMPONENT "custody"
#define MINUTE_NS (60 * BH_NS_PER_S)

struct bh_payload *bh_payload_hold(struct bh_content *content, struct bh_dest *d)
{
	struct bh_payload *p = malloc(sizeof(*p));

	if (!p)
		return NULL;
	*p = (struct bh_payload){
	    .dest = d,
	    .content = content,
	    .ord = content->ord,
	    .items = content->items,
	    .body_n = content->body.n,
	};
	content->holders++;
	return p;
}

void bh_payload_free(struct bh_custody *c, struct bh_payload *p)
{
	if (!p)
		return;
	if (p->cut)
		p->dest->cut_bytes -= p->cut_bytes;
	bh_cut_free(p->cut);
	bh_custody_wake(p);
	bh_content_release(&c->contents, p->content);
	free(p->spare);
	free(p);
}

static int load_position(void *ctx, const struct bh_position *p)
{
	return bh_positions_load(ctx, p);
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
	c->row_ns = bh_mono_ns(cfg->loop->clock);
	c->disk_reserve = bh_spool_disk_reserve(cfg->config, bh_store_disk_total(cfg->store));
	rc = bh_positions_init(&c->positions);
	if (!rc)
		rc = bh_store_each_position(cfg->store, load_position, &c->positions);
	if (!rc)
		rc = bh_store_each_origins(cfg->store, load_parts, &c->positions);
	if (!rc)
		rc = bh_kept_open(&c->kept, cfg->store, bh_wall_ms(cfg->loop->clock));
	if (!rc)
		rc = bh_custody_load_wall_high(c);
	if (!rc)
		rc = bh_quarantine_open(&c->quarantine, cfg->store, cfg->config->quarantine,
		    cfg->config->quarantine_max_size_bytes, cfg->config->quarantine_max_payloads);
	if (rc)
		(void)bh_err_set(err, rc, "load registry and spool");
	else
		rc = bh_custody_make_dests(c, err);
	if (rc) {
		bh_custody_free(c);
		return rc;
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
	bh_custody_free_dests(c);
	while (c->empties) {
		struct bh_payload *p = c->empties;

		c->empties = p->next;
		bh_payload_free(c, p);
	}
	bh_timer_cancel(&c->company);
	bh_timer_cancel(&c->minute);
	bh_timer_cancel(&c->idle);
	bh_timer_cancel(&c->slice);
	bh_timer_cancel(&c->backup);
	bh_timer_cancel(&c->landing);
	bh_timer_cancel(&c->drain_timer);
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

static void add_positions(struct bh_custody *c, const struct bh_content *content)
{
	struct bh_origins_reader r;
	struct bh_origin o;

	if (bh_origins_begin(&r, content->origins.p, content->origins.n))
		return;
	while (bh_origins_next(&r, &o) == 1) {
		if (bh_positions_add(&c->positions, &o, content->ord))
			bh_log_limited(c->cfg.log, &c->limit, BH_LOG_ERROR, COMPONENT,
			    "%.*s: a part does not connect to the position before it; its position "
			    "waits registry_gap=%llu",
			    (int)BH_MIN(o.identifier.n, (size_t)200), o.identifier.p,
			    (unsigned long long)c->positions.gaps);
	}
}

/* With one hold, the caller's. */
static struct bh_content *new_content(
    struct bh_custody *c, enum bh_role producer, uint64_t seq, const struct bh_link_data *d)
{
	struct bh_content *content = calloc(1, sizeof(*content));
	int rc = content ? bh_store_next_ord(c->cfg.store, &content->ord) : -ENOMEM;

	if (rc) {
		free(content);
		bh_error(c->cfg.log, COMPONENT, "payload of %s: %s", bh_role_name(producer),
		    bh_err_name(rc));
		return NULL;
	}
	content->producer = producer;
	content->epoch = bh_intake_receiver(c->intake, producer)->epoch;
	content->seq = seq;
	content->kind = d->kind;
	content->encoding = d->encoding;
	content->items = d->items;
	content->raw_len = d->raw_len;
	content->last_ts_ms = d->last_ts_ms;
	content->created_ms = bh_custody_created_ms(c);
	content->taken_ns = bh_mono_ns(c->cfg.loop->clock);
	content->holders = 1;
	bh_content_insert(&c->contents, content);
	return content;
}

/* Nothing to deliver: its end is known, the next group records it. */
static int keep_empty(struct bh_custody *c, struct bh_content *content)
{
	struct bh_payload *p = bh_payload_hold(content, NULL), **at = &c->empties;

	if (!p)
		return -ENOMEM;
	p->settled = true;
	while (*at)
		at = &(*at)->next;
	*at = p;
	return 0;
}

/* Whether an unreliable destination has no place for it but in a row. */
static bool is_crowded(
    const struct bh_custody *c, const struct bh_dest *d, const struct bh_content *content)
{
	return !d->reliable && (c->offline || !bh_dest_has_place(d, content->body.n));
}

/* What such a one can have no row of is dropped, and delays nobody. */
static bool turned_away(struct bh_custody *c, struct bh_dest *d, const struct bh_content *content)
{
	struct bh_ledger ends = {.received = content->items};

	if (!is_crowded(c, d, content) || (d->spool_on && !c->full && !d->full))
		return false;
	bh_ledger_drop(&ends, c->offline ? BH_DROP_SHUTDOWN : BH_DROP_QUEUE_FULL, content->items);
	bh_ledger_add(&d->l, &ends);
	bh_kept_owe(d->kept, &ends);
	bh_buffer_in(&d->mem_buffer, bh_buffer_events(d->logs, content->items, 1), content->body.n);
	bh_buffer_end(&d->mem_buffer, d->logs, &ends, content->body.n);
	return true;
}

static int owe(struct bh_custody *c, struct bh_dest *d, struct bh_content *content)
{
	bool crowded = is_crowded(c, d, content);
	struct bh_payload *p;

	if (turned_away(c, d, content))
		return 0;
	p = bh_payload_hold(content, d);
	if (!p)
		return -ENOMEM;
	content->unproven += d->reliable;
	bh_rate_add(&d->rate, content->taken_ns, p->body_n);
	d->l.received += p->items;
	d->mem_items += p->items;
	d->mem_bytes += p->body_n;
	bh_buffer_in(&d->mem_buffer, bh_buffer_events(d->logs, p->items, 1), p->body_n);
	/* Behind rows, behind a failing destination, or without a network: straight to the spool.
	 * Rows that are all in memory are ahead of it there: the spool comes to an end under load
	 * too.
	 */
	p->want_row = d->spool_on && ((d->rows > d->active_rows && !(d->logs && d->newest_first)) ||
					 d->backoff.state != BH_BREAKER_OPEN || c->offline ||
					 d->limits.after_ms == 0);
	bh_dest_insert(d, p);
	if (d->spool_on && (crowded || d->mem_bytes > d->limits.memory_bytes))
		bh_dest_want_rows(d);
	return 0;
}

static int owe_all(struct bh_custody *c, struct bh_content *content)
{
	int rc = 0;

	if (content->items == 0)
		return keep_empty(c, content);
	for (size_t i = 0; i < c->dests_n && !rc; i++) {
		if (bh_custody_is_for(&c->dests[i], content->kind == BH_KIND_LOGS))
			rc = owe(c, &c->dests[i], content);
	}
	return rc;
}

static void take(void *ctx, enum bh_role producer, uint64_t seq, const struct bh_link_data *data,
    struct bh_ipc_msg *msg)
{
	struct bh_custody *c = ctx;
	struct bh_content *content = new_content(c, producer, seq, data);

	if (!content) {
		/* The receiver counts it as received: only a new greeting after a restart brings it
		 * again. */
		bh_ipc_msg_free(msg);
		c->cfg.fatal(c->cfg.ctx, BH_EXIT_INTERNAL);
		return;
	}
	content->msg = msg;
	content->origins = data->origins;
	content->body = data->body;
	add_positions(c, content);
	if (owe_all(c, content)) {
		bh_error(c->cfg.log, COMPONENT, "payload: out of memory");
		c->cfg.fatal(c->cfg.ctx, BH_EXIT_INTERNAL);
	}
	bh_content_release(&c->contents, content);
}

/* The next group settles seq, and its origins. */
static int take_origins(
    struct bh_custody *c, enum bh_role producer, uint64_t seq, struct bh_str origins)
{
	const struct bh_link_data positions = {.kind = BH_KIND_LOGS, .origins = origins};
	struct bh_content *content = new_content(c, producer, seq, &positions);
	int rc = -ENOMEM;

	if (!content)
		return rc;
	content->block = malloc(origins.n + 1);
	if (content->block) {
		if (origins.n)
			memcpy(content->block, origins.p, origins.n);
		content->origins = (struct bh_str){content->block, origins.n};
		add_positions(c, content);
		rc = keep_empty(c, content);
	}
	bh_content_release(&c->contents, content);
	return rc;
}

/* Durable already; only its origins are wanted, so that the run it belongs to can close. */
static void repeat(void *ctx, enum bh_role producer, uint64_t seq, const struct bh_link_data *data)
{
	struct bh_custody *c = ctx;

	if (data->origins.n > 0 && take_origins(c, producer, seq, data->origins))
		bh_error(c->cfg.log, COMPONENT, "repeat: out of memory");
}

static void refused(void *ctx, enum bh_role producer, uint64_t seq, struct bh_str origins)
{
	struct bh_custody *c = ctx;

	if (take_origins(c, producer, seq, origins) == 0)
		return;
	bh_error(c->cfg.log, COMPONENT, "refusal: out of memory");
	c->cfg.fatal(c->cfg.ctx, BH_EXIT_INTERNAL);
}

static void want_rows_of(struct bh_custody *c, enum bh_role producer)
{
	for (size_t i = 0; i < c->dests_n; i++) {
		struct bh_dest *d = &c->dests[i];

		for (struct bh_payload *p = d->head; p; p = p->next)
			p->want_row |= p->content->producer == producer && !p->row && d->spool_on;
	}
}

static bool holds_unproven(const struct bh_custody *c, enum bh_role producer)
{
	for (const struct bh_content *content = c->contents.head; content;
	     content = content->next) {
		if (content->producer == producer && content->unproven > 0)
			return true;
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
    .refused = refused,
    .fence = fence,
};

void bh_custody_turn_end(void *ctx)
{
	struct bh_custody *c = ctx;

	if (c->drain_done)
		return;
	bh_custody_key_look(c);
	bh_custody_bound_memory(c);
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
	bh_custody_land(c); /* what it holds outlives it then */
	c->draining = true;
	c->drain_deadline_ns = deadline_ns;
	if (mode != BH_DRAIN_FULL)
		c->offline = true;
	bh_timer_at(c->cfg.loop, &c->drain_timer, deadline_ns, on_deadline);
}

void bh_custody_pending(const struct bh_custody *c, uint64_t *items, uint64_t *bytes)
{
	*items = *bytes = 0;
	for (size_t i = 0; i < c->dests_n; i++) {
		*items += c->dests[i].mem_items + c->dests[i].row_items;
		*bytes += c->dests[i].mem_bytes + c->dests[i].row_bytes;
	}
}

void bh_custody_totals(const struct bh_custody *c, struct bh_ctl_drained *out)
{
	static const enum bh_role producers[] = {BH_ROLE_DOGSTATSD, BH_ROLE_LOGS};

	for (size_t i = 0; i < c->dests_n; i++) {
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

void bh_custody_keep_rows(struct bh_custody *c, struct bh_str rows)
{
	if (!c->drain_done)
		bh_kept_put_all(&c->kept, rows);
}

void bh_custody_stats(struct bh_custody *c, struct bh_child *child)
{
	uint64_t rows = 0, bytes = 0;

	for (size_t i = 0; i < c->dests_n; i++) {
		rows += c->dests[i].rows;
		bytes += c->dests[i].row_bytes;
	}
	bh_custody_dest_stats(c, child);
	bh_child_stat_number(child, "spool.rows", rows);
	bh_child_stat_number(child, "spool.bytes", bytes);
	bh_child_stat_number(child, "registry.rows", c->positions.n - c->positions.sources);
	bh_child_stat_number(child, "registry.gaps", c->positions.gaps);
	bh_kept_stats(&c->kept, child);
	bh_custody_key_stats(c, child);
	bh_custody_clock_stats(c, child);
	bh_custody_quarantine_stats(c, child);
	if (c->registry_note[0])
		bh_child_stat_note(child, "registry", "%s", c->registry_note);
	if (bh_custody_is_full(c))
		bh_child_stat_note(child, "spool",
		    "full: free disk space or raise bulkhead.spool_max_size_bytes; logs that are "
		    "not taken wait in their files");
	if (c->drain_done)
		return; /* the store is closed */
	bh_custody_capacity_stats(c, child);
	bh_child_stat_number(child, "store.wal_bytes", bh_store_wal_bytes(c->cfg.store));
	bh_child_stat_number(child, "spool.oldest_ms",
	    rows ? (uint64_t)BH_MAX(
		       0, bh_wall_ms(c->cfg.loop->clock) - bh_store_oldest_ms(c->cfg.store))
		 : 0);
	bh_custody_store_stats(c, child);
}
