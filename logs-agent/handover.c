#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "logs-agent/logs_internal.h"
#include "logs-agent/record.h"
#include "logs-agent/trim.h"

#define COMPONENT "batch"
#define DIRTY_NS  (1 * BH_NS_PER_S)

static void on_batch_timer(struct bh_timer *t)
{
	bh_handover_close(BH_CONTAINER(t, struct bh_logs, batch_timer));
}

static void on_dirty_timer(struct bh_timer *t)
{
	bh_handover_close(BH_CONTAINER(t, struct bh_logs, dirty_timer));
}

void bh_handover_touch(struct bh_logs *l, struct bh_generation *g, bool carried)
{
	if (!g->dirty) {
		g->dirty = true;
		g->next_dirty = NULL;
		*l->dirty_end = g;
		l->dirty_end = &g->next_dirty;
	}
	g->batched |= carried;
	/* A batch that carries it comes by itself. */
	if (!g->batched && !bh_timer_armed(&l->dirty_timer))
		bh_timer_in(&l->child->loop, &l->dirty_timer, DIRTY_NS, on_dirty_timer);
}

static int put_object(struct bh_batch *b, const struct bh_record *r)
{
	(void)bh_buf_append(&b->json, b->items ? "," : "[", 1);
	return bh_record_put(&b->json, r);
}

/* A line that was held for its group has waited already. */
static int64_t arrival(const struct bh_logs *l)
{
	return l->arrived_ns ? l->arrived_ns : bh_mono_ns(&bh_clock_system);
}

/* false: the message alone is over the limit of a payload. */
static bool add_record(struct bh_logs *l, const struct bh_record *r)
{
	size_t limit = (size_t)l->child->config.logs_batch_max_content_size;
	struct bh_batch *b = &l->batch;
	size_t before = b->json.len;
	int64_t wait_ns = l->child->config.logs_batch_wait_ms * BH_NS_PER_MS;
	int rc = put_object(b, r);

	if (!rc && b->json.len + 1 > limit && b->items) {
		b->json.len = before;
		bh_handover_close(l);
		before = b->json.len;
		rc = put_object(b, r);
	}
	if (rc || b->json.len + 1 > limit) {
		b->json.len = before;
		b->json.failed = 0;
		return false;
	}
	if (b->items++ == 0) {
		b->first_ts_ms = r->timestamp_ms;
		bh_timer_at(&l->child->loop, &l->batch_timer, arrival(l) + wait_ns, on_batch_timer);
	}
	b->last_ts_ms = r->timestamp_ms;
	return true;
}

/* false: a rule drops it. Rules that cannot be asked for lack of memory must not let text through
 * that they would mask: the process leaves, and what is not acknowledged is read again. */
static bool apply_rules(
    struct bh_logs *l, struct bh_source *s, const struct bh_message *m, struct bh_str *content)
{
	struct bh_rules_result r;

	if (bh_ruleset_apply(s->rules, &l->rules_work, m, &r)) {
		bh_error(&l->child->log, COMPONENT, "rules: out of memory; leaving");
		bh_child_fail(l->child, BH_EXIT_INTERNAL);
		return false;
	}
	*content = r.content;
	return r.verdict == BH_RULES_KEEP;
}

/* For a while after the start: until the backend knows the host's tags (§10.2). */
static struct bh_str host_tags(struct bh_logs *l)
{
	if (bh_mono_ns(&bh_clock_system) > l->host_tags_until_ns)
		bh_buf_release(&l->host_tags);
	return bh_buf_view(&l->host_tags);
}

/* Into the batch, or too large for any. */
static bool take(struct bh_logs *l, struct bh_source *s, struct bh_record *r)
{
	r->timestamp_ms = l->chunk_ms ? l->chunk_ms : bh_wall_ms(&bh_clock_system);
	if (l->host_tags.len)
		r->host_tags = host_tags(l);
	if (!add_record(l, r)) {
		bh_ledger_drop(&s->l, BH_DROP_TOO_LARGE, 1);
		return false;
	}
	bh_stream_message(&l->streams, s->cfg, r);
	s->batched++;
	s->l.in_flight++;
	return true;
}

/* Counts it; false: it is empty, or a rule drops it. */
static bool passes(
    struct bh_logs *l, struct bh_source *s, const struct bh_message *m, struct bh_str *content)
{
	s->l.received++;
	if (m->content.n == 0) {
		bh_ledger_drop(&s->l, BH_DROP_EMPTY, 1);
		return false;
	}
	*content = m->content;
	if (s->rules && !apply_rules(l, s, m, content)) {
		bh_ledger_drop(&s->l, BH_DROP_FILTERED, 1);
		return false;
	}
	return true;
}

bool bh_handover_message(struct bh_logs *l, struct bh_source *s, const struct bh_record_ends *ends,
    const struct bh_message *m)
{
	struct bh_record r = {.status = m->status, .tags = m->tags, .ends = ends};

	return passes(l, s, m, &r.content) && take(l, s, &r);
}

bool bh_handover_journal(struct bh_logs *l, struct bh_source *s, const struct bh_record_ends *ends,
    const struct bh_journal_text *t)
{
	const struct bh_message m = {
	    .content = t->subject, .raw = t->raw, .status = t->status, .cut = t->cut};
	struct bh_record r = {.status = t->status, .ends = ends};

	if (!passes(l, s, &m, &r.content))
		return false;
	if (!s->cfg->process_raw_message) {
		bh_buf_clear(&l->put_back);
		if (bh_journal_put_back(&l->put_back, t, r.content)) {
			bh_ledger_drop(&s->l, BH_DROP_TOO_LARGE, 1);
			return false;
		}
		r.content = bh_buf_view(&l->put_back);
	}
	return take(l, s, &r);
}

void bh_handover_after(struct bh_logs *l)
{
	if (l->batch.items >= (uint32_t)l->child->config.logs_batch_max_size)
		bh_handover_close(l);
}

void bh_handover_add_row(struct bh_logs *l, struct bh_row *row)
{
	if (!row->dirty) {
		row->dirty = true;
		row->next_dirty = l->dirty_rows;
		l->dirty_rows = row;
	}
}

void bh_handover_touch_row(struct bh_logs *l, struct bh_row *row)
{
	bh_handover_add_row(l, row);
	if (!bh_timer_armed(&l->dirty_timer))
		bh_timer_in(&l->child->loop, &l->dirty_timer, DIRTY_NS, on_dirty_timer);
}

/* Rows that no generation speaks for; n: origins that are in already. */
static int put_rows(struct bh_logs *l, struct bh_buf *records, size_t *n)
{
	int rc = 0;

	for (const struct bh_row *row = l->dirty_rows; row && !rc && *n < BH_ORIGINS_MAX;
	     row = row->next_dirty, ++*n) {
		char first[24], last[24];
		struct bh_origin o;

		bh_row_origin(row, &o, first, last);
		rc = bh_origin_encode(&o, records);
	}
	return rc;
}

static int put_origins(struct bh_logs *l, struct bh_buf *out)
{
	struct bh_buf records = BH_BUF_INIT;
	struct bh_generation *g = l->dirty;
	size_t n = 0;
	int rc = 0;

	for (; g && !rc && n < BH_ORIGINS_MAX; g = g->next_dirty, n++) {
		char first[24], last[24];
		struct bh_origin o;

		bh_generation_take_fingerprint(g);
		bh_generation_origin(g, &o, first, last);
		rc = bh_origin_encode(&o, &records);
		g->row = rc ? g->row : bh_rows_put(&l->rows, &o, true);
		if (!g->row)
			rc = -ENOMEM;
	}
	if (!rc)
		rc = put_rows(l, &records, &n);
	if (!rc && n)
		rc = bh_origins_join(&records, n, out);
	bh_buf_release(&records);
	return rc;
}

/* As many as put_origins() wrote. More than fit one payload go with the next. */
static void mark_handed(struct bh_logs *l)
{
	size_t n = 0;

	for (; l->dirty && n < BH_ORIGINS_MAX; n++) {
		struct bh_generation *g = l->dirty;

		l->dirty = g->next_dirty;
		g->handed_off = g->done_off;
		g->dirty = g->batched = false;
		g->last_batch = l->closed + 1;
	}
	for (; l->dirty_rows && n < BH_ORIGINS_MAX; n++) {
		struct bh_row *row = l->dirty_rows;

		l->dirty_rows = row->next_dirty;
		row->handed = row->offset;
		row->dirty = false;
		if (bh_row_cursor_handed(row)) {
			bh_child_fail(l->child, BH_EXIT_INTERNAL); /* read again from the mark */
			return;
		}
		if (row->state == BH_ORIGIN_FORGOTTEN)
			bh_rows_remove(&l->rows, row);
	}
	if (!l->dirty)
		l->dirty_end = &l->dirty;
	if (l->dirty || l->dirty_rows)
		bh_timer_in(&l->child->loop, &l->dirty_timer, 0, on_dirty_timer);
	l->closed++;
}

static int fill_packet(struct bh_logs *l, struct bh_packet *p)
{
	struct bh_batch *b = &l->batch;
	int rc = put_origins(l, &p->origins);

	if (!rc && b->items) {
		rc = bh_buf_u8(&b->json, ']');
		if (!rc)
			rc = bh_body_compress(&l->body, bh_buf_view(&b->json), &p->body);
	}
	p->encoding = b->items ? l->body.encoding : BH_ENC_IDENTITY;
	p->items = b->items;
	p->raw = b->json.len;
	p->first_ts_ms = b->first_ts_ms;
	p->last_ts_ms = b->last_ts_ms;
	return rc;
}

static void free_packet(struct bh_packet *p)
{
	bh_buf_release(&p->body);
	bh_buf_release(&p->origins);
	free(p);
}

static size_t count_shares(const struct bh_logs *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->sources_n; i++)
		n += l->sources[i]->batched > 0;
	for (const struct bh_source *s = l->leaving; s; s = s->next)
		n += s->batched > 0;
	return n;
}

static void take_share(struct bh_packet *p, struct bh_source *s)
{
	if (s->batched)
		p->shares[p->shares_n++] = (struct bh_share){s, s->batched};
	s->batched = 0;
}

/* As many as count_shares() says. */
static void take_shares(struct bh_logs *l, struct bh_packet *p)
{
	for (size_t i = 0; i < l->sources_n; i++)
		take_share(p, l->sources[i]);
	for (struct bh_source *s = l->leaving; s; s = s->next)
		take_share(p, s);
}

void bh_handover_close(struct bh_logs *l)
{
	struct bh_batch *b = &l->batch;
	struct bh_packet *p = calloc(1, sizeof(*p) + count_shares(l) * sizeof(struct bh_share));
	int rc = p ? fill_packet(l, p) : -ENOMEM;

	bh_timer_cancel(&l->batch_timer);
	bh_timer_cancel(&l->dirty_timer);
	if (rc) {
		/* Nothing is lost: the files are read again from what is acknowledged. */
		bh_error(&l->child->log, COMPONENT, "close a batch: %s; leaving", bh_err_name(rc));
		if (p)
			free_packet(p);
		bh_child_fail(l->child, BH_EXIT_INTERNAL);
		return;
	}
	if (p->items == 0 && p->origins.len == 0) {
		free_packet(p);
		return;
	}
	mark_handed(l);
	bh_buf_clear(&b->json);
	b->items = 0;
	take_shares(l, p);
	*l->queue_end = p;
	l->queue_end = &p->next;
	l->queue_n++;
	l->handover.received += p->items;
	bh_handover_pump(l);
}

static int send_packet(struct bh_logs *l, struct bh_packet *p)
{
	const struct bh_link_data d = {
	    .kind = BH_KIND_LOGS,
	    .encoding = p->encoding,
	    .items = p->items,
	    .raw_len = p->raw,
	    .first_ts_ms = p->first_ts_ms,
	    .last_ts_ms = p->last_ts_ms,
	    .origins = bh_buf_view(&p->origins),
	    .body = bh_buf_view(&p->body),
	};

	return bh_producer_send(l->producer, &d, &p->seq);
}

void bh_handover_pump(struct bh_logs *l)
{
	while (l->queue) {
		struct bh_packet *p = l->queue;
		int rc = send_packet(l, p);

		if (rc == -EAGAIN)
			return;
		if (rc) {
			bh_error(&l->child->log, COMPONENT, "hand over %u lines: %s; leaving",
			    p->items, bh_err_name(rc));
			bh_child_fail(l->child, BH_EXIT_INTERNAL);
			return;
		}
		l->queue = p->next;
		if (!l->queue)
			l->queue_end = &l->queue;
		l->queue_n--;
		bh_buf_release(&p->body); /* the link keeps its own copy until it is durable */
		bh_buf_release(&p->origins);
		p->next = NULL;
		*l->flying_end = p;
		l->flying_end = &p->next;
	}
}

static void say_refused(
    const struct bh_logs *l, const struct bh_packet *p, enum bh_refuse_cause cause)
{
	char name[BH_LEDGER_NAME_MAX + 1] = "no source";

	if (p->shares_n)
		bh_log_source_name(p->shares[0].source->cfg, name, sizeof(name));
	bh_error(&l->child->log, COMPONENT,
	    "the forwarder refused payload %" PRIu64 ", %" PRIu32 " lines of %s%s: %s", p->seq,
	    p->items, name, p->shares_n > 1 ? " and others" : "", bh_refuse_name(cause));
}

void bh_handover_durable(struct bh_logs *l, uint64_t seq, enum bh_refuse_cause refused)
{
	while (l->flying && l->flying->seq <= seq) {
		struct bh_packet *p = l->flying;

		l->flying = p->next;
		if (!l->flying)
			l->flying_end = &l->flying;
		for (size_t i = 0; i < p->shares_n; i++) {
			struct bh_ledger *s = &p->shares[i].source->l;
			uint64_t lines = p->shares[i].lines;

			s->in_flight -= lines;
			if (refused)
				bh_ledger_drop(s, BH_DROP_REFUSED_LINK, lines);
			else
				s->delivered += lines;
		}
		if (refused)
			bh_ledger_drop(&l->handover, BH_DROP_REFUSED_LINK, p->items);
		else
			l->handover.delivered += p->items;
		if (refused)
			say_refused(l, p, refused);
		free_packet(p);
		l->durable++;
	}
	bh_reload_settle(l);
}

uint64_t bh_handover_unproven(const struct bh_logs *l)
{
	uint64_t n = l->batch.items;

	for (const struct bh_packet *p = l->queue; p; p = p->next)
		n += p->items;
	for (const struct bh_packet *p = l->flying; p; p = p->next)
		n += p->items;
	return n;
}
