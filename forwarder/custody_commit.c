#include <errno.h>
#include <stdlib.h>

#include "forwarder/custody_internal.h"
#include "forwarder/cut.h"

#define COMPONENT   "custody"
#define GROUP_MAX   64
#define GROUP_BYTES ((uint64_t)16 << 20)
#define COMPANY_NS  (20 * BH_NS_PER_MS)
#define COMPANY     8 /* payloads that are enough of it */
#define IDLE_NS     (1 * BH_NS_PER_S)

/* What one transaction takes along. */
struct group {
	struct bh_payload *t1[GROUP_MAX];           /* become rows */
	struct bh_payload *t2[GROUP_MAX];           /* end */
	struct bh_content *contents[2 * GROUP_MAX]; /* that these belong to, each once */
	size_t t1_n, t2_n, contents_n;
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
	for (size_t i = 0; i < c->dests_n; i++)
		gather_list(g, c->dests[i].head, rows_allowed);
	gather_list(g, c->empties, rows_allowed);
}

static void touch(struct group *g, const struct bh_payload *p, enum bh_content_change change)
{
	struct bh_content *content = p->content;

	if (!content->touched)
		g->contents[g->contents_n++] = content;
	bh_content_touch(content, p->dest && p->dest->reliable, p->row, change);
}

static int make_room(struct bh_custody *c, const struct group *g, struct bh_retired *gone)
{
	uint64_t used = bh_store_used_bytes(c->cfg.store) - bh_store_wal_bytes(c->cfg.store);
	uint64_t limit = (uint64_t)c->cfg.spool_max_bytes;

	if (!bh_custody_disk_has_room(c, g->bytes))
		return -ENOSPC;
	if (used + g->bytes <= limit)
		return 0;
	if (g->t1_n && !g->t1[0]->dest->logs)
		return bh_custody_drop_oldest(c, used + g->bytes - limit, gone);
	return -ENOSPC; /* logs wait: the file is the buffer */
}

/* The row of a content is put once; each destination adds that it is owed it. */
static int write_t1(struct bh_custody *c, const struct bh_payload *p)
{
	unsigned owers = 0;
	int rc = p->content->stored ? bh_store_owers(c->cfg.store, p->ord, &owers) : 0;
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

	p->content->stored = true;
	if (rc)
		return rc;
	return owers ? bh_store_put_delivery(c->cfg.store, p->ord, p->body.n, p->dest->id)
		     : bh_store_put(c->cfg.store, &row, p->dest->id);
}

static void settle_mark(struct bh_custody *c, struct group *g, const struct bh_content *p)
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

/* What the group's changes mean for the positions and for the producer. */
static int settle_contents(struct bh_custody *c, struct group *g)
{
	for (size_t i = 0; i < g->contents_n; i++) {
		const struct bh_content *content = g->contents[i];
		unsigned owers = 0;
		int rc = content->stored ? bh_store_owers(c->cfg.store, content->ord, &owers) : 0;

		if (rc)
			return rc;
		if (!bh_content_proven(content))
			continue;
		bh_positions_stage(&c->positions, content->origins, content->ord,
		    bh_content_level(content, owers));
		settle_mark(c, g, content);
	}
	return 0;
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

static int write_group(struct bh_custody *c, struct group *g, struct bh_retired *gone)
{
	struct bh_store *store = c->cfg.store;
	int rc = g->t1_n ? make_room(c, g, gone) : 0;

	/* New rows first: a row that ends now may be the one that another destination is added to.
	 */
	for (size_t i = 0; i < g->t1_n && !rc; i++) {
		rc = write_t1(c, g->t1[i]);
		touch(g, g->t1[i], BH_CONTENT_ROW);
	}
	for (size_t i = 0; i < g->t2_n && !rc; i++) {
		const struct bh_payload *p = g->t2[i];

		if (p->row)
			rc = bh_store_remove(store, p->ord, p->dest->id, p->end);
		if (!rc && p->keep_ord)
			rc = bh_custody_quarantine(c, p);
		touch(g, p, p->end == BH_STORE_TAKEN ? BH_CONTENT_TAKEN : BH_CONTENT_DROPPED);
	}
	if (!rc)
		rc = settle_contents(c, g);
	if (!rc)
		rc = bh_positions_staged(&c->positions, bh_custody_write_position, store);
	return rc ? rc : write_marks(c, g);
}

static void became_row(struct bh_custody *c, struct bh_payload *p)
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
	/* What was sent of it, and how often its key was refused, is known in memory only. */
	if (!p->sending && !p->cut && !p->refusals.first_ns) {
		bh_dest_remove(d, p); /* the row owns it now; it is claimed when its turn comes */
		bh_payload_free(c, p);
	}
}

static void forget_empty(struct bh_custody *c, struct bh_payload *p)
{
	struct bh_payload **at = &c->empties;

	while (*at && *at != p)
		at = &(*at)->next;
	if (*at)
		*at = p->next;
	bh_payload_free(c, p);
}

/* Of a payload that went in parts, some may have been delivered and some not. */
static void count_end(struct bh_dest *d, const struct bh_payload *p)
{
	uint64_t left = p->items;

	for (int r = 0; p->cut && r < BH_DROP__N; r++) {
		uint64_t lost = BH_MIN(left, p->cut->lost[r]);

		bh_ledger_drop(&d->l, (enum bh_drop)r, lost);
		left -= lost;
	}
	if (p->end == BH_STORE_TAKEN)
		d->l.delivered += left;
	else
		bh_ledger_drop(&d->l, p->reason, left);
}

static void ended(struct bh_custody *c, struct bh_payload *p)
{
	struct bh_dest *d = p->dest;

	if (!d) {
		forget_empty(c, p);
		return;
	}
	count_end(d, p);
	if (p->row) {
		d->rows--;
		d->row_bytes -= p->body.n;
		d->row_items -= p->items;
	} else {
		d->mem_items -= p->items;
		d->mem_bytes -= p->body.n;
	}
	bh_dest_remove(d, p);
	bh_payload_free(c, p);
}

void bh_custody_end_unreliable(struct bh_custody *c)
{
	for (size_t i = 0; i < c->dests_n; i++) {
		struct bh_payload *p = c->dests[i].reliable ? NULL : c->dests[i].head;

		while (p) {
			struct bh_payload *next = p->next;

			if (p->settled && !p->row)
				ended(c, p);
			p = next;
		}
	}
}

static void acknowledge(struct bh_custody *c, const struct group *g)
{
	for (int role = 0; role < BH_ROLE__N; role++) {
		enum bh_role producer = (enum bh_role)role;

		if (!g->touched[role])
			continue;
		*bh_intake_receiver(c->intake, producer) = g->marks[role];
		bh_custody_answer(c, producer);
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

static void apply_group(struct bh_custody *c, struct group *g, const struct bh_retired *gone)
{
	c->positions_moved |= c->positions.staged != NULL;
	bh_positions_apply(&c->positions);
	for (size_t i = 0; i < c->dests_n; i++)
		bh_custody_count_retired(&c->dests[i], &gone[i], BH_DROP_SPOOL_FULL);
	for (size_t i = 0; i < g->contents_n; i++)
		bh_content_committed(g->contents[i]);
	for (size_t i = 0; i < g->t1_n; i++)
		became_row(c, g->t1[i]);
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
	struct bh_retired gone[BH_CUSTODY_DESTS_MAX] = {{0, 0, 0}};
	int rc = bh_store_begin(c->cfg.store);

	if (!rc)
		rc = write_group(c, g, gone);
	if (!rc)
		rc = bh_store_commit(c->cfg.store);
	if (rc) {
		bh_store_rollback(c->cfg.store);
		bh_positions_undo(&c->positions);
		for (size_t i = 0; i < g->contents_n; i++)
			bh_content_undo(g->contents[i]);
		g->contents_n = 0;
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
	bh_custody_set_full(c, true);
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
	bh_custody_end_unreliable(c);
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
