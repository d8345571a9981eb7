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

#define GROUP_ROOM (GROUP_MAX + BH_CUSTODY_DESTS_MAX) /* a payload goes with all it is owed to */

/* What one transaction takes along. */
struct group {
	struct bh_payload *t1[GROUP_ROOM];           /* become rows */
	struct bh_payload *t2[2 * GROUP_ROOM];       /* end; with those of t1 that find no room */
	struct bh_content *contents[3 * GROUP_ROOM]; /* that these belong to, each once */
	size_t t1_n, t2_n, contents_n;
	uint64_t last_ord;
	uint64_t bytes;
	bool more; /* did not all fit */
	bool touched[BH_ROLE__N];
	struct bh_receiver marks[BH_ROLE__N];
};

/* An unreliable destination gets rows of what is proven without it: nothing of that is sent by its
 * producer again, and would have a second row. */
static bool becomes_row(const struct bh_payload *p)
{
	return p->want_row && !p->row && (p->dest->reliable || p->content->unproven == 0);
}

/* The first of a list that the group is for. */
static struct bh_payload *relevant(struct bh_payload *p, bool rows_allowed)
{
	while (p && !p->settled && !(rows_allowed && becomes_row(p)))
		p = p->next;
	return p;
}

/* More than one bound allows is never written at once: a payload that could be a row must not be
 * taken for one that never fits. */
static uint64_t group_bytes(const struct bh_custody *c)
{
	uint64_t most = BH_MIN(GROUP_BYTES, (uint64_t)c->cfg.spool_max_bytes);

	for (size_t i = 0; i < c->dests_n; i++) {
		if (c->dests[i].spool_on)
			most = BH_MIN(most, c->dests[i].limits.max_bytes);
	}
	return most;
}

/* false: it is for the next group. */
static bool add_to(struct group *g, struct bh_payload *p, uint64_t most)
{
	bool begins = p->ord != g->last_ord;

	if (begins && (g->t1_n >= GROUP_MAX || g->t2_n >= GROUP_MAX ||
			  (!p->settled && g->t1_n && g->bytes + p->body_n > most)))
		return false;
	g->last_ord = p->ord;
	if (p->settled) {
		g->t2[g->t2_n++] = p;
	} else {
		g->t1[g->t1_n++] = p;
		g->bytes += p->body_n;
	}
	return true;
}

/* In the order of ord over all lists: no death finds a payload with a row for one destination and
 * none for another. */
static void gather(struct bh_custody *c, struct group *g, bool rows_allowed)
{
	struct bh_payload *at[BH_CUSTODY_DESTS_MAX + 1];
	bool allowed[BH_CUSTODY_DESTS_MAX + 1];
	uint64_t most = group_bytes(c);
	size_t lists = 0;

	*g = (struct group){.t1_n = 0};
	for (size_t i = 0; i < c->dests_n; i++) {
		allowed[lists] = rows_allowed && bh_custody_may_have_rows(c, &c->dests[i]);
		at[lists] = relevant(c->dests[i].head, allowed[lists]);
		lists += at[lists] != NULL;
	}
	allowed[lists] = false;
	at[lists] = c->empties;
	lists += c->empties != NULL;
	while (lists) {
		size_t low = 0;

		for (size_t i = 1; i < lists; i++)
			low = at[i]->ord < at[low]->ord ? i : low;
		if (!add_to(g, at[low], most)) {
			g->more = true;
			return;
		}
		at[low] = relevant(at[low]->next, allowed[low]);
		if (!at[low]) {
			at[low] = at[--lists];
			allowed[low] = allowed[lists];
		}
	}
}

static void touch(struct group *g, const struct bh_payload *p, enum bh_content_change change)
{
	struct bh_content *content = p->content;

	if (!content->touched)
		g->contents[g->contents_n++] = content;
	bh_content_touch(content, p->dest && p->dest->reliable, p->row, change);
}

/* What a destination wants more than its class may have. */
static uint64_t excess_of(const struct bh_dest *d, uint64_t need)
{
	uint64_t rows = d->row_bytes + need;

	return rows > d->limits.max_bytes ? rows - d->limits.max_bytes : 0;
}

/* The first of the group's rows for d that can only wait. */
static uint64_t first_to_wait(const struct group *g, const struct bh_dest *d, bool dropping)
{
	for (size_t i = 0; i < g->t1_n; i++) {
		if (g->t1[i]->dest == d && (!dropping || g->t1[i]->sending))
			return g->t1[i]->ord;
	}
	return UINT64_MAX;
}

/* Takes the payloads of d out of the group's rows. Dropping, they end instead, but for those that
 * are being sent: their answer decides. With one that waits all wait that are not older, for the
 * other destinations too (custody_rows.c); for an unreliable one nobody does. */
static void leave_out(
    const struct bh_custody *c, struct group *g, const struct bh_dest *d, bool dropping)
{
	bool alone = c->offline || !d->reliable;
	uint64_t wait = alone ? UINT64_MAX : first_to_wait(g, d, dropping);
	size_t kept = 0;

	for (size_t i = 0; i < g->t1_n; i++) {
		struct bh_payload *p = g->t1[i];

		if (p->dest != d && (p->dest->logs != d->logs || p->ord < wait)) {
			g->t1[kept++] = p;
			continue;
		}
		g->bytes -= p->body_n;
		if (!dropping || p->dest != d)
			continue;
		if (p->sending) {
			p->want_row = false; /* or the next group would be this one again */
			continue;
		}
		bh_custody_settle(p, BH_STORE_DROPPED, BH_DROP_SPOOL_FULL);
		g->t2[g->t2_n++] = p;
	}
	g->t1_n = kept;
}

static uint64_t file_excess(const struct bh_custody *c, uint64_t need)
{
	uint64_t used = bh_store_used_bytes(c->cfg.store) - bh_store_wal_bytes(c->cfg.store);
	uint64_t limit = (uint64_t)c->cfg.spool_max_bytes;

	return used + need > limit ? used + need - limit : 0;
}

/* One that is unreliable pays for itself: nobody gives up anything for it, or waits. */
static int room_for_unreliable(struct bh_custody *c, struct group *g, struct bh_dest *d,
    uint64_t need, struct bh_retired *gone)
{
	uint64_t own = excess_of(d, need), whole = file_excess(c, g->bytes), freed = 0;
	uint64_t before = gone[d - c->dests].bytes;
	int rc = 0;

	if ((own || whole) && d->limits.when_full == BH_FULL_DROP_OLDEST)
		rc = bh_custody_drop_oldest(c, d, d->logs, BH_MAX(own, whole), gone, &freed);
	own -= BH_MIN(own, gone[d - c->dests].bytes - before);
	if (!rc && (own || whole > freed))
		leave_out(c, g, d, true);
	return rc;
}

/* What unreliable destinations are owed goes before a reliable one lacks room for so much. */
static int evict_unreliable(
    struct bh_custody *c, uint64_t need, struct bh_retired *gone, uint64_t *freed)
{
	int rc = 0;

	for (size_t i = 0; i < c->dests_n && *freed < need && !rc; i++) {
		struct bh_dest *d = &c->dests[i];

		if (!d->reliable && d->rows)
			rc = bh_custody_drop_oldest(c, d, d->logs, need - *freed, gone, freed);
	}
	return rc;
}

/* A destination without room gets it, or does without, by the policy of its class. Its own bound is
 * kept at its own cost; the file's at the cost of the one of the class that is owed most. */
static int room_for(struct bh_custody *c, struct group *g, struct bh_dest *d, uint64_t need,
    struct bh_retired *gone)
{
	size_t at = (size_t)(d - c->dests);
	uint64_t own = excess_of(d, need), whole = file_excess(c, g->bytes), freed = 0, before;
	int rc = 0;

	if (!d->reliable)
		return room_for_unreliable(c, g, d, need, gone);
	if (whole) {
		rc = evict_unreliable(c, whole, gone, &freed);
		whole -= BH_MIN(whole, freed);
	}
	if (!rc && d->limits.when_full == BH_FULL_DROP_OLDEST && own) {
		before = gone[at].bytes;
		rc = bh_custody_drop_oldest(c, d, d->logs, own, gone, &freed);
		own -= BH_MIN(own, gone[at].bytes - before);
		whole -= BH_MIN(whole, freed);
	}
	if (!rc && d->limits.when_full == BH_FULL_DROP_OLDEST && whole) {
		freed = 0;
		rc = bh_custody_drop_oldest(c, NULL, d->logs, whole, gone, &freed);
		whole -= BH_MIN(whole, freed);
	}
	if (rc || (!own && !whole))
		return rc;
	/* What never fits is not waited for. */
	if (d->limits.when_full == BH_FULL_BLOCK && need <= (uint64_t)c->cfg.spool_max_bytes &&
	    need <= d->limits.max_bytes) {
		bh_custody_set_dest_full(c, d, true);
		leave_out(c, g, d, false);
	} else {
		leave_out(c, g, d, true);
	}
	return 0;
}

static uint64_t bytes_for(const struct group *g, const struct bh_dest *d)
{
	uint64_t n = 0;

	for (size_t i = 0; i < g->t1_n; i++)
		n += g->t1[i]->dest == d ? g->t1[i]->body_n : 0;
	return n;
}

struct want {
	struct bh_custody *c;
	const struct group *g;
};

/* Room of its own, or what all share. */
static bool lacks_room(const void *arg, const struct bh_dest *d)
{
	const struct want *w = arg;
	uint64_t need = bytes_for(w->g, d);

	return (need && excess_of(d, need)) || file_excess(w->c, w->g->bytes) ||
	       !bh_custody_disk_has_room(w->c, w->g->bytes);
}

/* What is too old goes before anybody waits, or loses what is not. */
static void room_by_age(struct bh_custody *c, struct group *g)
{
	const struct want w = {c, g};

	if (g->t1_n == 0 || !bh_custody_room_by_age(c, lacks_room, &w))
		return;
	gather(c, g, false);
	g->more = true;
}

static int make_room(struct bh_custody *c, struct group *g, struct bh_retired *gone)
{
	uint64_t freed = 0;
	int rc = 0;

	if (!bh_custody_disk_has_room(c, g->bytes))
		rc = evict_unreliable(c, 2 * g->bytes, gone, &freed);
	/* Pages that became free are as good as room on the disk. */
	if (!rc && !bh_custody_disk_has_room(c, g->bytes))
		rc = -ENOSPC;
	for (size_t i = 0; i < c->dests_n && !rc; i++) {
		uint64_t need = bytes_for(g, &c->dests[i]);

		if (need)
			rc = room_for(c, g, &c->dests[i], need, gone);
	}
	return rc;
}

/* The row of a content is put once; each destination adds that it is owed it. */
static int write_t1(struct bh_custody *c, const struct bh_payload *p)
{
	const struct bh_content *content = p->content;
	unsigned owers = 0, reliable = 0;
	int rc = content->stored ? bh_store_owers(c->cfg.store, p->ord, &owers, &reliable) : 0;
	const struct bh_spool_row row = {
	    .ord = p->ord,
	    .producer = bh_role_name(content->producer),
	    .epoch = content->epoch,
	    .seq = content->seq,
	    .kind = content->kind,
	    .encoding = content->encoding,
	    .items = p->items,
	    .raw_len = content->raw_len,
	    .created_ms = content->created_ms,
	    .expires_ms = content->created_ms + p->dest->limits.ttl_ms,
	    .origins = content->origins,
	    .body = bh_payload_body(p),
	};

	p->content->stored = true;
	if (rc)
		return rc;
	return owers ? bh_store_put_delivery(c->cfg.store, p->ord, p->body_n, p->dest->id)
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
		unsigned owers = 0, reliable = 0;
		int rc = content->stored
			     ? bh_store_owers(c->cfg.store, content->ord, &owers, &reliable)
			     : 0;

		if (rc)
			return rc;
		if (!bh_content_proven(content))
			continue;
		bh_positions_stage(&c->positions, content->origins, content->ord,
		    bh_content_level(content, reliable));
		settle_mark(c, g, content);
	}
	return 0;
}

/* With the mark that makes it durable, and that of the epoch that knows nothing of it. */
static int write_refused(struct bh_custody *c, enum bh_role role, const struct bh_receiver *mark)
{
	const struct bh_receiver *now = bh_intake_receiver(c->intake, role);

	if (mark->refused == now->refused &&
	    bh_receiver_durable(mark, mark->refused) == bh_receiver_durable(now, mark->refused))
		return 0;
	return bh_store_refused(c->cfg.store, bh_role_name(role), mark);
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
		if (!rc)
			rc = write_refused(c, (enum bh_role)role, &mark);
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

/* What this group does, in the rows since the installation; gone: one for each destination. */
static int write_kept(struct bh_custody *c, const struct group *g, const struct bh_retired *gone)
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
	for (size_t i = 0; i < c->dests_n; i++)
		bh_custody_keep_retired(&c->dests[i], &gone[i], BH_DROP_SPOOL_FULL);
	return bh_kept_write(&c->kept);
}

static int write_group(struct bh_custody *c, struct group *g, struct bh_retired *gone)
{
	struct bh_store *store = c->cfg.store;
	int rc = g->t1_n ? make_room(c, g, gone) : 0;

	if (!rc && g->t1_n)
		rc = bh_custody_keep_wall_high(c);
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
	if (!rc)
		rc = write_kept(c, g, gone);
	return rc ? rc : write_marks(c, g);
}

static void became_row(struct bh_custody *c, struct bh_payload *p)
{
	struct bh_dest *d = p->dest;

	p->row = true;
	p->want_row = false;
	d->active_rows++;
	d->rows++;
	d->row_bytes += p->body_n;
	d->row_items += p->items;
	d->mem_items -= p->items;
	d->mem_bytes -= p->body_n;
	bh_buffer_out(&d->mem_buffer, bh_buffer_events(d->logs, p->items, 1), p->body_n);
	bh_buffer_in(&d->disk_buffer, bh_buffer_events(d->logs, p->items, 1), p->body_n);
	bh_custody_rest(c, p);
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
	bh_buffer_end(p->row ? &d->disk_buffer : &d->mem_buffer, d->logs, &ends, p->body_n);
	if (p->row) {
		d->rows--;
		d->row_bytes -= p->body_n;
		d->row_items -= p->items;
	} else {
		d->mem_items -= p->items;
		d->mem_bytes -= p->body_n;
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

			if (p->settled && !p->row) {
				struct bh_ledger ends = ends_of(p);

				ends.received = p->items;
				bh_kept_owe(p->dest->kept, &ends);
				ended(c, p);
			}
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

static void on_slice(struct bh_timer *t)
{
	struct bh_custody *c = BH_CONTAINER(t, struct bh_custody, slice);
	int64_t again_ns;

	if (c->drain_done)
		return;
	again_ns = bh_store_give_back(
	    c->cfg.store, bh_mono_ns(c->cfg.loop->clock) - c->row_ns, bh_custody_disk_pressed(c));
	if (again_ns >= 0)
		bh_timer_in(c->cfg.loop, t, again_ns, on_slice);
}

static void on_idle(struct bh_timer *t)
{
	struct bh_custody *c = BH_CONTAINER(t, struct bh_custody, idle);

	if (c->drain_done)
		return;
	bh_store_tend(c->cfg.store, true);
	on_slice(&c->slice);
}

static void apply_group(struct bh_custody *c, struct group *g, const struct bh_retired *gone)
{
	c->positions_moved |= c->positions.staged != NULL;
	bh_positions_apply(&c->positions);
	bh_kept_apply(&c->kept);
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
	/* Rows that come want the free pages; what goes does not keep them from being given back.
	 */
	if (g->t1_n)
		c->row_ns = bh_mono_ns(c->cfg.loop->clock);
	if (g->t1_n || !bh_timer_armed(&c->idle))
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
	size_t empty = 0; /* groups in a row of which nothing was left: each may fill one class */

	if (c->drain_done)
		return;
	bh_custody_end_unreliable(c);
	do {
		int rc;

		bh_custody_spread_rows(c);
		gather(c, &g, !c->full);
		room_by_age(c, &g);
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
		/* Forced, all that waits goes: also what this group has proven. */
		empty = g.t1_n + g.t2_n ? 0 : empty + 1;
	} while ((g.more && empty <= c->dests_n) || (c->force && !empty));
	c->force = false;
	bh_timer_cancel(&c->company);
}
