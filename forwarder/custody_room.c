/*
 * Room in the spool: what leaves it without having been delivered (by policy, by age), and the
 * state of being full (spec/durability.md §7, §8).
 */
#include <errno.h>
#include <stdlib.h>

#include "forwarder/custody_internal.h"
#include "forwarder/cut.h"

#define COMPONENT    "custody"
#define EXPIRE_SLICE 256
#define DISK_RESERVE ((uint64_t)1 << 19)
#define ROOM_AGAIN   ((uint64_t)1 << 18) /* a payload of the usual size */

#define WALL_HIGH_KEY "wall_high_ms"
#define CLOCK_SET_MS  ((int64_t)3600 * 1000)
#define CLOCK_WAIT_NS (600 * BH_NS_PER_S)

int bh_custody_write_position(void *store, const struct bh_position *p)
{
	if (p->gone)
		return bh_store_forget(store, p->row.identifier, p->row.gen);
	return bh_store_position(store, p);
}

/* One destination loses a row (T3); with the last one its positions move. dest: its id in the
 * store. freed: bytes of the payload that nobody is owed any more, added. */
static int retire(struct bh_custody *c, int64_t dest, uint64_t ord, enum bh_store_end end,
    struct bh_retired *gone, uint64_t *freed)
{
	const struct bh_content *held = bh_content_find(&c->contents, ord);
	struct bh_spool_row row = {.ord = 0};
	struct bh_dest_counts before = {0}, after = {0};
	unsigned owers = 0, reliable = 0;
	void *block = NULL;
	int rc = bh_store_load(c->cfg.store, ord, &row, &block);

	if (rc == BH_E_CORRUPT && block)
		rc = 0;
	if (!rc)
		rc = bh_store_counts(c->cfg.store, dest, &before);
	if (!rc)
		rc = bh_store_remove(c->cfg.store, ord, dest, end);
	if (!rc)
		rc = bh_store_counts(c->cfg.store, dest, &after);
	if (!rc)
		rc = bh_store_owers(c->cfg.store, ord, &owers, &reliable);
	if (!rc && reliable == 0 && (!held || held->unproven == 0))
		bh_positions_stage(&c->positions, row.origins, ord, BH_PART_COMPLETE);
	free(block);
	if (rc)
		return rc;
	gone->rows++;
	gone->bytes += before.pending_bytes - after.pending_bytes;
	if (freed && owers == 0)
		*freed += before.pending_bytes - after.pending_bytes;
	return 0;
}

/* The one that is owed most pays: nobody loses anything for another one's outage. */
static size_t fattest(
    const struct bh_custody *c, bool logs, const struct bh_retired *gone, const bool *spared)
{
	uint64_t most = 0;
	size_t at = c->dests_n;

	for (size_t i = 0; i < c->dests_n; i++) {
		uint64_t owed =
		    c->dests[i].row_bytes - BH_MIN(gone[i].bytes, c->dests[i].row_bytes);

		if (c->dests[i].logs != logs || spared[i] || owed <= most)
			continue;
		most = owed;
		at = i;
	}
	return at;
}

int bh_custody_drop_oldest(struct bh_custody *c, const struct bh_dest *only, bool logs,
    uint64_t need, struct bh_retired *gone, uint64_t *freed)
{
	bool spared[BH_CUSTODY_DESTS_MAX] = {false};
	uint64_t began = only ? gone[only - c->dests].bytes : *freed;
	size_t at;

	for (size_t i = 0; only && i < c->dests_n; i++)
		spared[i] = &c->dests[i] != only;
	while ((only ? gone[only - c->dests].bytes : *freed) - began < need &&
	       (at = fattest(c, logs, gone, spared)) < c->dests_n) {
		struct bh_dest *d = &c->dests[at];
		uint64_t ord = 0;
		uint32_t items = 0;
		/* What is under way, or waits for a key, is in memory: its answer decides. */
		int rc =
		    bh_store_claim(c->cfg.store, d->id, false, d->active_n, bh_dest_holds, d, &ord);

		if (rc < 0)
			return rc;
		if (rc == 0) {
			spared[at] = true;
			continue;
		}
		rc = bh_store_row_items(c->cfg.store, ord, &items);
		if (!rc)
			rc = retire(c, d->id, ord, BH_STORE_DROPPED, &gone[at], freed);
		if (rc)
			return rc;
		gone[at].items += items;
	}
	return 0;
}

void bh_custody_count_retired(struct bh_dest *d, const struct bh_retired *gone, enum bh_drop reason)
{
	if (!gone->rows)
		return;
	d->rows -= gone->rows;
	d->row_items -= gone->items;
	d->row_bytes -= gone->bytes;
	bh_ledger_drop(&d->l, reason, gone->items);
	bh_buffer_lost(&d->disk_buffer, reason, bh_buffer_events(d->logs, gone->items, gone->rows),
	    gone->bytes);
}

void bh_custody_keep_retired(
    const struct bh_dest *d, const struct bh_retired *gone, enum bh_drop reason)
{
	struct bh_ledger dropped = {0};

	if (!gone->rows)
		return;
	bh_ledger_drop(&dropped, reason, gone->items);
	bh_kept_add(d->kept, &dropped);
}

/* Rows may come only while the disk keeps room for positions. A page is written to the WAL, behind
 * those that wait there, and with them to the file, whose free pages are used first; after that the
 * WAL is used again from its beginning. */
bool bh_custody_disk_has_room(struct bh_custody *c, uint64_t bytes)
{
	struct bh_store *s = c->cfg.store;
	uint64_t disk, wal, pages;

	if (!bh_store_ballasted(s))
		return false;
	disk = bh_store_disk_free(s);
	wal = bh_store_wal_bytes(s);
	pages = bh_store_free_bytes(s);
	bytes += bh_store_wal_used(s);
	/* The share that is left to others counts against growth only: pages of the file are ours.
	 */
	if (c->disk_reserve && disk + wal + pages < c->disk_reserve + bytes)
		return false;
	return disk + wal > bytes + DISK_RESERVE && disk + wal + pages > 2 * bytes + DISK_RESERVE;
}

bool bh_custody_disk_pressed(const struct bh_custody *c)
{
	return c->disk_reserve && bh_store_disk_free(c->cfg.store) < c->disk_reserve;
}

bool bh_custody_has_room(struct bh_custody *c, uint64_t bytes)
{
	uint64_t used = bh_store_used_bytes(c->cfg.store) - bh_store_wal_bytes(c->cfg.store);

	return bh_custody_disk_has_room(c, bytes) &&
	       used + bytes <= (uint64_t)c->cfg.spool_max_bytes;
}

/* Without room for rows, metrics go on from memory, oldest dropped, unless their class is to wait.
 * Logs go on only while each reliable destination takes them; otherwise the file is the buffer.
 * Nothing in memory and no rows: whoever comes next finds out. */
static bool may_send(const struct bh_custody *c, enum bh_role producer)
{
	bool logs = producer == BH_ROLE_LOGS;

	for (size_t i = 0; i < c->dests_n; i++) {
		const struct bh_dest *d = &c->dests[i];
		bool works = d->backoff.state == BH_BREAKER_OPEN;

		if (!d->reliable || !bh_custody_is_for(d, logs) || !(d->full || (logs && c->full)))
			continue;
		if (logs ? d->rows || (d->mem_items && !works) : !works)
			return false;
	}
	return true;
}

bool bh_custody_is_full(const struct bh_custody *c)
{
	bool full = c->full;

	for (size_t i = 0; i < c->dests_n; i++)
		full |= c->dests[i].full;
	return full;
}

void bh_custody_answer(struct bh_custody *c, enum bh_role producer)
{
	bh_intake_ack(c->intake, producer, bh_custody_is_full(c) ? BH_STORE_FULL : BH_STORE_OK,
	    may_send(c, producer));
}

static void look_soon(struct bh_custody *c)
{
	bh_timer_in(c->cfg.loop, &c->minute, BH_FULL_LOOK_NS, c->minute.fn);
}

void bh_custody_set_dest_full(struct bh_custody *c, struct bh_dest *d, bool full)
{
	if (full == d->full)
		return;
	d->full = full;
	if (full) {
		look_soon(c);
		bh_error(c->cfg.log, COMPONENT,
		    "the spool is full for %s: what their destination does not take waits where "
		    "it comes from; raise bulkhead.spool_max_size_bytes or %s",
		    d->name,
		    d->logs ? "logs_config.disk_retry.max_size_bytes"
			    : "forwarder_storage_max_size_in_bytes");
	} else {
		bh_info(c->cfg.log, COMPONENT, "the spool takes %s again", d->name);
	}
	bh_custody_answer(c, d->logs ? BH_ROLE_LOGS : BH_ROLE_DOGSTATSD);
}

void bh_custody_set_full(struct bh_custody *c, bool full)
{
	if (full == c->full)
		return;
	c->full = full;
	if (full)
		look_soon(c);
	if (full)
		bh_error(c->cfg.log, COMPONENT,
		    "the spool is full (disk or bulkhead.spool_max_size_bytes): data is delivered "
		    "from memory, logs that their destination does not take wait in their files; "
		    "free space or raise the limit");
	else
		bh_info(c->cfg.log, COMPONENT, "the spool takes payloads again");
	bh_custody_answer(c, BH_ROLE_LOGS);
	bh_custody_answer(c, BH_ROLE_DOGSTATSD);
}

int64_t bh_custody_created_ms(struct bh_custody *c)
{
	int64_t now_ms = bh_wall_ms(c->cfg.loop->clock);
	bool any = false;

	for (size_t i = 0; i < c->dests_n && !any; i++)
		any = c->dests[i].rows > 0;
	c->wall_high_ms = any ? BH_MAX(c->wall_high_ms, now_ms) : now_ms;
	return c->wall_high_ms;
}

int bh_custody_keep_wall_high(struct bh_custody *c)
{
	return bh_store_meta_set(c->cfg.store, WALL_HIGH_KEY, c->wall_high_ms);
}

int bh_custody_load_wall_high(struct bh_custody *c)
{
	int found = bh_store_meta_get(c->cfg.store, WALL_HIGH_KEY, &c->wall_high_ms);

	return found < 0 ? found : 0;
}

/* A clock that is set, by more than the other one has gone on, makes nothing old at once. */
static bool wall_is_trusted(struct bh_custody *c, int64_t now_ms)
{
	int64_t mono_ms = bh_mono_ms(c->cfg.loop->clock);
	int64_t set_ms = (now_ms - c->looked_ms[0]) - (mono_ms - c->looked_ms[1]);

	if (c->looked_ms[1] && (set_ms > CLOCK_SET_MS || set_ms < -CLOCK_SET_MS)) {
		c->expires_ns = mono_ms * BH_NS_PER_MS + CLOCK_WAIT_NS;
		bh_warn(c->cfg.log, COMPONENT,
		    "the clock was set by %lld minutes, or the machine slept: nothing expires in "
		    "the spool for 10 minutes",
		    (long long)(set_ms / 60000));
	}
	c->looked_ms[0] = now_ms;
	c->looked_ms[1] = mono_ms;
	return mono_ms * BH_NS_PER_MS >= c->expires_ns;
}

static bool is_old(const struct bh_payload *p, int64_t now_ms)
{
	return p->row && !p->sending && !p->settled &&
	       p->content->created_ms + p->dest->limits.ttl_ms <= now_ms;
}

static bool holds_old(const struct bh_dest *d, int64_t now_ms)
{
	const struct bh_payload *p = d->head;

	while (p && !is_old(p, now_ms))
		p = p->next;
	return p != NULL;
}

/* The end of a payload that goes without having been delivered; parts of it may have been. */
static void give_up(struct bh_payload *p, enum bh_store_end end, enum bh_drop reason)
{
	if (p->cut)
		bh_cut_give_up(p->cut, reason);
	bh_custody_settle(p, p->cut && p->cut->taken ? BH_STORE_TAKEN : end, reason);
}

/* Metrics that can have no rows, of a destination that fails: the oldest go. The newest stays, to
 * find out when it takes payloads again. Bytes of those that ended are in mem_bytes until the next
 * group. */
static void bound_dest(struct bh_custody *c, struct bh_dest *d)
{
	uint64_t held = d->mem_bytes, items = 0;

	for (const struct bh_payload *p = d->head; p; p = p->next)
		held -= p->settled && !p->row ? p->body_n : 0;
	for (struct bh_payload *p = d->head; p && held > d->limits.memory_bytes; p = p->next) {
		if (p == d->tail || p->row || p->sending || p->settled)
			continue;
		give_up(p, BH_STORE_DROPPED, BH_DROP_QUEUE_FULL);
		held -= p->body_n;
		items += p->items;
	}
	if (items)
		bh_log_limited(c->cfg.log, &d->limit, BH_LOG_WARN, COMPONENT,
		    "%s takes nothing, has no spool (forwarder_storage_max_size_in_bytes: 0), and "
		    "the memory for it is full: the oldest are dropped points=%llu; raise "
		    "forwarder_retry_queue_payloads_max_size",
		    d->name, (unsigned long long)items);
}

void bh_custody_bound_memory(struct bh_custody *c)
{
	for (size_t i = 0; i < c->dests_n; i++) {
		struct bh_dest *d = &c->dests[i];

		if (!d->logs && d->reliable && !d->spool_on &&
		    d->backoff.state != BH_BREAKER_OPEN && d->mem_bytes > d->limits.memory_bytes)
			bound_dest(c, d);
	}
}

/* Rows that wait in memory for their next turn: their end goes the usual way. */
static void expire_held(struct bh_custody *c, struct bh_dest *d, int64_t now_ms)
{
	for (struct bh_payload *p = d->head; p; p = p->next) {
		if (!is_old(p, now_ms))
			continue;
		give_up(p, BH_STORE_EXPIRED, BH_DROP_EXPIRED);
		c->force = true;
	}
}

static int expire_dest(
    struct bh_custody *c, struct bh_dest *d, int64_t now_ms, struct bh_retired *gone)
{
	for (int i = 0; i < EXPIRE_SLICE; i++) {
		uint64_t ord = 0;
		uint32_t items = 0;
		int rc = bh_store_oldest(c->cfg.store, d->id, now_ms, &ord, &items);

		if (rc <= 0)
			return rc;
		if (bh_dest_holds(d, ord))
			return 0;
		rc = retire(c, d->id, ord, BH_STORE_EXPIRED, gone, NULL);
		if (rc)
			return rc;
		gone->items += items;
	}
	return 0;
}

/* Bytes in use, but for what unreliable destinations are owed: that goes when others want room. */
static uint64_t used_by_reliable(const struct bh_custody *c)
{
	uint64_t used = bh_store_used_bytes(c->cfg.store);

	for (size_t i = 0; i < c->dests_n; i++) {
		if (!c->dests[i].reliable)
			used -= BH_MIN(used, c->dests[i].row_bytes);
	}
	return used;
}

/* The share of a disk that had no room at the start is too small by now. What the store has itself
 * counts as free for it. */
static void look_at_limit(struct bh_custody *c)
{
	uint64_t disk = bh_store_disk_free(c->cfg.store), ours;

	if (c->cfg.config->spool_max_size_bytes > 0 || disk == UINT64_MAX)
		return;
	ours = bh_store_used_bytes(c->cfg.store) + bh_store_free_bytes(c->cfg.store);
	c->cfg.spool_max_bytes =
	    BH_MAX(c->cfg.spool_max_bytes, bh_spool_max_bytes(c->cfg.config, disk + ours));
}

/* Room again? Ask the file system, and the limit with 5 % of hysteresis. */
static void look_for_room(struct bh_custody *c)
{
	bool room = bh_custody_disk_has_room(c, ROOM_AGAIN);

	if (!room) {
		/* What fills the disk may be our own free pages. */
		bh_store_reclaim(c->cfg.store);
		room = bh_custody_disk_has_room(c, ROOM_AGAIN);
	}
	if (room && used_by_reliable(c) < (uint64_t)c->cfg.spool_max_bytes / 20 * 19)
		bh_custody_set_full(c, false);
	else
		bh_custody_answer(c, BH_ROLE_LOGS); /* rows may have ended by age */
}

/* The same for the bounds of classes, with the same hysteresis. */
static void look_for_class_room(struct bh_custody *c)
{
	uint64_t used = used_by_reliable(c), wal = bh_store_wal_bytes(c->cfg.store);

	used -= BH_MIN(used, wal);
	for (size_t i = 0; i < c->dests_n; i++) {
		struct bh_dest *d = &c->dests[i];

		if (d->full && d->row_bytes <= d->limits.max_bytes / 20 * 19 &&
		    used < (uint64_t)c->cfg.spool_max_bytes / 20 * 19)
			bh_custody_set_dest_full(c, d, false);
	}
}

/* What was retired goes along with the positions it carries, or nothing of it happened. d: NULL =
 * the destination is not configured, and has no row in the ledger. */
static int end_transaction(struct bh_custody *c, struct bh_dest *d, const struct bh_retired *gone,
    enum bh_drop reason, int rc)
{
	if (!rc)
		rc = bh_positions_staged(&c->positions, bh_custody_write_position, c->cfg.store);
	if (!rc && d && gone->rows) {
		bh_custody_keep_retired(d, gone, reason);
		rc = bh_kept_write(&c->kept);
	}
	if (!rc)
		rc = bh_store_commit(c->cfg.store);
	if (rc) {
		bh_store_rollback(c->cfg.store);
		bh_positions_undo(&c->positions);
		bh_kept_undo(&c->kept);
		return rc;
	}
	c->positions_moved |= c->positions.staged != NULL;
	bh_positions_apply(&c->positions);
	if (d && gone->rows) {
		bh_kept_apply(&c->kept);
		bh_custody_count_retired(d, gone, reason);
	}
	return 0;
}

int bh_custody_retire(struct bh_custody *c, int64_t dest, struct bh_dest *d, const uint64_t *ords,
    size_t n, uint64_t *items)
{
	struct bh_retired gone = {0, 0, 0};
	int rc = bh_store_begin(c->cfg.store);

	*items = 0;
	for (size_t i = 0; i < n && !rc; i++) {
		uint32_t in_row = 0;

		rc = bh_store_row_items(c->cfg.store, ords[i], &in_row);
		if (!rc)
			rc = retire(c, dest, ords[i], BH_STORE_DROPPED, &gone, NULL);
		gone.items += in_row;
	}
	rc = end_transaction(c, d, &gone, BH_DROP_PURGED, rc);
	*items = rc ? 0 : gone.items;
	return rc;
}

static bool owes_old(const struct bh_custody *c, struct bh_dest *d, int64_t now_ms)
{
	uint64_t ord = 0;
	uint32_t items = 0;

	return d->rows && bh_store_oldest(c->cfg.store, d->id, now_ms, &ord, &items) == 1 &&
	       !bh_dest_holds(d, ord);
}

/* false: nothing was written, and what is too old is found again. */
static bool expire_slice(struct bh_custody *c, struct bh_dest *d, int64_t now_ms)
{
	struct bh_retired gone = {0, 0, 0};
	int rc = bh_store_begin(c->cfg.store);

	if (!rc)
		rc = expire_dest(c, d, now_ms, &gone);
	return !end_transaction(c, d, &gone, BH_DROP_EXPIRED, rc) && gone.rows > 0;
}

bool bh_custody_room_by_age(
    struct bh_custody *c, bool (*lacks)(const void *arg, const struct bh_dest *d), const void *arg)
{
	int64_t now_ms = bh_wall_ms(c->cfg.loop->clock);
	bool may = wall_is_trusted(c, now_ms), held = false;

	/* In turn: what two are owed leaves room when both have lost it. */
	for (bool more = may; more;) {
		more = false;
		for (size_t i = 0; i < c->dests_n; i++) {
			struct bh_dest *d = &c->dests[i];

			if (owes_old(c, d, now_ms) && lacks(arg, d))
				more |= expire_slice(c, d, now_ms);
		}
	}
	for (size_t i = 0; may && i < c->dests_n; i++) {
		if (!holds_old(&c->dests[i], now_ms) || !lacks(arg, &c->dests[i]))
			continue;
		expire_held(c, &c->dests[i], now_ms);
		held = true;
	}
	return held;
}

void bh_custody_expire(struct bh_custody *c)
{
	int64_t now_ms = bh_wall_ms(c->cfg.loop->clock);
	bool may = wall_is_trusted(c, now_ms);

	for (size_t i = 0; may && i < c->dests_n; i++) {
		expire_held(c, &c->dests[i], now_ms);
		if (owes_old(c, &c->dests[i], now_ms))
			(void)expire_slice(c, &c->dests[i], now_ms);
	}
	if (bh_custody_is_full(c))
		look_at_limit(c);
	look_for_class_room(c);
	if (c->full)
		look_for_room(c);
}
