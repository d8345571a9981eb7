#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "forwarder/custody_internal.h"
#include "forwarder/cut.h"
#include "forwarder/response.h"

#define COMPONENT   "delivery"
#define MINUTE_NS   (60 * BH_NS_PER_S)
#define RELAY_NS    (3600 * BH_NS_PER_S)
#define FIRST_TAKEN 5 /* payloads of metrics (spec/intake.md §13.9) */
#define RELAY_AT_N  2 /* payloads in a row that are too large: no accident */

static int64_t now(const struct bh_custody *c)
{
	return bh_mono_ns(c->cfg.loop->clock);
}

/* --- ends ------------------------------------------------------------------------------------ */

static enum bh_refusal refusal_of(long status)
{
	switch (status) {
	case 401:
		return BH_REFUSAL_401;
	case 403:
		return BH_REFUSAL_403;
	case 413:
		return BH_REFUSAL_413;
	default:
		return BH_REFUSAL_400;
	}
}

/* One line a minute for each destination and status (spec/intake.md §11.2). */
static void log_refusal(struct bh_custody *c, const struct bh_payload *p, uint64_t items,
    size_t bytes, const struct bh_http_result *result)
{
	struct bh_dest *d = p->dest;
	int64_t *said = &d->refusal_said_ns[refusal_of(result->status)];

	if (*said && now(c) - *said < MINUTE_NS)
		return;
	*said = now(c);
	bh_error(c->cfg.log, COMPONENT,
	    "%s: the intake refused %llu items for good (status %ld, %zu bytes)%s: %s", d->name,
	    (unsigned long long)items, result->status, bytes,
	    d->reliable && c->quarantine.on && !c->full ? "; they go to the quarantine" : "",
	    result->text);
}

void bh_custody_refuse(struct bh_custody *c, struct bh_payload *p, enum bh_drop reason, long status)
{
	bool any = !p->cut || bh_cut_lost_weight(p->cut) > 0;

	bh_custody_settle(p, p->cut && p->cut->taken ? BH_STORE_TAKEN : BH_STORE_DROPPED, reason);
	p->status = status;
	if (!p->dest->reliable)
		return; /* what it does not take is gone, and is counted */
	if (!any || !c->quarantine.on || c->full)
		c->quarantine.not_kept += any && c->quarantine.on;
	else if ((!p->cut && bh_custody_bring_back(c, p->content)) ||
		 bh_store_next_ord(c->cfg.store, &p->keep_ord))
		p->keep_ord = 0;
}

/* The last part is through: the payload ends as a whole. */
static void end_of_parts(struct bh_custody *c, struct bh_payload *p)
{
	if (bh_cut_lost_weight(p->cut) > 0)
		bh_custody_refuse(c, p, p->reason, p->status);
	else
		bh_custody_settle(p, BH_STORE_TAKEN, BH_DROP_SHUTDOWN);
}

static void refused(struct bh_custody *c, struct bh_payload *p, enum bh_drop reason,
    const struct bh_http_result *result)
{
	if (!p->cut) {
		log_refusal(c, p, p->items, p->body_n, result);
		bh_custody_refuse(c, p, reason, result->status);
		return;
	}
	log_refusal(c, p, bh_cut_weight(p->cut), p->cut->part.len, result);
	bh_cut_lost(p->cut, reason);
	p->reason = reason;
	p->status = result->status;
	if (bh_cut_done(p->cut))
		end_of_parts(c, p);
}

/* --- too large (spec/intake.md §11.3) --------------------------------------------------------- */

static void suspect_relay(struct bh_custody *c, struct bh_dest *d, const struct bh_payload *p)
{
	if (++d->too_large_n < RELAY_AT_N ||
	    (d->relay_said_ns && now(c) - d->relay_said_ns < RELAY_NS))
		return;
	d->relay_said_ns = now(c);
	bh_warn(c->cfg.log, COMPONENT,
	    "%s to %s: payloads within the intake's limits are too large for what stands between "
	    "(status 413, %zu bytes): a proxy or relay with a smaller limit for bodies; they are "
	    "sent in parts",
	    d->name, d->url, p->body_n);
}

bool bh_custody_cut(struct bh_custody *c, struct bh_payload *p)
{
	struct bh_http_result result = {.status = 413, .text = "one item, or not to be cut"};
	struct bh_dest *d = p->dest;
	int rc = bh_cut_new(&p->cut, p->content->kind, p->content->encoding, bh_payload_body(p));

	if (rc == -ENOMEM) {
		bh_custody_failed(c, d, "no memory to send a payload in parts", 0);
		return false;
	}
	if (rc) {
		refused(c, p, BH_DROP_REFUSED_413, &result);
		return false;
	}
	p->cut_bytes = bh_cut_bytes(p->cut);
	d->cut_bytes += p->cut_bytes;
	d->splits++;
	return true;
}

static void too_large(struct bh_custody *c, struct bh_payload *p, enum bh_drop reason,
    const struct bh_http_result *result)
{
	if (p->cut) {
		if (!bh_cut_again(p->cut))
			refused(c, p, reason, result);
		return;
	}
	suspect_relay(c, p->dest, p);
	p->too_large = true; /* cut when its turn comes again, and there is memory */
}

/* What is left of a payload that went in parts, and what became of the rest of its items. */
static uint64_t rest_of(const struct bh_payload *p, struct bh_ledger *ends)
{
	uint64_t items = BH_MIN(p->items, BH_MAX(bh_cut_rest_weight(p->cut), 1));
	uint64_t over = p->items - items;

	*ends = (struct bh_ledger){0};
	for (int r = 0; r < BH_DROP__N; r++) {
		uint64_t lost = BH_MIN(over, p->cut->lost[r]);

		bh_ledger_drop(ends, (enum bh_drop)r, lost);
		over -= lost;
	}
	ends->delivered = over;
	return items;
}

/* A payload in memory becomes what is left of it, in a body of its own; the rest has ended. */
static void shrink(struct bh_dest *d, struct bh_payload *p, char *body, size_t n)
{
	struct bh_buffer *buffer = p->row ? &d->disk_buffer : &d->mem_buffer;
	struct bh_ledger ends;
	uint64_t items = rest_of(p, &ends);

	bh_ledger_add(&d->l, &ends);
	if (d->logs)
		bh_buffer_end(buffer, true, &ends, 0);
	bh_buffer_out(buffer, 0, p->body_n - BH_MIN(p->body_n, n));
	bh_buffer_in(buffer, 0, n - BH_MIN(p->body_n, n));
	ends.received = p->items - items;
	if (!p->row) /* of a row, with the row */
		bh_kept_owe(d->kept, &ends);
	if (p->row) {
		d->row_items -= p->items - items;
		d->row_bytes = d->row_bytes - p->body_n + n;
	} else {
		d->mem_items -= p->items - items;
		d->mem_bytes = d->mem_bytes - p->body_n + n;
	}
	p->items = (uint32_t)items;
	free(p->spare);
	p->spare = body;
	p->body_n = n;
}

/* The same row with what is left, in one transaction. */
static int rewrite(struct bh_custody *c, const struct bh_payload *p, struct bh_str body)
{
	struct bh_store *store = c->cfg.store;
	struct bh_spool_row row = {.producer = NULL};
	struct bh_ledger ends;
	void *block = NULL;
	int rc = bh_store_load(store, p->ord, &row, &block);

	if (!rc)
		rc = bh_store_begin(store);
	if (!rc)
		rc = bh_store_remove(store, p->ord, p->dest->id, BH_STORE_TAKEN);
	if (!rc) {
		row.items =
		    (uint32_t)BH_MIN((uint64_t)row.items, BH_MAX(bh_cut_rest_weight(p->cut), 1));
		row.body = body;
		rc = bh_store_put(store, &row, p->dest->id);
		(void)rest_of(p, &ends);
		bh_kept_add(p->dest->kept, &ends);
	}
	if (!rc)
		rc = bh_kept_write(&c->kept);
	if (!rc)
		rc = bh_store_commit(store);
	if (rc) {
		bh_store_rollback(store);
		bh_kept_undo(&c->kept);
	} else {
		bh_kept_apply(&c->kept);
	}
	free(block);
	return rc;
}

/* Only one destination is owed it: then it may become another one. */
static bool is_alone(struct bh_custody *c, const struct bh_payload *p)
{
	unsigned owers = 0;

	if (p->content->holders > 1)
		return false;
	return !p->content->stored ||
	       (bh_store_owers(c->cfg.store, p->ord, &owers) == 0 && owers <= (p->row ? 1u : 0u));
}

static void keep_rest(struct bh_custody *c, struct bh_payload *p)
{
	struct bh_buf rest = BH_BUF_INIT;
	size_t n = 0;
	/* Else the body is the rest already, or is another destination's too. */
	bool some = p->cut->requests > 0 && is_alone(c, p);
	int rc = some ? bh_cut_rest(p->cut, &rest) : 0;

	if (!rc && some && p->row)
		rc = rewrite(c, p, bh_buf_view(&rest));
	if (!rc && some) {
		char *body = bh_buf_detach(&rest, &n);

		shrink(p->dest, p, body, n);
	}
	/* Otherwise the payload is kept whole: parts of it will come twice. */
	bh_buf_release(&rest);
	p->dest->cut_bytes -= p->cut_bytes;
	bh_cut_free(p->cut);
	p->cut = NULL;
}

void bh_custody_keep_rests(struct bh_custody *c)
{
	for (size_t i = 0; i < c->dests_n; i++) {
		for (struct bh_payload *p = c->dests[i].head; p; p = p->next) {
			if (p->cut && !p->settled && (p->row || p->dest->spool_on))
				keep_rest(c, p);
		}
	}
}

/* --- answers ---------------------------------------------------------------------------------- */

/* The first ones each, so that a person sees that it works, then one in so many. */
static void log_success(struct bh_custody *c, struct bh_dest *d)
{
	uint64_t every = (uint64_t)c->cfg.config->logging_frequency;

	if (++d->taken_n <= FIRST_TAKEN || d->taken_n % every == 0)
		bh_info(c->cfg.log, COMPONENT, "%s: %llu payloads are taken since the start",
		    d->name, (unsigned long long)d->taken_n);
}

static void taken(struct bh_custody *c, struct bh_dest *d, struct bh_payload *p)
{
	if (d->error[0])
		bh_info(c->cfg.log, COMPONENT, "%s: %s takes payloads again", d->name, d->url);
	if (!d->logs)
		log_success(c, d);
	d->error[0] = '\0';
	d->last_ok_ms = bh_wall_ms(c->cfg.loop->clock);
	bh_key_accepted(&d->check->key, p->sent_ns);
	if (!p->cut) {
		d->too_large_n = 0;
		bh_custody_settle(p, BH_STORE_TAKEN, BH_DROP_SHUTDOWN);
		return;
	}
	bh_cut_taken(p->cut);
	if (bh_cut_done(p->cut))
		end_of_parts(c, p);
}

static void failure_text(
    const struct bh_dest *d, const struct bh_http_result *result, bool key, char *out, size_t cap)
{
	if (key)
		(void)snprintf(out, cap, "HTTP %ld: the API key ending with %s is refused",
		    result->status, d->check->key.tail);
	else if (result->status)
		(void)snprintf(out, cap, "HTTP %ld %.120s", result->status, result->text);
	else
		(void)snprintf(out, cap, "%.200s", result->text);
}

/* true: nothing is wrong with the destination. */
static bool key_refused(struct bh_custody *c, struct bh_payload *p, enum bh_drop reason,
    const struct bh_http_result *result)
{
	switch (bh_key_refused(&p->dest->check->key, &p->refusals, p->sent_ns, now(c))) {
	case BH_KEY_STALE:
		bh_backoff_cancel(&p->dest->backoff); /* as a probe it said nothing */
		return true;
	case BH_KEY_DROP:
		p->refusals = (struct bh_key_refusals){0, 0}; /* the next part's */
		refused(c, p, reason, result);
		return false;
	case BH_KEY_WAIT:
		break;
	}
	return false;
}

static bool recovers(enum bh_verdict v)
{
	return v == BH_VERDICT_TAKEN || v == BH_VERDICT_SPLIT || v == BH_VERDICT_DROP;
}

static void answered(
    struct bh_custody *c, struct bh_payload *p, const struct bh_http_result *result)
{
	struct bh_dest *d = p->dest;
	struct bh_answer answer = bh_response(result->status, d->logs);
	int64_t at_least = answer.slower ? result->retry_after_ns : 0;
	bool old = bh_backoff_is_old(&d->backoff, p->sent_ns);
	char text[BH_HTTP_TEXT_MAX + 32];

	if (!old && recovers(answer.verdict))
		bh_backoff_success(&d->backoff, now(c), c->cfg.rng);
	switch (answer.verdict) {
	case BH_VERDICT_TAKEN:
		taken(c, d, p);
		return;
	case BH_VERDICT_SPLIT:
		too_large(c, p, answer.reason, result);
		return;
	case BH_VERDICT_DROP:
		refused(c, p, answer.reason, result);
		return;
	case BH_VERDICT_KEY:
		if (key_refused(c, p, answer.reason, result))
			return;
		break;
	case BH_VERDICT_RETRY:
		break;
	}
	if (old)
		return;
	failure_text(d, result, answer.verdict == BH_VERDICT_KEY, text, sizeof(text));
	bh_custody_failed(c, d, text, at_least);
}

void bh_custody_http_done(void *ctx, void *token, const struct bh_http_result *result)
{
	struct bh_custody *c = ctx;
	struct bh_payload *p = token;

	if (bh_custody_key_done(c, token, result))
		return;
	p->dest->sending_n--;
	p->sending = false;
	bh_custody_wake(p);
	if (result->status / 100 == 2)
		bh_pace_taken(&p->dest->pace, p->sent_ns, now(c), p->body_n);
	bh_custody_look_at_clock(c, result->date_s);
	answered(c, p, result);
}
