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
#define SLICE_NS     (50 * BH_NS_PER_MS) /* between slices of free pages given back */
#define EXPIRE_SLICE 256
#define DISK_RESERVE ((uint64_t)1 << 19)
#define ROOM_AGAIN   ((uint64_t)1 << 18) /* a payload of the usual size */

/* What one transaction takes along. */
struct group {
	struct bh_payload *t1[GROUP_MAX];     /* become rows */
	struct bh_payload *t2[2 * GROUP_MAX]; /* end; with those of t1 that find no room */
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
		if (g->t1_n == GROUP_MAX || g->t2_n >= GROUP_MAX ||
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
		gather_list(g, c->dests[i].head, rows_allowed && !c->dests[i].full);
	gather_list(g, c->empties, rows_allowed);
}

/* One row leaves without having been delivered; its positions move with it (T3). */
static int retire(struct bh_custody *c, int64_t dest, uint64_t ord, enum bh_store_end end)
{
	struct bh_spool_row row;
	void *block = NULL;
	int rc = bh_store_load(c->cfg.store, ord, &row, &block);

	if (rc == 0 || (rc == BH_E_CORRUPT && block)) {
		bh_positions_stage(&c->positions, row.origins, ord, true);
		rc = 0;
	}
	free(block);
	return rc ? rc : bh_store_remove(c->cfg.store, ord, dest, end);
}

static void set_dest_full(struct bh_custody *c, struct bh_dest *d, bool full);

struct retired {
	uint64_t rows, items, bytes;
};

/* Makes room by policy: the oldest rows go. gone: of them. */
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
			rc = retire(c, d->id, ord, BH_STORE_DROPPED);
		if (!rc)
			rc = bh_store_counts(c->cfg.store, d->id, &after);
		if (rc)
			return rc;
		freed += before.pending_bytes - after.pending_bytes;
		gone->bytes = freed;
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
	/* The share that is left to others counts against growth only: pages of the file are ours.
	 */
	if (c->disk_reserve && disk + wal + pages < c->disk_reserve + bytes)
		return false;
	return disk + wal > bytes + DISK_RESERVE && disk + wal + pages > 2 * bytes + DISK_RESERVE;
}

bool bh_custody_has_room(struct bh_custody *c, uint64_t bytes)
{
	uint64_t used = bh_store_used_bytes(c->cfg.store) - bh_store_wal_bytes(c->cfg.store);

	return disk_has_room(c, bytes) && used + bytes <= (uint64_t)c->cfg.spool_max_bytes;
}

/* What a class wants more than it may have: of its own bound, or of the file's. */
static uint64_t excess_of(struct bh_custody *c, const struct bh_dest *d, uint64_t need)
{
	uint64_t file = bh_store_used_bytes(c->cfg.store) - bh_store_wal_bytes(c->cfg.store) + need;
	uint64_t rows = d->row_bytes + need, limit = (uint64_t)c->cfg.spool_max_bytes;

	return BH_MAX(file > limit ? file - limit : 0,
	    rows > d->limits.max_bytes ? rows - d->limits.max_bytes : 0);
}

/* Takes the payloads of d out of the group's rows. Dropping, they end instead, but for those that
 * are being sent: their answer decides. */
static void leave_out(struct group *g, const struct bh_dest *d, bool dropping)
{
	size_t kept = 0;

	for (size_t i = 0; i < g->t1_n; i++) {
		struct bh_payload *p = g->t1[i];

		if (p->dest != d) {
			g->t1[kept++] = p;
			continue;
		}
		g->bytes -= p->body.n;
		if (!dropping || p->sending)
			continue;
		bh_custody_settle(p, BH_STORE_DROPPED, BH_DROP_SPOOL_FULL);
		g->t2[g->t2_n++] = p;
	}
	g->t1_n = kept;
}

/* A class without room gets it, or does without, by its policy. */
static int room_for(
    struct bh_custody *c, struct group *g, struct bh_dest *d, uint64_t need, struct retired *gone)
{
	uint64_t excess = excess_of(c, d, need);
	int rc = 0;

	if (excess && d->limits.when_full == BH_FULL_DROP_OLDEST) {
		rc = drop_oldest(c, d, excess, gone);
		excess -= BH_MIN(excess, gone->bytes);
	}
	if (rc || !excess)
		return rc;
	/* What never fits is not waited for. */
	if (d->limits.when_full == BH_FULL_BLOCK && need <= (uint64_t)c->cfg.spool_max_bytes &&
	    need <= d->limits.max_bytes) {
		set_dest_full(c, d, true);
		leave_out(g, d, false);
	} else {
		leave_out(g, d, true);
	}
	return 0;
}

static uint64_t bytes_for(const struct group *g, const struct bh_dest *d)
{
	uint64_t n = 0;

	for (size_t i = 0; i < g->t1_n; i++)
		n += g->t1[i]->dest == d ? g->t1[i]->body.n : 0;
	return n;
}

static int make_room(struct bh_custody *c, struct group *g, struct retired *gone)
{
	int rc = disk_has_room(c, g->bytes) ? 0 : -ENOSPC;

	for (size_t i = 0; i < BH_CUSTODY_DESTS && !rc; i++) {
		uint64_t need = bytes_for(g, &c->dests[i]);

		if (need)
			rc = room_for(c, g, &c->dests[i], need, &gone[i]);
	}
	return rc;
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
	    .expires_ms = p->created_ms + p->dest->limits.ttl_ms,
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

/* Rows of d that go, in its row since the installation. */
static void add_retired(const struct bh_dest *d, const struct retired *gone, enum bh_drop reason)
{
	struct bh_ledger dropped = {0};

	bh_ledger_drop(&dropped, reason, gone->items);
	bh_kept_add(d->kept, &dropped);
}

/* What this group does, in the rows since the installation; gone: one for each destination. */
static int write_kept(struct bh_custody *c, const struct group *g, const struct retired *gone)
{
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
	for (size_t i = 0; i < BH_CUSTODY_DESTS; i++)
		add_retired(&c->dests[i], &gone[i], BH_DROP_SPOOL_FULL);
	return bh_kept_write(&c->kept);
}

/* gone: one for each destination. */
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
	const struct bh_dest *logs = &c->dests[0], *metrics = &c->dests[1];

	if (producer != BH_ROLE_LOGS)
		return !metrics->full || metrics->backoff.state == BH_BREAKER_OPEN;
	if (!c->full && !logs->full)
		return true;
	return logs->rows == 0 && (logs->mem_items == 0 || logs->backoff.state == BH_BREAKER_OPEN);
}

static void answer(struct bh_custody *c, enum bh_role producer)
{
	bh_intake_ack(c->intake, producer, bh_custody_is_full(c) ? BH_STORE_FULL : BH_STORE_OK,
	    may_send(c, producer));
}

static void look_soon(struct bh_custody *c)
{
	bh_timer_in(c->cfg.loop, &c->minute, BH_FULL_LOOK_NS, c->minute.fn);
}

/* Told to the producers with the group's acknowledgements, or when it is over. */
static void set_dest_full(struct bh_custody *c, struct bh_dest *d, bool full)
{
	if (full == d->full)
		return;
	d->full = full;
	if (!full) {
		bh_info(c->cfg.log, COMPONENT, "the spool takes %s again", d->name);
		answer(c, d->logs ? BH_ROLE_LOGS : BH_ROLE_DOGSTATSD);
		return;
	}
	look_soon(c);
	bh_error(c->cfg.log, COMPONENT,
	    "the spool is full for %s: what their destination does not take waits where it comes "
	    "from; raise bulkhead.spool_max_size_bytes or %s",
	    d->name,
	    d->logs ? "logs_config.disk_retry.max_size_bytes"
		    : "forwarder_storage_max_size_in_bytes");
	answer(c, d->logs ? BH_ROLE_LOGS : BH_ROLE_DOGSTATSD);
}

static void set_full(struct bh_custody *c, bool full)
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

	if (c->drain_done)
		return;
	bh_store_tend(c->cfg.store, true);
	if (bh_store_wants_slice(c->cfg.store))
		bh_timer_in(c->cfg.loop, t, SLICE_NS, on_idle);
}

/* Rows of d that are gone without having been in memory. */
static void apply_retired(
    struct bh_custody *c, struct bh_dest *d, const struct retired *gone, enum bh_drop reason)
{
	struct bh_dest_counts counts = {0};

	if (!gone->rows)
		return;
	d->rows -= gone->rows;
	d->row_items -= gone->items;
	if (bh_store_counts(c->cfg.store, d->id, &counts) == 0) {
		bh_buffer_lost(&d->disk_buffer, reason,
		    bh_buffer_events(d->logs, gone->items, gone->rows),
		    d->row_bytes - counts.pending_bytes);
		d->row_bytes = counts.pending_bytes;
	}
	bh_ledger_drop(&d->l, reason, gone->items);
}

static void apply_group(struct bh_custody *c, struct group *g, const struct retired *gone)
{
	c->positions_moved |= c->positions.staged != NULL;
	bh_positions_apply(&c->positions);
	bh_kept_apply(&c->kept);
	for (size_t i = 0; i < BH_CUSTODY_DESTS; i++)
		apply_retired(c, &c->dests[i], &gone[i], BH_DROP_SPOOL_FULL);
	for (size_t i = 0; i < g->t1_n; i++)
		became_row(g->t1[i]);
	for (size_t i = 0; i < g->t2_n; i++)
		ended(c, g->t2[i]);
	bh_quarantine_refresh(&c->quarantine);
	acknowledge(c, g);
	bh_store_tend(c->cfg.store, false);
	/* Rows that come want the free pages; what goes does not keep them from being given back.
	 */
	if (g->t1_n || !bh_timer_armed(&c->idle))
		bh_timer_in(c->cfg.loop, &c->idle, IDLE_NS, on_idle);
}

/* 0, or the error of a group that was rolled back whole. */
static int commit_group(struct bh_custody *c, struct group *g)
{
	struct retired gone[BH_CUSTODY_DESTS] = {{0}};
	int rc = bh_store_begin(c->cfg.store);

	if (!rc)
		rc = write_group(c, g, gone);
	if (!rc)
		rc = bh_store_commit(c->cfg.store);
	if (rc) {
		bh_store_rollback(c->cfg.store);
		bh_positions_undo(&c->positions);
		bh_kept_undo(&c->kept);
		return rc;
	}
	apply_group(c, g, gone);
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
		if (!p->row || p->sending || p->settled ||
		    p->created_ms + d->limits.ttl_ms > now_ms)
			continue;
		if (p->cut)
			bh_cut_give_up(p->cut, BH_DROP_EXPIRED);
		bh_custody_settle(p, p->cut && p->cut->taken ? BH_STORE_TAKEN : BH_STORE_EXPIRED,
		    BH_DROP_EXPIRED);
		c->force = true;
	}
}

/* In a transaction of their own. Nothing is written, and nothing is to be applied, when none go. */
static int keep_retired(
    struct bh_custody *c, const struct bh_dest *d, const struct retired *gone, enum bh_drop reason)
{
	if (!gone->rows)
		return 0;
	add_retired(d, gone, reason);
	return bh_kept_write(&c->kept);
}

int bh_custody_retire(struct bh_custody *c, int64_t dest, struct bh_dest *d, const uint64_t *ords,
    size_t n, uint64_t *items)
{
	struct retired gone = {0};
	int rc = bh_store_begin(c->cfg.store);

	*items = 0;
	for (size_t i = 0; i < n && !rc; i++) {
		uint32_t in_row = 0;

		rc = bh_store_row_items(c->cfg.store, ords[i], &in_row);
		if (!rc)
			rc = retire(c, dest, ords[i], BH_STORE_DROPPED);
		gone.rows++;
		gone.items += in_row;
	}
	if (!rc)
		rc = bh_positions_staged(&c->positions, write_position, c->cfg.store);
	if (!rc && d)
		rc = keep_retired(c, d, &gone, BH_DROP_PURGED);
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
	if (d && gone.rows) {
		bh_kept_apply(&c->kept);
		apply_retired(c, d, &gone, BH_DROP_PURGED);
	}
	*items = gone.items;
	return 0;
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
		rc = retire(c, d->id, ord, BH_STORE_EXPIRED);
		if (rc)
			return rc;
		gone->rows++;
		gone->items += items;
	}
	return 0;
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

bool bh_custody_is_full(const struct bh_custody *c)
{
	bool full = c->full;

	for (size_t i = 0; i < BH_CUSTODY_DESTS; i++)
		full |= c->dests[i].full;
	return full;
}

/* The same for the bounds of classes, with the same hysteresis. */
static void look_for_class_room(struct bh_custody *c)
{
	uint64_t used = bh_store_used_bytes(c->cfg.store) - bh_store_wal_bytes(c->cfg.store);

	for (size_t i = 0; i < BH_CUSTODY_DESTS; i++) {
		struct bh_dest *d = &c->dests[i];

		if (d->full && d->row_bytes <= d->limits.max_bytes / 20 * 19 &&
		    used < (uint64_t)c->cfg.spool_max_bytes / 20 * 19)
			set_dest_full(c, d, false);
	}
}

void bh_custody_expire(struct bh_custody *c)
{
	int64_t now_ms = bh_wall_ms(c->cfg.loop->clock);

	for (size_t i = 0; i < BH_CUSTODY_DESTS; i++) {
		struct bh_dest *d = &c->dests[i];
		struct bh_dest_counts counts = {0};
		struct retired gone = {0};
		int rc = bh_store_begin(c->cfg.store);

		expire_held(c, d, now_ms);
		if (!rc)
			rc = expire_dest(c, d, now_ms, &gone);
		if (!rc)
			rc = bh_positions_staged(&c->positions, write_position, c->cfg.store);
		if (!rc)
			rc = keep_retired(c, d, &gone, BH_DROP_EXPIRED);
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
	look_for_class_room(c);
	if (c->full)
		look_for_room(c);
}
