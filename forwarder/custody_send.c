#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "forwarder/custody_internal.h"
#include "forwarder/cut.h"

#define COMPONENT "delivery"
#define URL_CAP   2048

/* Of a producer's window, in percent: from there on it holds others up, and has to go on. */
#define PRESSED     50
#define CROWDED     75
#define LONG_ENOUGH (250 * BH_NS_PER_MS) /* for what holds a crowded window up */

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

/* Takes the block, unless it returns NULL. With one hold, the caller's. */
static struct bh_content *from_row(
    struct bh_custody *c, const struct bh_spool_row *row, void *block)
{
	struct bh_content *content = malloc(sizeof(*content));
	enum bh_role producer = BH_ROLE_FORWARDER;

	if (!content)
		return NULL;
	if (bh_role_parse(row->producer, &producer))
		producer = BH_ROLE_FORWARDER; /* a role of another version: the payload is delivered
						 all the same */
	*content = (struct bh_content){
	    .ord = row->ord,
	    .producer = producer,
	    .epoch = row->epoch,
	    .seq = row->seq,
	    .kind = row->kind,
	    .encoding = row->encoding,
	    .items = row->items,
	    .raw_len = row->raw_len,
	    .created_ms = row->created_ms,
	    .taken_ns = now(c),
	    .last_ts_ms = row->created_ms,
	    .origins = row->origins,
	    .body = row->body,
	    .block = block,
	    .holders = 1,
	    .claimed = true,
	    .stored = true,
	};
	bh_content_insert(&c->contents, content);
	return content;
}

/* The content of a row, with a hold for the caller: another destination may have it in memory. *rc:
 * BH_E_CORRUPT for a damaged body, else what kept it from being read. */
static struct bh_content *content_of(struct bh_custody *c, uint64_t ord, int *rc)
{
	struct bh_content *content = bh_content_find(&c->contents, ord);
	struct bh_spool_row row;
	void *block = NULL;

	*rc = 0;
	if (content && (content->body.n || !content->claimed)) {
		*rc = bh_custody_bring_back(c, content);
		content->holders += *rc == 0;
		return *rc ? NULL : content;
	}
	*rc = bh_store_load(c->cfg.store, ord, &row, &block);
	content = *rc == 0 || (*rc == BH_E_CORRUPT && block) ? from_row(c, &row, block) : NULL;
	if (!content)
		free(block);
	return content;
}

/* One bad row stops nobody: it goes, counted. */
static void give_up_row(struct bh_custody *c, struct bh_payload *p)
{
	bh_error(c->cfg.log, COMPONENT, "row %llu is damaged and is given up",
	    (unsigned long long)p->ord);
	bh_custody_settle(p, BH_STORE_POISON, BH_DROP_CORRUPT);
}

/* Brings one more row into the window. false: none, or memory is short. */
static bool claim(struct bh_custody *c, struct bh_dest *d)
{
	struct bh_content *content;
	struct bh_payload *p = NULL;
	uint64_t ord = 0;
	int rc;

	if (!bh_dest_wants_claim(d, c->contents.claimed_bytes) ||
	    bh_store_claim(
		c->cfg.store, d->id, d->newest_first, d->active_n, bh_dest_holds, d, &ord) != 1)
		return false;
	content = content_of(c, ord, &rc);
	if (content)
		p = bh_payload_hold(content, d);
	bh_content_release(&c->contents, content);
	if (!p) {
		bh_log_limited(c->cfg.log, &d->limit, BH_LOG_ERROR, COMPONENT, "row %llu: %s",
		    (unsigned long long)ord, bh_err_name(rc));
		return false;
	}
	p->row = true;
	if (rc == BH_E_CORRUPT)
		give_up_row(c, p);
	bh_dest_insert(d, p);
	return true;
}

void bh_custody_failed(
    struct bh_custody *c, struct bh_dest *d, const char *text, int64_t at_least_ns)
{
	bool first = d->error[0] == '\0';

	(void)snprintf(d->error, sizeof(d->error), "%s", text);
	bh_backoff_error(&d->backoff, now(c), at_least_ns, c->cfg.rng);
	bh_pace_failed(&d->pace, now(c));
	arm_retry(d);
	bh_dest_want_rows(d);
	if (first)
		bh_warn(c->cfg.log, COMPONENT, "%s to %s: %s; retrying, payloads %s", d->name,
		    d->url, text, d->spool_on ? "go to the spool" : "wait in memory");
}

/* false: nothing was started, the destination rests. */
static bool start_one(struct bh_custody *c, struct bh_dest *d, struct bh_payload *p)
{
	char url[URL_CAP];
	struct bh_http_request req = {
	    .url = url,
	    .key = d->key,
	    .kind = p->content->kind,
	    .encoding = p->content->encoding,
	    .body = bh_payload_body(p),
	    .timeout_ms = d->timeout_ms,
	    .reset_ms = d->reset_ms,
	    .last_ts_ms = p->content->last_ts_ms,
	};
	int rc = bh_dest_url(d, p->content->kind, url, sizeof(url));

	if (!p->cut && (p->row || bh_pace_is_slow(&d->pace)))
		req.lender = &bh_custody_lender;
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
	d->live_n = p->row ? 0 : d->live_n + 1;
	return true;
}

/* Rows that wait for nothing but their turn go back to the spool: a destination that is away holds
 * no memory that others could use. */
static void release_claims(struct bh_custody *c, struct bh_dest *d)
{
	struct bh_payload *p = d->head;

	while (p) {
		struct bh_payload *next = p->next;

		if (p->row && !p->sending && !p->settled && !p->cut && !p->too_large &&
		    !p->refusals.first_ns) {
			bh_dest_remove(d, p);
			bh_payload_free(c, p);
		}
		p = next;
	}
}

/* Its bytes, or its parts, are in memory. Otherwise it has ended, or waits for a better time. */
static bool is_at_hand(struct bh_custody *c, struct bh_payload *p)
{
	int rc = p->cut ? 0 : bh_custody_bring_back(c, p->content);

	if (rc == BH_E_CORRUPT)
		give_up_row(c, p);
	else if (rc)
		bh_log_limited(c->cfg.log, &p->dest->limit, BH_LOG_ERROR, COMPONENT, "row %llu: %s",
		    (unsigned long long)p->ord, bh_err_name(rc));
	if (rc)
		return false;
	return !p->too_large || p->cut || bh_custody_cut(c, p);
}

static void pump_dest(struct bh_custody *c, struct bh_dest *d)
{
	if (bh_dest_rests(d, now(c))) {
		release_claims(c, d);
		arm_retry(d);
		return;
	}
	if (bh_dest_owes_a_turn(d))
		(void)claim(c, d);
	for (;;) {
		struct bh_payload *p = bh_dest_next(d);

		if (!p) {
			if (d->sending_n >= d->pace.slots)
				break;
			if (!claim(c, d)) {
				if (!d->live_n)
					break;
				d->live_n = 0; /* the row's turn passes */
			}
			continue;
		}
		if (!is_at_hand(c, p)) {
			if (!p->settled)
				break;
			continue;
		}
		if (!bh_backoff_may_send(&d->backoff, now(c)) || !start_one(c, d, p))
			break;
	}
	bh_pace_filled(&d->pace, d->sending_n);
	arm_retry(d);
}

static void on_spool_after(struct bh_timer *t)
{
	(void)t; /* the end of the turn looks */
}

/* How much of a producer's window is used: from the oldest that is not acknowledged on. */
static void look_at_windows(struct bh_custody *c)
{
	static const enum bh_role producers[] = {BH_ROLE_DOGSTATSD, BH_ROLE_LOGS};
	uint64_t bytes[BH_ROLE__N] = {0};

	for (const struct bh_content *x = c->contents.head; x; x = x->next)
		bytes[x->producer] += x->unproven ? x->body.n : 0;
	for (size_t i = 0; i < BH_ARRAY_LEN(producers); i++) {
		enum bh_role role = producers[i];
		const struct bh_receiver *r = bh_intake_receiver(c->intake, role);

		c->used[role] = BH_MAX((r->rcvd - r->base) * 100 / BH_LINK_CREDIT_MSGS,
		    bytes[role] * 100 / ((uint64_t)BH_LINK_CREDIT_KIB * 1024));
	}
}

/* One that others wait for, of a destination that is behind them. */
static bool holds_others_up(const struct bh_custody *c, const struct bh_payload *p)
{
	return c->used[p->content->producer] >= PRESSED && bh_content_lags(p->content);
}

/* The destination would take more, but late answers keep the producer's window full: a row lets it
 * go on (DESIGN §4: memory has reached its bound). */
static bool holds_window_up(
    const struct bh_custody *c, const struct bh_dest *d, const struct bh_payload *p)
{
	return c->used[p->content->producer] >= CROWDED && d->sending_n < d->pace.slots &&
	       now(c) - p->content->taken_ns >= LONG_ENOUGH;
}

/* No row can be had of it, and its destination fails: it is lost for that one. */
static bool must_go(const struct bh_custody *c, const struct bh_dest *d, const struct bh_payload *p)
{
	bool no_row = !d->spool_on || (c->full && !d->logs);

	return d->reliable && no_row && !p->row && !p->sending &&
	       d->backoff.state != BH_BREAKER_OPEN && holds_others_up(c, p);
}

static void look_again(
    struct bh_custody *c, struct bh_dest *d, const struct bh_content *oldest, int64_t after_ns)
{
	bool crowded =
	    c->used[oldest->producer] >= CROWDED && now(c) < oldest->taken_ns + LONG_ENOUGH;
	int64_t at = oldest->taken_ns + (crowded ? BH_MIN(after_ns, LONG_ENOUGH) : after_ns);

	if (!bh_timer_armed(&d->spool_timer) || at < d->spool_timer.at_ns)
		bh_timer_at(c->cfg.loop, &d->spool_timer, at, on_spool_after);
}

/* What has waited long enough goes to the spool, and with it all that is before it: rows are older
 * than what is not a row, or order would be lost (dest.c). */
static void look_at_ages(struct bh_custody *c, struct bh_dest *d)
{
	int64_t after_ns = d->limits.after_ms * BH_NS_PER_MS;
	struct bh_payload *oldest = NULL, *last = NULL;

	for (struct bh_payload *p = d->head; p; p = p->next) {
		if (p->settled || p->row)
			continue;
		if (must_go(c, d, p))
			bh_custody_settle(
			    p, BH_STORE_DROPPED, c->full ? BH_DROP_DISK_FULL : BH_DROP_QUEUE_FULL);
		else if (p->want_row || now(c) - p->content->taken_ns >= after_ns ||
			 holds_others_up(c, p) || holds_window_up(c, d, p))
			last = p;
		else if (!oldest)
			oldest = p;
	}
	for (struct bh_payload *p = d->spool_on ? last : NULL; p; p = p->prev)
		p->want_row |= !p->row && !p->settled;
	if (d->spool_on && oldest)
		look_again(c, d, oldest->content, after_ns);
}

void bh_custody_pump(struct bh_custody *c)
{
	look_at_windows(c);
	for (size_t i = 0; i < c->dests_n; i++) {
		look_at_ages(c, &c->dests[i]);
		if (!c->offline && !c->drain_done && !c->dests[i].absent)
			pump_dest(c, &c->dests[i]);
	}
}

void bh_custody_stop_network(struct bh_custody *c)
{
	c->offline = true;
	if (c->transport)
		bh_transport_cancel_all(c->transport);
	for (size_t i = 0; i < c->dests_n; i++) {
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
	for (size_t i = 0; i < c->dests_n; i++) {
		const struct bh_dest *d = &c->dests[i];
		bool failing = d->absent || d->backoff.state != BH_BREAKER_OPEN || d->error[0];

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

	for (size_t i = 0; i < c->dests_n; i++)
		left += c->dests[i].mem_items;
	return left;
}

/* Nobody waits for them, and nothing keeps them: those that can have no rows, at last those that
 * got none. */
static void give_up_unreliable(struct bh_custody *c, bool all)
{
	for (size_t i = 0; i < c->dests_n; i++) {
		struct bh_dest *d = &c->dests[i];

		if (d->reliable || (d->spool_on && !all))
			continue;
		for (struct bh_payload *p = d->head; p; p = p->next) {
			if (!p->row && !p->settled)
				bh_custody_settle(p, BH_STORE_DROPPED, BH_DROP_SHUTDOWN);
		}
	}
}

void bh_custody_check_drain(struct bh_custody *c)
{
	if (!c->draining || c->drain_done)
		return;
	if (!c->offline && now(c) < c->drain_deadline_ns && !delivered_what_can_be(c))
		return;
	bh_custody_stop_network(c);
	give_up_unreliable(c, false);
	bh_custody_end_unreliable(c);
	bh_custody_keep_rests(c);
	for (size_t i = 0; i < c->dests_n; i++)
		bh_dest_want_rows(&c->dests[i]);
	c->force = true;
	bh_custody_commit(c);
	give_up_unreliable(c, true);
	bh_custody_end_unreliable(c);
	(void)bh_kept_flush(&c->kept); /* a disk without room: as it was last written */
	c->drain_done = true;
	c->cfg.drained(c->cfg.ctx, left_items(c));
}
