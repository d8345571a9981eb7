#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "forwarder/custody_internal.h"
#include "forwarder/cut.h"

#define COMPONENT "delivery"
#define URL_CAP   2048

static int64_t now(const struct bh_custody *c)
{
	return bh_mono_ns(c->cfg.loop->clock);
}

static void on_retry(struct bh_timer *t)
{
	(void)t; /* the end of the turn pumps */
}

static void arm_retry(struct bh_dest *d)
{
	if (d->backoff.state == BH_BREAKER_BLOCKED && !bh_timer_armed(&d->retry))
		bh_timer_at(d->custody->cfg.loop, &d->retry, d->backoff.until_ns, on_retry);
}

void bh_custody_settle(struct bh_payload *p, enum bh_store_end end, enum bh_drop reason)
{
	p->settled = true;
	p->end = end;
	p->reason = reason;
}

static struct bh_payload *from_row(struct bh_dest *d, const struct bh_spool_row *row, void *block)
{
	struct bh_payload *p = calloc(1, sizeof(*p));
	enum bh_role producer = BH_ROLE_FORWARDER;

	if (!p)
		return NULL;
	if (bh_role_parse(row->producer, &producer))
		producer = BH_ROLE_FORWARDER; /* a role of another version: the payload is delivered
						 all the same */
	*p = (struct bh_payload){
	    .dest = d,
	    .ord = row->ord,
	    .producer = producer,
	    .epoch = row->epoch,
	    .seq = row->seq,
	    .kind = row->kind,
	    .encoding = row->encoding,
	    .items = row->items,
	    .raw_len = row->raw_len,
	    .created_ms = row->created_ms,
	    .taken_ns = now(d->custody),
	    .last_ts_ms = row->created_ms,
	    .origins = row->origins,
	    .body = row->body,
	    .block = block,
	    .row = true,
	};
	return p;
}

/* Brings one more row into the window. false: none, or memory is short. */
static bool claim(struct bh_custody *c, struct bh_dest *d)
{
	struct bh_spool_row row;
	struct bh_payload *p;
	void *block = NULL;
	uint64_t ord = 0;
	int rc;

	if (!bh_dest_wants_claim(d) || bh_store_claim(c->cfg.store, d->id, d->newest_first,
					   d->active_n, bh_dest_holds, d, &ord) != 1)
		return false;
	rc = bh_store_load(c->cfg.store, ord, &row, &block);
	p = rc == 0 || (rc == BH_E_CORRUPT && block) ? from_row(d, &row, block) : NULL;
	if (!p) {
		free(block);
		bh_log_limited(c->cfg.log, &d->limit, BH_LOG_ERROR, COMPONENT, "row %llu: %s",
		    (unsigned long long)ord, bh_err_name(rc));
		return false;
	}
	if (rc == BH_E_CORRUPT) {
		/* One bad row stops nobody: it goes, counted. */
		bh_error(c->cfg.log, COMPONENT, "row %llu is damaged and is given up",
		    (unsigned long long)ord);
		bh_custody_settle(p, BH_STORE_POISON, BH_DROP_CORRUPT);
	}
	bh_dest_insert(d, p);
	return true;
}

void bh_custody_failed(
    struct bh_custody *c, struct bh_dest *d, const char *text, int64_t at_least_ns)
{
	bool first = d->error[0] == '\0';

	(void)snprintf(d->error, sizeof(d->error), "%s", text);
	bh_backoff_error(&d->backoff, now(c), at_least_ns, c->cfg.rng);
	arm_retry(d);
	bh_dest_want_rows(d);
	if (first)
		bh_warn(c->cfg.log, COMPONENT, "%s to %s: %s; retrying, payloads go to the spool",
		    d->name, d->url, text);
}

/* false: nothing was started, the destination rests. */
static bool start_one(struct bh_custody *c, struct bh_dest *d, struct bh_payload *p)
{
	char url[URL_CAP];
	struct bh_http_request req = {
	    .url = url,
	    .kind = p->kind,
	    .encoding = p->encoding,
	    .body = p->body,
	    .timeout_ms = d->timeout_ms,
	    .last_ts_ms = p->last_ts_ms,
	};
	int rc = bh_dest_url(d, p->kind, url, sizeof(url));

	if (!rc && p->cut)
		rc = bh_cut_body(p->cut, &req.body);
	if (!rc)
		rc = bh_transport_start(c->transport, &req, p);
	if (rc) {
		bh_custody_failed(c, d, bh_err_name(rc), 0);
		return false;
	}
	p->sending = true;
	p->sent_ns = now(c);
	d->sending_n++;
	d->live_n = d->limits.live_first && !p->row ? d->live_n + 1 : 0;
	return true;
}

static void pump_dest(struct bh_custody *c, struct bh_dest *d)
{
	for (;;) {
		struct bh_payload *p = bh_dest_next(d);

		if (!p) {
			if (d->sending_n >= bh_dest_slots(d))
				break;
			if (!claim(c, d)) {
				if (!d->live_n)
					break;
				d->live_n = 0; /* the row's turn passes */
			}
			continue;
		}
		if (p->too_large && !p->cut && !bh_custody_cut(c, p)) {
			if (!p->settled)
				break;
			continue;
		}
		if (!bh_backoff_may_send(&d->backoff, now(c)) || !start_one(c, d, p))
			break;
	}
	arm_retry(d);
}

static void on_spool_after(struct bh_timer *t)
{
	(void)t; /* the end of the turn looks */
}

/* What has waited long enough goes to the spool, and with it all that came before it from its
 * producer. */
static void look_at_ages(struct bh_custody *c, struct bh_dest *d)
{
	int64_t after_ns = d->limits.after_ms * BH_NS_PER_MS;
	struct bh_payload *oldest = NULL;

	for (struct bh_payload *p = d->head; p && d->spool_on; p = p->next) {
		if (p->row || p->settled || p->want_row)
			continue;
		if (now(c) - p->taken_ns >= after_ns)
			p->want_row = true;
		else if (!oldest)
			oldest = p;
	}
	if (oldest && !bh_timer_armed(&d->spool_timer))
		bh_timer_at(
		    c->cfg.loop, &d->spool_timer, oldest->taken_ns + after_ns, on_spool_after);
}

void bh_custody_pump(struct bh_custody *c)
{
	for (size_t i = 0; i < BH_CUSTODY_DESTS; i++) {
		look_at_ages(c, &c->dests[i]);
		if (!c->offline && !c->drain_done)
			pump_dest(c, &c->dests[i]);
	}
}

void bh_custody_stop_network(struct bh_custody *c)
{
	c->offline = true;
	if (c->transport)
		bh_transport_cancel_all(c->transport);
	for (size_t i = 0; i < BH_CUSTODY_DESTS; i++) {
		struct bh_dest *d = &c->dests[i];

		for (struct bh_payload *p = d->head; p; p = p->next)
			p->sending = false;
		d->sending_n = 0;
		bh_backoff_cancel(&d->backoff);
		bh_timer_cancel(&d->retry);
	}
}

/* Nothing more to wait for: all gone, or what is left belongs to a destination that fails. */
static bool delivered_what_can_be(const struct bh_custody *c)
{
	for (size_t i = 0; i < BH_CUSTODY_DESTS; i++) {
		const struct bh_dest *d = &c->dests[i];
		bool failing = d->backoff.state != BH_BREAKER_OPEN || d->error[0];

		if (d->sending_n > 0 && !failing)
			return false;
		if (!failing && (d->active_n > 0 || d->rows > 0))
			return false;
	}
	return true;
}

static uint64_t left_items(const struct bh_custody *c)
{
	uint64_t left = 0;

	for (size_t i = 0; i < BH_CUSTODY_DESTS; i++)
		left += c->dests[i].mem_items;
	return left;
}

void bh_custody_check_drain(struct bh_custody *c)
{
	if (!c->draining || c->drain_done)
		return;
	if (!c->offline && now(c) < c->drain_deadline_ns && !delivered_what_can_be(c))
		return;
	bh_custody_stop_network(c);
	bh_custody_keep_rests(c);
	for (size_t i = 0; i < BH_CUSTODY_DESTS; i++)
		bh_dest_want_rows(&c->dests[i]);
	c->force = true;
	bh_custody_commit(c);
	(void)bh_kept_flush(&c->kept); /* a disk without room: as it was last written */
	c->drain_done = true;
	c->cfg.drained(c->cfg.ctx, left_items(c));
}
