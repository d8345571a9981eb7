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

int bh_custody_write_position(void *store, const struct bh_position *p)
{
	if (p->gone)
		return bh_store_forget(store, p->row.identifier, p->row.gen);
	return bh_store_position(store, p);
}

/* One destination loses a row (T3); with the last one its positions move. freed: bytes of the
 * payload that nobody is owed any more, added. */
static int retire(struct bh_custody *c, struct bh_dest *d, uint64_t ord, enum bh_store_end end,
    struct bh_retired *gone, uint64_t *freed)
{
	const struct bh_content *held = bh_content_find(&c->contents, ord);
	struct bh_spool_row row = {.ord = 0};
	struct bh_dest_counts before = {0}, after = {0};
	unsigned owers = 0;
	void *block = NULL;
	int rc = bh_store_load(c->cfg.store, ord, &row, &block);

	if (rc == BH_E_CORRUPT && block)
		rc = 0;
	if (!rc)
		rc = bh_store_counts(c->cfg.store, d->id, &before);
	if (!rc)
		rc = bh_store_remove(c->cfg.store, ord, d->id, end);
	if (!rc)
		rc = bh_store_counts(c->cfg.store, d->id, &after);
	if (!rc)
		rc = bh_store_owers(c->cfg.store, ord, &owers);
	if (!rc && owers == 0 && (!held || held->unproven == 0))
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
static size_t fattest(const struct bh_custody *c, const struct bh_retired *gone, const bool *spared)
{
	uint64_t most = 0;
	size_t at = c->dests_n;

	for (size_t i = 0; i < c->dests_n; i++) {
		uint64_t owed =
		    c->dests[i].row_bytes - BH_MIN(gone[i].bytes, c->dests[i].row_bytes);

		if (c->dests[i].logs || spared[i] || owed <= most)
			continue;
		most = owed;
		at = i;
	}
	return at;
}

int bh_custody_drop_oldest(struct bh_custody *c, uint64_t need, struct bh_retired *gone)
{
	bool spared[BH_CUSTODY_DESTS_MAX] = {false};
	uint64_t freed = 0;
	size_t at;

	while (freed < need && (at = fattest(c, gone, spared)) < c->dests_n) {
		struct bh_dest *d = &c->dests[at];
		uint64_t ord = 0;
		uint32_t items = 0;
		int rc = bh_store_oldest(c->cfg.store, d->id, INT64_MAX, &ord, &items);

		if (rc < 0)
			return rc;
		/* The oldest is on its way: nothing to give up below it. */
		if (rc == 0 || bh_dest_holds(d, ord)) {
			spared[at] = true;
			continue;
		}
		rc = retire(c, d, ord, BH_STORE_DROPPED, &gone[at], &freed);
		if (rc)
			return rc;
		gone[at].items += items;
	}
	return 0;
}

void bh_custody_count_retired(struct bh_dest *d, const struct bh_retired *gone, enum bh_drop reason)
{
	d->rows -= gone->rows;
	d->row_items -= gone->items;
	d->row_bytes -= gone->bytes;
	bh_ledger_drop(&d->l, reason, gone->items);
}

/* Rows may come only while the disk keeps room for positions. A page is written to the WAL, which
 * is used again from its beginning, and then to the file, whose free pages are used first. */
bool bh_custody_disk_has_room(struct bh_custody *c, uint64_t bytes)
{
	struct bh_store *s = c->cfg.store;
	uint64_t disk, wal, pages;

	if (!bh_store_ballasted(s))
		return false;
	disk = bh_store_disk_free(s);
	wal = bh_store_wal_bytes(s);
	pages = bh_store_free_bytes(s);
	return disk + wal > bytes + DISK_RESERVE && disk + wal + pages > 2 * bytes + DISK_RESERVE;
}

bool bh_custody_has_room(struct bh_custody *c, uint64_t bytes)
{
	uint64_t used = bh_store_used_bytes(c->cfg.store) - bh_store_wal_bytes(c->cfg.store);

	return bh_custody_disk_has_room(c, bytes) &&
	       used + bytes <= (uint64_t)c->cfg.spool_max_bytes;
}

/* Without room for rows, metrics go on from memory, oldest dropped. Logs go on only while each
 * reliable destination takes them; otherwise the file is the buffer. Nothing in memory and no rows:
 * whoever comes next finds out. */
static bool may_send(const struct bh_custody *c, enum bh_role producer)
{
	if (!c->full || producer != BH_ROLE_LOGS)
		return true;
	for (size_t i = 0; i < c->dests_n; i++) {
		const struct bh_dest *d = &c->dests[i];

		if (!d->reliable || !bh_custody_is_for(d, true))
			continue;
		if (d->rows || (d->mem_items && d->backoff.state != BH_BREAKER_OPEN))
			return false;
	}
	return true;
}

void bh_custody_answer(struct bh_custody *c, enum bh_role producer)
{
	bh_intake_ack(
	    c->intake, producer, c->full ? BH_STORE_FULL : BH_STORE_OK, may_send(c, producer));
}

void bh_custody_set_full(struct bh_custody *c, bool full)
{
	if (full == c->full)
		return;
	c->full = full;
	if (full)
		bh_timer_in(c->cfg.loop, &c->minute, BH_FULL_LOOK_NS, c->minute.fn);
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

/* Rows that wait in memory for their next turn: their end goes the usual way. */
static void expire_held(struct bh_custody *c, struct bh_dest *d, int64_t now_ms)
{
	for (struct bh_payload *p = d->head; p; p = p->next) {
		if (!p->row || p->sending || p->settled || p->created_ms + BH_TTL_MS > now_ms)
			continue;
		if (p->cut)
			bh_cut_give_up(p->cut, BH_DROP_EXPIRED);
		bh_custody_settle(p, p->cut && p->cut->taken ? BH_STORE_TAKEN : BH_STORE_EXPIRED,
		    BH_DROP_EXPIRED);
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
		rc = retire(c, d, ord, BH_STORE_EXPIRED, gone, NULL);
		if (rc)
			return rc;
		gone->items += items;
	}
	return 0;
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
	if (room && bh_store_used_bytes(c->cfg.store) < (uint64_t)c->cfg.spool_max_bytes / 20 * 19)
		bh_custody_set_full(c, false);
	else
		bh_custody_answer(c, BH_ROLE_LOGS); /* rows may have ended by age */
}

static int expire_in_transaction(
    struct bh_custody *c, struct bh_dest *d, int64_t now_ms, struct bh_retired *gone)
{
	int rc = bh_store_begin(c->cfg.store);

	if (!rc)
		rc = expire_dest(c, d, now_ms, gone);
	if (!rc)
		rc = bh_positions_staged(&c->positions, bh_custody_write_position, c->cfg.store);
	if (!rc)
		rc = bh_store_commit(c->cfg.store);
	if (rc) {
		bh_store_rollback(c->cfg.store);
		bh_positions_undo(&c->positions);
	}
	return rc;
}

void bh_custody_expire(struct bh_custody *c)
{
	int64_t now_ms = bh_wall_ms(c->cfg.loop->clock);

	for (size_t i = 0; i < c->dests_n; i++) {
		struct bh_dest *d = &c->dests[i];
		struct bh_retired gone = {0, 0, 0};

		expire_held(c, d, now_ms);
		if (d->rows == 0 || expire_in_transaction(c, d, now_ms, &gone))
			continue;
		c->positions_moved |= c->positions.staged != NULL;
		bh_positions_apply(&c->positions);
		bh_custody_count_retired(d, &gone, BH_DROP_EXPIRED);
	}
	if (c->full)
		look_for_room(c);
}
