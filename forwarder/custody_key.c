#include <stdlib.h>

#include "forwarder/custody_internal.h"
#include "forwarder/urls.h"

#define COMPONENT  "key"
#define TIMEOUT_MS 10000 /* of a round of checks (spec/intake.md §13.6) */
#define SAY_NS     (300 * BH_NS_PER_S)
#define TELL_NS    (60 * BH_NS_PER_S) /* between messages to the supervisor */

static int64_t now(const struct bh_custody *c)
{
	return bh_mono_ns(c->cfg.loop->clock);
}

int bh_custody_key_init(struct bh_custody *c)
{
	struct bh_buf base = BH_BUF_INIT, url = BH_BUF_INIT;
	size_t n = 0;
	int rc = bh_url_metrics_base(c->cfg.config, &base);

	if (!rc)
		rc = bh_url_validate(bh_buf_view(&base), &url);
	bh_buf_release(&base);
	c->key_url = bh_buf_detach(&url, &n);
	bh_key_init(&c->key, c->cfg.config->api_key, now(c));
	return rc;
}

static void on_key_timer(struct bh_timer *t)
{
	(void)t; /* the end of the turn looks */
}

/* The supervisor may find another key where this one came from. */
static void tell_supervisor(struct bh_custody *c)
{
	if (!c->key.refusals || (c->key_told_ns && now(c) - c->key_told_ns < TELL_NS))
		return;
	c->key_told_ns = now(c);
	c->cfg.key_refused(c->cfg.ctx);
}

/* A key that is refused is said again every five minutes, until one is taken. */
static void complain(struct bh_custody *c)
{
	if (!c->key.refusals || (c->key_said_ns && now(c) - c->key_said_ns < SAY_NS))
		return;
	c->key_said_ns = now(c);
	bh_error(c->cfg.log, COMPONENT,
	    "payloads are refused because of the API key ending with %s (check: %s): they wait in "
	    "the spool; correct api_key and reload, or enable the key",
	    c->key.tail, bh_key_state_name(c->key.state));
}

void bh_custody_key_look(struct bh_custody *c)
{
	struct bh_http_request req = {
	    .url = c->key_url,
	    .check_key = true,
	    .timeout_ms = TIMEOUT_MS,
	};

	if (c->offline || c->draining || !c->transport)
		return;
	complain(c);
	tell_supervisor(c);
	if (bh_key_ask(&c->key, now(c)) && bh_transport_start(c->transport, &req, &c->key))
		(void)bh_key_checked(&c->key, 0);
	if (!c->key.asking && !c->key.always_valid)
		bh_timer_at(c->cfg.loop, &c->key_timer, bh_key_next(&c->key), on_key_timer);
}

int bh_custody_key_replace(struct bh_custody *c, const char *text)
{
	int rc = bh_transport_set_key(c->transport, text);

	if (rc)
		return rc;
	bh_key_replace(&c->key, text, now(c));
	c->key_said_ns = c->key_told_ns = 0;
	for (size_t i = 0; i < BH_CUSTODY_DESTS; i++)
		bh_backoff_hurry(&c->dests[i].backoff, now(c));
	bh_info(c->cfg.log, COMPONENT, "from now on with the API key ending with %s", c->key.tail);
	return 0;
}

void bh_custody_key_done(struct bh_custody *c, const struct bh_http_result *result)
{
	enum bh_key_state before = c->key.state;
	bool refused = c->key.refusals > 0;

	if (bh_key_checked(&c->key, result->status) && refused) {
		/* What waits need not wait longer. */
		for (size_t i = 0; i < BH_CUSTODY_DESTS; i++)
			bh_backoff_hurry(&c->dests[i].backoff, now(c));
	}
	if (c->key.state == before)
		return;
	if (c->key.state == BH_KEY_INVALID)
		bh_error(c->cfg.log, COMPONENT,
		    "the API key ending with %s is invalid, says %s: correct api_key and reload, "
		    "or enable the key; payloads wait in the spool",
		    c->key.tail, c->key_url);
	else
		bh_info(c->cfg.log, COMPONENT, "API key ending with %s: %s", c->key.tail,
		    bh_key_state_name(c->key.state));
}

void bh_custody_key_stats(struct bh_custody *c, struct bh_child *child)
{
	long long since_s = (now(c) - c->key.refused_since_ns) / BH_NS_PER_S;

	bh_child_stat_number(child, "api_key.refusals", c->key.refusals);
	if (c->key.refusals)
		bh_child_stat_note(child, "api_key",
		    "API key ending with %s: %s; payloads have been refused because of it for %lld "
		    "s "
		    "and wait in the spool: correct api_key and reload, or enable the key",
		    c->key.tail, bh_key_state_name(c->key.state), since_s);
	else if (c->key.state == BH_KEY_INVALID)
		bh_child_stat_note(child, "api_key",
		    "API key ending with %s: invalid: correct api_key and reload, or enable the "
		    "key",
		    c->key.tail);
	else
		bh_child_stat_note(child, "api_key", "API key ending with %s: %s", c->key.tail,
		    bh_key_state_name(c->key.state));
}
