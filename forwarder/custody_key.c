/* Checks of the API keys: one for each key at each place where keys are checked. Destinations that
 * share both share what is known. */
#include <stdio.h>
#include <string.h>

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

/* The primary key is checked where metrics go, also when it is logs that are sent with it. */
static int check_url(
    const struct bh_custody *c, const struct bh_endpoint_dest *e, struct bh_buf *out)
{
	const struct bh_endpoint_list *l = c->cfg.endpoints;
	bool primary = e == &l->v[0] && e->key == l->v[1].key;
	const char *url = primary ? l->v[1].url : e->url;

	return e->logs && !primary ? bh_url_validate_logs(bh_str_from(url), out)
				   : bh_url_validate(bh_str_from(url), out);
}

struct bh_key_check *bh_custody_key_of(
    struct bh_custody *c, const struct bh_endpoint_dest *e, const char *text)
{
	struct bh_buf url = BH_BUF_INIT;
	struct bh_key_check *k;
	size_t n = 0;

	if (check_url(c, e, &url)) {
		bh_buf_release(&url);
		return NULL;
	}
	for (size_t i = 0; i < c->checks_n; i++) {
		k = &c->checks[i];
		if (k->index == e->key && strcmp(k->url, url.data) == 0) {
			bh_buf_release(&url);
			return k;
		}
	}
	k = &c->checks[c->checks_n++];
	k->url = bh_buf_detach(&url, &n);
	k->index = e->key;
	bh_key_init(&k->key, text, c->cfg.config->key_check_minutes * 60 * BH_NS_PER_S, now(c));
	return k;
}

static void on_key_timer(struct bh_timer *t)
{
	(void)t; /* the end of the turn looks */
}

/* The supervisor may find another key where this one came from. */
static void tell_supervisor(struct bh_custody *c, struct bh_key_check *k)
{
	if (!k->key.refusals || (k->told_ns && now(c) - k->told_ns < TELL_NS))
		return;
	k->told_ns = now(c);
	c->cfg.key_refused(c->cfg.ctx);
}

/* A key that is refused is said again every five minutes, until one is taken. */
static void complain(struct bh_custody *c, struct bh_key_check *k)
{
	if (!k->key.refusals || (k->said_ns && now(c) - k->said_ns < SAY_NS))
		return;
	k->said_ns = now(c);
	bh_error(c->cfg.log, COMPONENT,
	    "payloads are refused because of the API key ending with %s (check: %s): they wait in "
	    "the spool; correct api_key and reload, or enable the key",
	    k->key.tail, bh_key_state_name(k->key.state));
}

static void look(struct bh_custody *c, struct bh_key_check *k)
{
	struct bh_http_request req = {
	    .url = k->url,
	    .key = k->index,
	    .check_key = true,
	    .timeout_ms = TIMEOUT_MS,
	};

	complain(c, k);
	tell_supervisor(c, k);
	if (bh_key_ask(&k->key, now(c)) && bh_transport_start(c->transport, &req, k))
		(void)bh_key_checked(&k->key, 0);
	if (!k->key.asking && !k->key.always_valid)
		bh_timer_at(c->cfg.loop, &k->timer, bh_key_next(&k->key), on_key_timer);
}

/* Pauses of those who send with a key that may be a good one now. */
static void hurry(struct bh_custody *c, const struct bh_key_check *k)
{
	for (size_t i = 0; i < c->dests_n; i++) {
		if (c->dests[i].check == k)
			bh_backoff_hurry(&c->dests[i].backoff, now(c));
	}
}

int bh_custody_key_replace(struct bh_custody *c, unsigned index, const char *text)
{
	int rc;

	if (bh_transport_key_is(c->transport, index, text))
		return 0;
	rc = bh_transport_set_key(c->transport, index, text);
	for (size_t i = 0; i < c->checks_n && !rc; i++) {
		struct bh_key_check *k = &c->checks[i];

		if (k->index != index)
			continue;
		bh_key_replace(&k->key, text, now(c));
		k->said_ns = k->told_ns = 0;
		hurry(c, k);
		bh_info(c->cfg.log, COMPONENT, "from now on with the API key ending with %s",
		    k->key.tail);
	}
	return rc;
}

void bh_custody_key_look(struct bh_custody *c)
{
	if (c->offline || c->draining || !c->transport)
		return;
	for (size_t i = 0; i < c->checks_n; i++)
		look(c, &c->checks[i]);
}

static void checked(struct bh_custody *c, struct bh_key_check *k, long status)
{
	enum bh_key_state before = k->key.state;
	bool refused = k->key.refusals > 0;

	if (bh_key_checked(&k->key, status) && refused)
		hurry(c, k);
	if (k->key.state == before)
		return;
	if (k->key.state == BH_KEY_INVALID)
		bh_error(c->cfg.log, COMPONENT,
		    "the API key ending with %s is invalid, says %s: correct api_key and reload, "
		    "or enable the key; payloads wait in the spool",
		    k->key.tail, k->url);
	else
		bh_info(c->cfg.log, COMPONENT, "API key ending with %s: %s", k->key.tail,
		    bh_key_state_name(k->key.state));
}

bool bh_custody_key_done(
    struct bh_custody *c, const void *token, const struct bh_http_result *result)
{
	for (size_t i = 0; i < c->checks_n; i++) {
		if (token == &c->checks[i]) {
			checked(c, &c->checks[i], result->status);
			return true;
		}
	}
	return false;
}

bool bh_custody_keys_refused(const struct bh_custody *c)
{
	size_t refused = 0;

	for (size_t i = 0; i < c->checks_n; i++)
		refused += c->checks[i].key.state == BH_KEY_INVALID;
	return refused > 0 && refused == c->checks_n;
}

static void say(
    struct bh_custody *c, struct bh_child *child, const struct bh_key *k, const char *name)
{
	long long since_s = (now(c) - k->refused_since_ns) / BH_NS_PER_S;

	if (k->refusals)
		bh_child_stat_note(child, name,
		    "API key ending with %s: %s; payloads have been refused because of it for %lld "
		    "s and wait in the spool: correct api_key and reload, or enable the key",
		    k->tail, bh_key_state_name(k->state), since_s);
	else if (k->state == BH_KEY_INVALID)
		bh_child_stat_note(child, name,
		    "API key ending with %s: invalid: correct api_key and reload, or enable the "
		    "key",
		    k->tail);
	else
		bh_child_stat_note(child, name, "API key ending with %s: %s", k->tail,
		    bh_key_state_name(k->state));
}

/* "api_key" is that of the configuration; the others are named after the first destination they are
 * for. */
static void check_name(
    const struct bh_custody *c, const struct bh_key_check *k, char *out, size_t cap)
{
	size_t i = 0;

	while (i < c->dests_n && c->dests[i].check != k)
		i++;
	if (k == c->dests[1].check || i == c->dests_n)
		(void)snprintf(out, cap, "api_key");
	else
		(void)snprintf(out, cap, "api_key.%s", c->dests[i].name);
}

void bh_custody_key_stats(struct bh_custody *c, struct bh_child *child)
{
	char name[BH_DEST_NAME + 16];
	uint64_t refusals = 0;

	for (size_t i = 0; i < c->checks_n; i++) {
		check_name(c, &c->checks[i], name, sizeof(name));
		say(c, child, &c->checks[i].key, name);
		refusals += c->checks[i].key.refusals;
	}
	bh_child_stat_number(child, "api_key.refusals", refusals);
}
