/* Custody's destinations: made from the configuration and from what the store is still owed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "forwarder/custody_internal.h"

#define COMPONENT  "custody"
#define LOGS_LEAST 4  /* requests under way */
#define FIXED_MAX  64 /* of a configured number */

static void configure(struct bh_dest *d, const struct bh_config *cfg)
{
	bool logs = d->logs;
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
	unsigned fixed = (unsigned)BH_MIN(logs ? logs_n : workers, FIXED_MAX);

	d->queue_max = (unsigned)cfg->logs_payload_channel_size;
	d->newest_first = !logs || strcmp(cfg->logs_replay_order, "newest_first") == 0;
	d->spool_on = (d->reliable || cfg->spool_unreliable) && d->limits.on;
	if (logs && logs_n <= 0)
		bh_pace_init(&d->pace, LOGS_LEAST, BH_PACE_MAX);
	else
		bh_pace_init(&d->pace, fixed, fixed);
	d->timeout_ms = logs ? cfg->logs_http_timeout_ms : cfg->forwarder_timeout_ms;
	bh_rate_init(&d->rate, cfg->forwarder_capacity_interval_s);
	bh_backoff_init(&d->backoff, &b, logs ? 1 : 2, logs ? 120 : 64);
}

/* What it is owed from before. */
static int load_owed(struct bh_custody *c, struct bh_dest *d)
{
	struct bh_dest_counts counts = {0};
	int rc = bh_store_counts(c->cfg.store, d->id, &counts);

	if (!rc)
		rc = bh_store_items(c->cfg.store, d->id, &d->row_items);
	d->rows = counts.pending_rows;
	d->row_bytes = counts.pending_bytes;
	d->l.received = d->row_items; /* the opening balance */
	bh_spool_limits(c->cfg.config, d->logs, &d->limits);
	if (!rc)
		d->kept = bh_kept_dest(
		    &c->kept, d->name, d->row_items, bh_store_replaced(c->cfg.store) != NULL);
	return rc || d->kept ? rc : -ENOMEM;
}

static int make_dest(struct bh_custody *c, struct bh_dest *d, const struct bh_endpoint_dest *e)
{
	int rc;

	d->custody = c;
	d->logs = e->logs;
	d->reliable = e->reliable;
	d->names = e->names;
	d->name = d->names.name;
	d->key = e->key;
	d->reset_ms = e->reset_ms;
	d->url = strdup(e->url);
	d->worker_url = e->worker_url;
	d->check = bh_custody_key_of(c, e, c->cfg.endpoints->keys[e->key]);
	if (!d->url || !d->check)
		return -ENOMEM;
	rc = bh_store_destination(c->cfg.store, d->names.id, e->logs, e->reliable, &d->id);
	if (!rc)
		rc = load_owed(c, d);
	if (!rc)
		configure(d, c->cfg.config);
	return rc;
}

/* --- those that are owed rows and are not in the configuration ---------------------------------
 */

struct absent {
	struct bh_custody *c;
	int64_t ids[BH_STORE_DESTS_MAX];
	struct bh_target_name names[BH_STORE_DESTS_MAX];
	size_t n;
};

static int note_absent(void *ctx, int64_t id, const char *key, int kind)
{
	struct absent *a = ctx;
	const struct bh_endpoint_list *l = a->c->cfg.endpoints;

	(void)kind;
	if (id == a->c->quarantine.id || a->n == BH_STORE_DESTS_MAX)
		return 0;
	for (size_t i = 0; i < l->n; i++) {
		if (strcmp(l->v[i].names.id, key) == 0)
			return 0;
	}
	a->ids[a->n] = id;
	(void)snprintf(a->names[a->n].id, sizeof(a->names[a->n].id), "%s", key);
	(void)snprintf(a->names[a->n].name, sizeof(a->names[a->n].name), "%.99s", key);
	a->n++;
	return 0;
}

static int make_absent(struct bh_custody *c, struct bh_dest *d, const struct absent *a, size_t i)
{
	int rc;

	d->custody = c;
	d->absent = true;
	d->reliable = true;
	d->logs = strncmp(a->names[i].id, "logs/", 5) == 0;
	d->names = a->names[i];
	d->name = d->names.name;
	d->id = a->ids[i];
	d->url = strdup("");
	rc = d->url ? load_owed(c, d) : -ENOMEM;
	if (!rc)
		bh_warn(c->cfg.log, COMPONENT,
		    "%s is not in the configuration any more and is owed %llu payloads: they wait "
		    "for it to come back, for 7 days at most",
		    d->name, (unsigned long long)d->rows);
	return rc;
}

static int make_all(struct bh_custody *c, const struct absent *a)
{
	const struct bh_endpoint_list *l = c->cfg.endpoints;
	int rc = 0;

	/* Timers and payloads point into it: it never moves. */
	c->dests = calloc(l->n + a->n, sizeof(*c->dests));
	if (!c->dests)
		return -ENOMEM;
	for (size_t i = 0; i < l->n && !rc; i++)
		rc = make_dest(c, &c->dests[c->dests_n++], &l->v[i]);
	for (size_t i = 0; i < a->n && !rc; i++)
		rc = make_absent(c, &c->dests[c->dests_n++], a, i);
	return rc;
}

int bh_custody_make_dests(struct bh_custody *c, struct bh_err *err)
{
	struct absent *a = calloc(1, sizeof(*a));
	int rc = a ? 0 : -ENOMEM;

	if (a)
		a->c = c;
	if (!rc)
		rc = bh_store_each_owed(c->cfg.store, note_absent, a);
	if (!rc)
		rc = make_all(c, a);
	free(a);
	return rc ? bh_err_set(err, rc, "load the destinations") : 0;
}

void bh_custody_free_dests(struct bh_custody *c)
{
	for (size_t i = 0; i < c->dests_n; i++) {
		struct bh_dest *d = &c->dests[i];

		while (d->head) {
			struct bh_payload *p = d->head;

			bh_dest_remove(d, p);
			bh_payload_free(c, p);
		}
		bh_timer_cancel(&d->retry);
		bh_timer_cancel(&d->spool_timer);
		free(d->url);
	}
	for (size_t i = 0; i < c->checks_n; i++) {
		bh_timer_cancel(&c->checks[i].timer);
		free(c->checks[i].url);
	}
	free(c->dests);
}

/* --- for status and ledger ---------------------------------------------------------------------
 */

static void describe(const struct bh_custody *c, const struct bh_dest *d, char *out, size_t cap)
{
	bool primary = d == &c->dests[0] || d == &c->dests[1];

	(void)snprintf(out, cap, "%.90s%s%s%s%s", d->url, primary ? "" : " (API key ending with ",
	    primary ? "" : d->check->key.tail, primary ? "" : ")",
	    d->reliable ? "" : ", unreliable");
}

static void dest_note(struct bh_custody *c, struct bh_dest *d, struct bh_child *child)
{
	int64_t wait_ms = (d->backoff.until_ns - bh_mono_ns(c->cfg.loop->clock)) / BH_NS_PER_MS;
	char name[BH_DEST_NAME + 16], what[160];

	(void)snprintf(name, sizeof(name), "destination.%s", d->name);
	if (d->absent) {
		bh_child_stat_note(child, name,
		    "not in the configuration any more: %llu payloads wait for it, 7 days at most",
		    (unsigned long long)d->rows);
		return;
	}
	describe(c, d, what, sizeof(what));
	if (d->error[0] && d->backoff.state == BH_BREAKER_BLOCKED && wait_ms > 0)
		bh_child_stat_note(child, name, "%s: retrying in %lld.%lld s after %s", what,
		    (long long)(wait_ms / 1000), (long long)(wait_ms % 1000 / 100), d->error);
	else if (d->error[0])
		bh_child_stat_note(child, name, "%s: trying again after %s", what, d->error);
	else
		bh_child_stat_note(child, name, "%s: ok", what);
}

struct bh_buffer_count bh_custody_memory_size(const struct bh_dest *d)
{
	uint64_t payloads = 0;

	for (const struct bh_payload *p = d->head; p; p = p->next)
		payloads += !p->row;
	return (struct bh_buffer_count){
	    bh_buffer_events(d->logs, d->mem_items, payloads), d->mem_bytes};
}

struct bh_buffer_count bh_custody_disk_size(const struct bh_dest *d)
{
	return (struct bh_buffer_count){
	    bh_buffer_events(d->logs, d->row_items, d->rows), d->row_bytes};
}

/* One that is not configured any more has no address. */
static struct bh_str buffer_name(const struct bh_dest *d)
{
	return d->absent ? bh_str_from(d->name) : bh_buffer_host(d->url);
}

static bool is_same_buffer(const struct bh_dest *a, const struct bh_dest *b)
{
	return a->logs == b->logs && bh_str_eq(buffer_name(a), buffer_name(b));
}

static void add_size(struct bh_buffer_count *sum, struct bh_buffer_count n)
{
	sum->events += n.events;
	sum->bytes += n.bytes;
}

/* Of all destinations at the host of the i-th, with the first of them: several keys are one buffer
 * outside. */
static void buffer_stats(const struct bh_custody *c, size_t i, struct bh_child *child)
{
	const struct bh_dest *d = &c->dests[i];
	struct bh_buffer memory = {0}, disk = {0};
	struct bh_buffer_count in_memory = {0}, on_disk = {0};

	for (size_t j = 0; j < c->dests_n; j++) {
		const struct bh_dest *other = &c->dests[j];

		if (!is_same_buffer(other, d))
			continue;
		if (j < i)
			return;
		bh_buffer_add(&memory, &other->mem_buffer);
		bh_buffer_add(&disk, &other->disk_buffer);
		add_size(&in_memory, bh_custody_memory_size(other));
		add_size(&on_disk, bh_custody_disk_size(other));
	}
	bh_buffer_stats(&memory, d->logs ? "logs_dest" : "metrics_retry_memory", buffer_name(d),
	    in_memory, child);
	bh_buffer_stats(
	    &disk, d->logs ? "logs_spool" : "metrics_retry_disk", buffer_name(d), on_disk, child);
}

static void kept_stats(const struct bh_dest *d, struct bh_child *child)
{
	struct bh_ledger l = bh_kept_now(d->kept, d->row_items, d->mem_items);
	struct bh_ledger_row row;

	bh_ledger_row_set(&row, BH_LEDGER_DESTINATION, d->name, strlen(d->name), &l);
	bh_child_stat_kept(child, &row);
}

void bh_custody_dest_stats(struct bh_custody *c, struct bh_child *child)
{
	char name[BH_DEST_NAME + 32];

	for (size_t i = 0; i < c->dests_n; i++) {
		struct bh_dest *d = &c->dests[i];

		d->l.spooled = d->row_items;
		d->l.in_flight = d->mem_items;
		bh_child_stat_ledger(child, BH_LEDGER_DESTINATION, d->name, strlen(d->name), &d->l);
		(void)snprintf(name, sizeof(name), "destination.%s.spool_bytes", d->name);
		bh_child_stat_number(child, name, d->row_bytes);
		(void)snprintf(name, sizeof(name), "destination.%s.splits", d->name);
		bh_child_stat_number(child, name, d->splits);
		dest_note(c, d, child);
		buffer_stats(c, i, child);
		kept_stats(d, child);
	}
}
