#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "logs-agent/logs_internal.h"
#include "logs-agent/record.h"
#include "logs-agent/trim.h"

#define COMPONENT "batch"
#define DIRTY_NS  (1 * BH_NS_PER_S)

static size_t source_index(const struct bh_logs *l, const struct bh_source *s)
{
	return (size_t)(s - l->sources);
}

static void on_batch_timer(struct bh_timer *t)
{
	bh_handover_close(BH_CONTAINER(t, struct bh_logs, batch_timer));
}

static void on_dirty_timer(struct bh_timer *t)
{
	bh_handover_close(BH_CONTAINER(t, struct bh_logs, dirty_timer));
}

void bh_handover_dirty(struct bh_logs *l)
{
	if (!bh_timer_armed(&l->dirty_timer))
		bh_timer_in(&l->child->loop, &l->dirty_timer, DIRTY_NS, on_dirty_timer);
}

static int put_object(struct bh_batch *b, const struct bh_record *r)
{
	(void)bh_buf_u8(&b->json, b->items ? ',' : '[');
	return bh_record_put(&b->json, r);
}

/* false: the message alone is over the limit of a payload. */
static bool add_message(struct bh_logs *l, const struct bh_record *r)
{
	size_t limit = (size_t)l->child->config.logs_batch_max_content_size;
	struct bh_batch *b = &l->batch;
	size_t before = b->json.len;
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
		bh_timer_in(&l->child->loop, &l->batch_timer,
		    l->child->config.logs_batch_wait_ms * BH_NS_PER_MS, on_batch_timer);
	}
	b->last_ts_ms = r->timestamp_ms;
	return true;
}

static void consumed(struct bh_generation *g, const struct bh_frame *frame)
{
	struct bh_str end = bh_frame_terminator(g->framer.unit, frame);

	bh_window_add(&g->done_window, frame->content.p, frame->content.n);
	bh_window_add(&g->done_window, end.p, end.n);
	g->done_off += frame->raw;
}

int bh_handover_frame(void *ctx, const struct bh_frame *frame)
{
	struct bh_generation *g = ctx;
	struct bh_logs *l = g->logs;
	struct bh_record r = {
	    .content = bh_trim(frame->content),
	    .head_marker = g->continues,
	    .tail_marker = frame->cut,
	    .timestamp_ms = bh_wall_ms(&bh_clock_system),
	    .tail = bh_buf_view(&g->tail),
	};
	bool empty = r.content.n == 0 && !r.head_marker && !r.tail_marker;
	bool taken = !empty && add_message(l, &r);

	g->continues = frame->cut;
	g->source->l.received++;
	consumed(g, frame);
	if (taken) {
		l->batch.raw += frame->raw;
		l->batch.lines[source_index(l, g->source)]++;
		g->source->l.in_flight++;
		g->batched = true;
	} else {
		bh_ledger_drop(&g->source->l, empty ? BH_DROP_EMPTY : BH_DROP_TOO_LARGE, 1);
		g->dirty = true;
		bh_handover_dirty(l);
	}
	if (l->batch.items >= (uint32_t)l->child->config.logs_batch_max_size)
		bh_handover_close(l);
	return 0;
}

static int put_origins(struct bh_logs *l, struct bh_buf *out)
{
	struct bh_buf records = BH_BUF_INIT;
	size_t n = 0;
	int rc = 0;

	for (struct bh_generation *g = l->head; g && !rc && n < BH_ORIGINS_MAX; g = g->next) {
		char first[24], last[24];
		struct bh_origin o;

		if (!g->batched && !g->dirty)
			continue;
		if (!g->fp_value && g->done_off)
			g->fp_value = bh_fingerprint(g->fd, &bh_fingerprint_default);
		bh_generation_origin(g, &o, first, last, g->source->cfg->start_position);
		rc = bh_origin_encode(&o, &records);
		if (!rc)
			rc = bh_rows_put(&l->rows, &o, true);
		n++;
	}
	if (!rc && n)
		rc = bh_origins_join(&records, n, out);
	bh_buf_release(&records);
	return rc;
}

static void mark_handed(struct bh_logs *l)
{
	for (struct bh_generation *g = l->head; g; g = g->next) {
		if (!g->batched && !g->dirty)
			continue;
		g->handed_off = g->done_off;
		g->batched = g->dirty = false;
	}
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
	memcpy(p->lines, b->lines, l->sources_n * sizeof(*p->lines));
	return rc;
}

static void free_packet(struct bh_packet *p)
{
	bh_buf_release(&p->body);
	bh_buf_release(&p->origins);
	free(p);
}

void bh_handover_close(struct bh_logs *l)
{
	struct bh_batch *b = &l->batch;
	struct bh_packet *p = calloc(1, sizeof(*p) + l->sources_n * sizeof(uint64_t));
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
	b->raw = 0;
	memset(b->lines, 0, l->sources_n * sizeof(*b->lines));
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

void bh_handover_durable(struct bh_logs *l, uint64_t seq, bool refused)
{
	while (l->flying && l->flying->seq <= seq) {
		struct bh_packet *p = l->flying;

		l->flying = p->next;
		if (!l->flying)
			l->flying_end = &l->flying;
		for (size_t i = 0; i < l->sources_n; i++) {
			struct bh_ledger *s = &l->sources[i].l;

			s->in_flight -= p->lines[i];
			if (refused)
				bh_ledger_drop(s, BH_DROP_REFUSED_LINK, p->lines[i]);
			else
				s->delivered += p->lines[i];
		}
		if (refused)
			bh_ledger_drop(&l->handover, BH_DROP_REFUSED_LINK, p->items);
		else
			l->handover.delivered += p->items;
		free_packet(p);
	}
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
