#include <errno.h>
#include <stdlib.h>

#include "forwarder/custody_internal.h"
#include "forwarder/cut.h"

#define COMPONENT    "custody"
#define GROUP_MAX    64
#define GROUP_BYTES  ((uint64_t)16 << 20)
#define COMPANY_NS   (20 * BH_NS_PER_MS)
#define COMPANY      8 /* payloads that are enough of it */
#define IDLE_NS      (1 * BH_NS_PER_S)
#define EXPIRE_SLICE 256
#define DISK_RESERVE ((uint64_t)1 << 19)
#define ROOM_AGAIN   ((uint64_t)1 << 18) /* a payload of the usual size */

/* What one transaction takes along. */
struct group {
	struct bh_payload *t1[GROUP_MAX]; /* become rows */
	struct bh_payload *t2[GROUP_MAX]; /* end */
	size_t t1_n, t2_n;
	uint64_t bytes;
	bool more; /* did not all fit */
	bool touched[BH_ROLE__N];
	struct bh_receiver marks[BH_ROLE__N];
};

static void gather_list(struct group *g, struct bh_payload *p, bool rows_allowed)
{
	for (; p; p = p->next) {
		bool t1 = p->want_row && !p->row && !p->settled && rows_allowed;

		if (!t1 && !p->settled)
			continue;
		if (g->t1_n == GROUP_MAX || g->t2_n == GROUP_MAX ||
		    (t1 && g->bytes >= GROUP_BYTES)) {
			g->more = true;
			return;
		}
		if (t1) {
			g->t1[g->t1_n++] = p;
			g->bytes += p->body.n;
		} else {
			g->t2[g->t2_n++] = p;
		}
	}
}

static void gather(struct bh_custody *c, struct group *g, bool rows_allowed)
{
	*g = (struct group){.t1_n = 0};
	for (size_t i = 0; i < BH_CUSTODY_DESTS; i++)
		gather_list(g, c->dests[i].head, rows_allowed);
	gather_list(g, c->empties, rows_allowed);
}

/* One row leaves without having been delivered; its positions move with it (T3). */
static int retire(struct bh_custody *c, struct bh_dest *d, uint64_t ord, enum bh_store_end end)
{
	struct bh_spool_row row;
	void *block = NULL;
	int rc = bh_store_load(c->cfg.store, ord, &row, &block);

	if (rc == 0 || (rc == BH_E_CORRUPT && block)) {
		bh_positions_stage(&c->positions, row.origins, ord, true);
		rc = 0;
	}
	free(block);
	return rc ? rc : bh_store_remove(c->cfg.store, ord, d->id, end);
}

struct retired {
	uint64_t rows, items;
};

/* Makes room by policy: metrics lose their oldest rows. */
static int drop_oldest(struct bh_custody *c, struct bh_dest *d, uint64_t need, struct retired *gone)
{
	uint64_t freed = 0, ord = 0;
	uint32_t items = 0;

	while (freed < need) {
		struct bh_dest_counts before = {0}, after = {0};
		int rc = bh_store_oldest(c->cfg.store, d->id, INT64_MAX, &ord, &items);

		if (rc <= 0)
			return rc;
		if (bh_dest_holds(d, ord))
			return 0; /* the oldest is on its way: nothing to give up below it */
		rc = bh_store_counts(c->cfg.store, d->id, &before);
		if (!rc)
			rc = retire(c, d, ord, BH_STORE_DROPPED);
		if (!rc)
			rc = bh_store_counts(c->cfg.store, d->id, &after);
		if (rc)
			return rc;
		freed += before.pending_bytes - after.pending_bytes;
		gone->rows++;
		gone->items += items;
	}
	return 0;
}

/* Rows may come only while the disk keeps room for positions. A page is written to the WAL, which
 * is used again from its beginning, and then to the file, whose free pages are used first. */
static bool disk_has_room(struct bh_custody *c, uint64_t bytes)
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

	return disk_has_room(c, bytes) && used + bytes <= (uint64_t)c->cfg.spool_max_bytes;
}

static int make_room(struct bh_custody *c, const struct group *g, struct retired *gone)
{
	uint64_t used = bh_store_used_bytes(c->cfg.store) - bh_store_wal_bytes(c->cfg.store);
	uint64_t limit = (uint64_t)c->cfg.spool_max_bytes;
	struct bh_dest *metrics = &c->dests[1];

	if (!disk_has_room(c, g->bytes))
		return -ENOSPC;
	if (used + g->bytes <= limit)
		return 0;
	if (g->t1_n && g->t1[0]->dest && !g->t1[0]->dest->logs)
		return drop_oldest(c, metrics, used + g->bytes - limit, gone);
	return -ENOSPC; /* logs wait: the file is the buffer */
}

static int write_t1(struct bh_custody *c, const struct bh_payload *p)
{
	const struct bh_spool_row row = {
	    .ord = p->ord,
	    .producer = bh_role_name(p->producer),
	    .epoch = p->epoch,
	    .seq = p->seq,
	    .kind = p->kind,
	    .encoding = p->encoding,
	    .items = p->items,
	    .raw_len = p->raw_len,
	    .created_ms = p->created_ms,
	    .expires_ms = p->created_ms + BH_TTL_MS,
	    .origins = p->origins,
	    .body = p->body,
	};

	return bh_store_put(c->cfg.store, &row, p->dest->id);
}

static void settle_mark(struct bh_custody *c, struct group *g, const struct bh_payload *p)
{
	enum bh_role role = p->producer;

	if (role != BH_ROLE_LOGS && role != BH_ROLE_DOGSTATSD)
		return; /* out of the quarantine, or of another version: nobody waits for it */
	if (!g->touched[role]) {
		g->touched[role] = true;
		g->marks[role] = *bh_intake_receiver(c->intake, role);
	}
	if (p->epoch == g->marks[role].epoch)
		bh_receiver_settle(&g->marks[role], p->seq);
}

static int write_position(void *ctx, const struct bh_position *p)
{
	if (p->gone)
		return bh_store_forget(ctx, p->row.identifier, p->row.gen);
	return bh_store_position(ctx, &p->row, p->safe_ord, p->delivered_ord);
}

static int write_marks(struct bh_custody *c, const struct group *g)
{
	for (int role = 0; role < BH_ROLE__N; role++) {
		struct bh_receiver mark = g->marks[role];
		int rc;

		if (!g->touched[role] && !c->new_epoch[role])
			continue;
		if (c->new_epoch[role])
			mark = (struct bh_receiver){.epoch = c->new_epoch[role]};
		rc = bh_store_producer(c->cfg.store, bh_role_name((enum bh_role)role), &mark);
		if (rc)
			return rc;
	}
	return 0;
}

/* Of a payload that went in parts, some may have been delivered and some not. */
static struct bh_ledger ends_of(const struct bh_payload *p)
{
	struct bh_ledger ends = {0};
	uint64_t left = p->items;

	for (int r = 0; p->cut && r < BH_DROP__N; r++) {
		uint64_t lost = BH_MIN(left, p->cut->lost[r]);

		bh_ledger_drop(&ends, (enum bh_drop)r, lost);
		left -= lost;
	}
	if (p->end == BH_STORE_TAKEN)
		ends.delivered = left;
	else
		bh_ledger_drop(&ends, p->reason, left);
	return ends;
}

/* What this group does, in the rows since the installation. */
static int write_kept(struct bh_custody *c, const struct group *g, const struct retired *gone)
{
	struct bh_ledger dropped = {0};

	for (size_t i = 0; i < g->t1_n; i++)
		bh_kept_add(g->t1[i]->dest->kept, &(struct bh_ledger){.received = g->t1[i]->items});
	for (size_t i = 0; i < g->t2_n; i++) {
		struct bh_ledger ends;

		if (!g->t2[i]->dest)
			continue;
		ends = ends_of(g->t2[i]);
		ends.received = g->t2[i]->row ? 0 : g->t2[i]->items;
		bh_kept_add(g->t2[i]->dest->kept, &ends);
	}
	bh_ledger_drop(&dropped, BH_DROP_SPOOL_FULL, gone->items);
	bh_kept_add(c->dests[1].kept, &dropped);
	return bh_kept_write(&c->kept);
}

static int write_group(struct bh_custody *c, struct group *g, struct retired *gone)
{
	struct bh_store *store = c->cfg.store;
	int rc = g->t1_n ? make_room(c, g, gone) : 0;

	for (size_t i = 0; i < g->t1_n && !rc; i++) {
		rc = write_t1(c, g->t1[i]);
		bh_positions_stage(&c->positions, g->t1[i]->origins, g->t1[i]->ord, false);
		settle_mark(c, g, g->t1[i]);
	}
	for (size_t i = 0; i < g->t2_n && !rc; i++) {
		const struct bh_payload *p = g->t2[i];

		if (p->row)
			rc = bh_store_remove(store, p->ord, p->dest->id, p->end);
		if (!rc && p->keep_ord)
			rc = bh_custody_quarantine(c, p);
		bh_positions_stage(&c->positions, p->origins, p->ord, true);
		settle_mark(c, g, p);
	}
	if (!rc)
		rc = bh_positions_staged(&c->positions, write_position, store);
	if (!rc)
		rc = write_kept(c, g, gone);
	return rc ? rc : write_marks(c, g);
}

static void became_row(struct bh_payload *p)
{
	struct bh_dest *d = p->dest;

	p->row = true;
	p->want_row = false;
	d->active_rows++;
	d->rows++;
	d->row_bytes += p->body.n;
	d->row_items += p->items;
	d->mem_items -= p->items;
	d->mem_bytes -= p->body.n;
	bh_buffer_out(&d->mem_buffer, bh_buffer_events(d->logs, p->items, 1), p->body.n);
	bh_buffer_in(&d->disk_buffer, bh_buffer_events(d->logs, p->items, 1), p->body.n);
	/* What was sent of it, and how often its key was refused, is known in memory only. */
	if (!p->sending && !p->cut && !p->refusals.first_ns) {
		bh_dest_remove(d, p); /* the row owns it now; it is claimed when its turn comes */
		bh_payload_free(p);
	}
}

static void forget_empty(struct bh_custody *c, struct bh_payload *p)
{
	struct bh_payload **at = &c->empties;

	while (*at && *at != p)
		at = &(*at)->next;
	if (*at)
		*at = p->next;
	bh_payload_free(p);
}

static void ended(struct bh_custody *c, struct bh_payload *p)
{
	struct bh_dest *d = p->dest;
	struct bh_ledger ends;

	if (!d) {
		forget_empty(c, p);
		return;
	}
	ends = ends_of(p);
	bh_ledger_add(&d->l, &ends);
	bh_buffer_end(p->row ? &d->disk_buffer : &d->mem_buffer, d->logs, &ends, p->body.n);
	if (p->row) {
		d->rows--;
		d->row_bytes -= p->body.n;
		d->row_items -= p->items;
	} else {
		d->mem_items -= p->items;
		d->mem_bytes -= p->body.n;
	}
	bh_dest_remove(d, p);
	bh_payload_free(p);
}

/* Without room for rows, metrics go on from memory, oldest dropped. Logs go on only while their
 * destination takes them; otherwise the file is the buffer. Nothing in memory and no rows: whoever
 * comes next finds out. */
static bool may_send(const struct bh_custody *c, enum bh_role producer)
{
	const struct bh_dest *logs = &c->dests[0];

	if (!c->full || producer != BH_ROLE_LOGS)
		return true;
	return logs->rows == 0 && (logs->mem_items == 0 || logs->backoff.state == BH_BREAKER_OPEN);
}

static void answer(struct bh_custody *c, enum bh_role producer)
{
	bh_intake_ack(
	    c->intake, producer, c->full ? BH_STORE_FULL : BH_STORE_OK, may_send(c, producer));
}

static void set_full(struct bh_custody *c, bool full)
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
	answer(c, BH_ROLE_LOGS);
	answer(c, BH_ROLE_DOGSTATSD);
}

static void acknowledge(struct bh_custody *c, const struct group *g)
{
	for (int role = 0; role < BH_ROLE__N; role++) {
		enum bh_role producer = (enum bh_role)role;

		if (!g->touched[role])
			continue;
		*bh_intake_receiver(c->intake, producer) = g->marks[role];
		answer(c, producer);
		if (c->fence_open[role] && g->marks[role].base >= c->fences[role]) {
			c->fence_open[role] = false;
			bh_intake_fence_ack(c->intake, producer, c->fences[role]);
		}
	}
}

static void on_idle(struct bh_timer *t)
{
	struct bh_custody *c = BH_CONTAINER(t, struct bh_custody, idle);

	if (!c->drain_done)
		bh_store_tend(c->cfg.store, true);
}

static void apply_group(struct bh_custody *c, struct group *g, const struct retired *gone)
{
	struct bh_dest *metrics = &c->dests[1];

	c->positions_moved |= c->positions.staged != NULL;
	bh_positions_apply(&c->positions);
	bh_kept_apply(&c->kept);
	if (gone->rows) {
		struct bh_dest_counts counts = {0};

		metrics->rows -= gone->rows;
		metrics->row_items -= gone->items;
		if (bh_store_counts(c->cfg.store, metrics->id, &counts) == 0) {
			bh_buffer_lost(&metrics->disk_buffer, BH_DROP_SPOOL_FULL, gone->rows,
			    metrics->row_bytes - counts.pending_bytes);
			metrics->row_bytes = counts.pending_bytes;
		}
		bh_ledger_drop(&metrics->l, BH_DROP_SPOOL_FULL, gone->items);
	}
	for (size_t i = 0; i < g->t1_n; i++)
		became_row(g->t1[i]);
	for (size_t i = 0; i < g->t2_n; i++)
		ended(c, g->t2[i]);
	bh_quarantine_refresh(&c->quarantine);
	acknowledge(c, g);
	bh_store_tend(c->cfg.store, false);
	bh_timer_in(c->cfg.loop, &c->idle, IDLE_NS, on_idle);
}

/* 0, or the error of a group that was rolled back whole. */
static int commit_group(struct bh_custody *c, struct group *g)
{
	struct retired gone = {0, 0};
	int rc = bh_store_begin(c->cfg.store);

	if (!rc)
		rc = write_group(c, g, &gone);
	if (!rc)
		rc = bh_store_commit(c->cfg.store);
	if (rc) {
		bh_store_rollback(c->cfg.store);
		bh_positions_undo(&c->positions);
		bh_kept_undo(&c->kept);
		return rc;
	}
	apply_group(c, g, &gone);
	return 0;
}

static void commit_failed(struct bh_custody *c, int rc)
{
	bh_error(
	    c->cfg.log, COMPONENT, "commit: %s; leaving, the next start recovers", bh_err_name(rc));
	c->cfg.fatal(c->cfg.ctx, BH_EXIT_INTERNAL);
}

/* No room for rows: what ended is still recorded, with the ballast's help. */
static int commit_without_rows(struct bh_custody *c, struct group *g)
{
	set_full(c, true);
	gather(c, g, false);
	if (g->t2_n == 0 && !c->new_epoch[BH_ROLE_LOGS] && !c->new_epoch[BH_ROLE_DOGSTATSD])
		return 0;
	if (commit_group(c, g) == 0)
		return 0;
	bh_store_relieve(c->cfg.store);
	return commit_group(c, g);
}

static void on_company(struct bh_timer *t)
{
	BH_CONTAINER(t, struct bh_custody, company)->force = true;
}

static bool fences_wait(const struct bh_custody *c)
{
	return c->new_epoch[BH_ROLE_LOGS] || c->new_epoch[BH_ROLE_DOGSTATSD];
}

void bh_custody_commit(struct bh_custody *c)
{
	struct group g;

	if (c->drain_done)
		return;
	do {
		int rc;

		gather(c, &g, !c->full);
		if (g.t1_n + g.t2_n == 0 && !fences_wait(c))
			break;
		if (g.t1_n == 0 && g.t2_n < COMPANY && !c->force && !g.more && !fences_wait(c)) {
			if (!bh_timer_armed(&c->company))
				bh_timer_in(c->cfg.loop, &c->company, COMPANY_NS, on_company);
			return;
		}
		rc = commit_group(c, &g);
		if (rc == -ENOSPC) {
			g.more = false;
			rc = commit_without_rows(c, &g);
		}
		if (rc == -ENOSPC) {
			bh_log_limited(c->cfg.log, &c->limit, BH_LOG_ERROR, COMPONENT,
			    "disk full: not even positions can be written");
			break; /* nothing acknowledged; tried again when the disk has room */
		}
		if (rc) {
			commit_failed(c, rc);
			return;
		}
	} while (g.more);
	c->force = false;
	bh_timer_cancel(&c->company);
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
    struct bh_custody *c, struct bh_dest *d, int64_t now_ms, struct retired *gone)
{
	for (int i = 0; i < EXPIRE_SLICE; i++) {
		uint64_t ord = 0;
		uint32_t items = 0;
		int rc = bh_store_oldest(c->cfg.store, d->id, now_ms, &ord, &items);

		if (rc <= 0)
			return rc;
		if (bh_dest_holds(d, ord))
			return 0;
		rc = retire(c, d, ord, BH_STORE_EXPIRED);
		if (rc)
			return rc;
		gone->rows++;
		gone->items += items;
	}
	return 0;
}

static int keep_expired(struct bh_custody *c, struct bh_dest *d, const struct retired *gone)
{
	struct bh_ledger dropped = {0};

	if (!gone->rows)
		return 0;
	bh_ledger_drop(&dropped, BH_DROP_EXPIRED, gone->items);
	bh_kept_add(d->kept, &dropped);
	return bh_kept_write(&c->kept);
}

/* Room again? Ask the file system, and the limit with 5 % of hysteresis. */
static void look_for_room(struct bh_custody *c)
{
	bool room = disk_has_room(c, ROOM_AGAIN);

	if (!room) {
		/* What fills the disk may be our own free pages. */
		bh_store_reclaim(c->cfg.store);
		room = disk_has_room(c, ROOM_AGAIN);
	}
	if (room && bh_store_used_bytes(c->cfg.store) < (uint64_t)c->cfg.spool_max_bytes / 20 * 19)
		set_full(c, false);
	else
		answer(c, BH_ROLE_LOGS); /* rows may have ended by age */
}

void bh_custody_expire(struct bh_custody *c)
{
	int64_t now_ms = bh_wall_ms(c->cfg.loop->clock);

	for (size_t i = 0; i < BH_CUSTODY_DESTS; i++) {
		struct bh_dest *d = &c->dests[i];
		struct bh_dest_counts counts = {0};
		struct retired gone = {0, 0};
		int rc = bh_store_begin(c->cfg.store);

		expire_held(c, d, now_ms);
		if (!rc)
			rc = expire_dest(c, d, now_ms, &gone);
		if (!rc)
			rc = bh_positions_staged(&c->positions, write_position, c->cfg.store);
		if (!rc)
			rc = keep_expired(c, d, &gone);
		if (!rc)
			rc = bh_store_counts(c->cfg.store, d->id, &counts);
		if (!rc)
			rc = bh_store_commit(c->cfg.store);
		if (rc) {
			bh_store_rollback(c->cfg.store);
			bh_positions_undo(&c->positions);
			bh_kept_undo(&c->kept);
			continue;
		}
		c->positions_moved |= c->positions.staged != NULL;
		bh_positions_apply(&c->positions);
		if (gone.rows)
			bh_kept_apply(&c->kept);
		bh_buffer_lost(&d->disk_buffer, BH_DROP_EXPIRED,
		    bh_buffer_events(d->logs, gone.items, gone.rows),
		    d->row_bytes - counts.pending_bytes);
		d->rows = counts.pending_rows;
		d->row_bytes = counts.pending_bytes;
		d->row_items -= gone.items;
		if (gone.items)
			bh_ledger_drop(&d->l, BH_DROP_EXPIRED, gone.items);
	}
	if (c->full)
		look_for_room(c);
}
