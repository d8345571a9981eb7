#include "forwarder/spool_purge.h"

#include "forwarder/custody_internal.h"
#include "forwarder/cut.h"
#include "forwarder/store_internal.h"
#include "forwarder/store_schema.h"

#define COMPONENT "spool"
#define SLICE     64

/* What one slice has found. */
struct slice {
	uint64_t ords[SLICE];
	uint64_t bytes;
	size_t n;
	bool last;
};

static struct bh_dest *dest_of(struct bh_custody *c, int64_t id)
{
	for (size_t i = 0; i < c->dests_n; i++) {
		if (c->dests[i].id == id)
			return &c->dests[i];
	}
	return NULL;
}

int bh_custody_purge_begin(
    struct bh_custody *c, const struct bh_spool_request *r, struct bh_purge *p)
{
	sqlite3_stmt *st = NULL;
	int step = SQLITE_DONE, rc;

	*p = (struct bh_purge){.request = r, .now_ms = bh_wall_ms(c->cfg.loop->clock)};
	if (c->drain_done)
		return BH_E_STATE;
	rc = bh_store_check(
	    c->cfg.store, sqlite3_prepare_v2(c->cfg.store->db,
			      "SELECT id,key FROM destination ORDER BY id", -1, &st, NULL));
	while (!rc && p->dests_n < BH_PURGE_DESTS && (step = sqlite3_step(st)) == SQLITE_ROW) {
		const char *key = (const char *)sqlite3_column_text(st, 1);

		if (key && bh_spool_wants_destination(r, key))
			p->dests[p->dests_n++] = sqlite3_column_int64(st, 0);
	}
	if (!rc && step != SQLITE_ROW)
		rc = bh_store_check(c->cfg.store, step);
	(void)sqlite3_finalize(st);
	return rc;
}

static struct bh_payload *held(const struct bh_dest *d, uint64_t ord)
{
	struct bh_payload *p = d ? d->head : NULL;

	while (p && p->ord != ord)
		p = p->next;
	return p;
}

/* A row that waits in memory for its turn ends the usual way, with the next group. */
static void purge_held(struct bh_custody *c, struct bh_purge *purge, struct bh_payload *p)
{
	if (p->settled)
		return;
	if (p->sending) {
		purge->under_way++;
		return;
	}
	if (p->cut)
		bh_cut_give_up(p->cut, BH_DROP_PURGED);
	bh_custody_settle(
	    p, p->cut && p->cut->taken ? BH_STORE_TAKEN : BH_STORE_DROPPED, BH_DROP_PURGED);
	c->force = true;
	purge->gone.rows++;
	purge->gone.items += p->items;
	purge->gone.bytes += p->body_n;
}

static int find_slice(struct bh_custody *c, struct bh_purge *p, struct slice *s)
{
	static const char query[] = "SELECT d.ord,d.bytes,s.kind,s.created_ms FROM delivery d "
				    "JOIN spool s ON s.ord=d.ord WHERE d.dest=?1 AND d.ord>?2 "
				    "ORDER BY d.ord LIMIT ?3";
	struct bh_dest *d = dest_of(c, p->dests[p->at]);
	sqlite3_stmt *st = NULL;
	int step = SQLITE_DONE, looked = 0;
	int rc = bh_store_check(
	    c->cfg.store, sqlite3_prepare_v2(c->cfg.store->db, query, -1, &st, NULL));

	*s = (struct slice){.n = 0};
	(void)sqlite3_bind_int64(st, 1, p->dests[p->at]);
	bind_u64(st, 2, p->after);
	(void)sqlite3_bind_int(st, 3, SLICE);
	while (!rc && (step = sqlite3_step(st)) == SQLITE_ROW) {
		uint64_t ord = (uint64_t)sqlite3_column_int64(st, 0);
		struct bh_payload *in_memory = held(d, ord);

		looked++;
		p->after = ord;
		if (p->request->id && ord != p->request->id)
			continue;
		if (!bh_spool_wants_row(p->request, sqlite3_column_int(st, 2),
			sqlite3_column_int64(st, 3), p->now_ms))
			continue;
		if (in_memory) {
			purge_held(c, p, in_memory);
			continue;
		}
		s->ords[s->n++] = ord;
		s->bytes += (uint64_t)sqlite3_column_int64(st, 1);
	}
	if (!rc)
		rc = bh_store_check(c->cfg.store, step);
	(void)sqlite3_finalize(st);
	s->last = looked < SLICE;
	return rc;
}

static int finish(struct bh_custody *c, const struct bh_purge *p)
{
	c->quarantine.changed = true;
	bh_quarantine_refresh(&c->quarantine);
	bh_warn(c->cfg.log, COMPONENT, "%llu payloads with %llu items were purged on command",
	    (unsigned long long)p->gone.rows, (unsigned long long)p->gone.items);
	return 0;
}

int bh_custody_purge_slice(struct bh_custody *c, struct bh_purge *p)
{
	struct slice s;
	uint64_t items = 0;
	int64_t id;
	int rc;

	if (c->drain_done)
		return BH_E_STATE;
	if (p->at == p->dests_n)
		return finish(c, p);
	id = p->dests[p->at];
	rc = find_slice(c, p, &s);
	if (!rc && s.n)
		rc = bh_custody_retire(c, id, dest_of(c, id), s.ords, s.n, &items);
	if (rc)
		return rc;
	p->gone.rows += s.n;
	p->gone.items += items;
	p->gone.bytes += s.bytes;
	if (s.last) {
		p->at++;
		p->after = 0;
	}
	return 1;
}

void bh_custody_replay_rows(
    struct bh_custody *c, const struct bh_spool_request *r, struct bh_spool_walk *waiting)
{
	*waiting = (struct bh_spool_walk){.over = true};
	for (size_t i = 0; i < c->dests_n; i++) {
		struct bh_dest *d = &c->dests[i];

		if (!bh_spool_wants_destination(r, d->names.id) ||
		    (r->class != BH_CLASS_ALL && d->logs != (r->class == BH_CLASS_LOGS)))
			continue;
		waiting->rows += d->rows;
		waiting->items += d->row_items;
		waiting->bytes += d->row_bytes;
		bh_backoff_hurry(&d->backoff, bh_mono_ns(c->cfg.loop->clock));
	}
}
