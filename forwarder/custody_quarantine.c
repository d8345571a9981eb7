#include <errno.h>
#include <string.h>

#include "forwarder/custody_internal.h"
#include "forwarder/cut.h"

#define COMPONENT "quarantine"

static bool is_primary(const struct bh_custody *c, const struct bh_dest *d)
{
	return d == &c->dests[0] || d == &c->dests[1];
}

int bh_custody_quarantine(struct bh_custody *c, const struct bh_payload *p)
{
	struct bh_buf lost = BH_BUF_INIT;
	struct bh_spool_row row = {
	    .ord = p->ord,
	    .kind = p->content->kind,
	    .encoding = p->content->encoding,
	    .items = p->items,
	    .raw_len = p->content->raw_len,
	    .created_ms = p->content->created_ms,
	    .body = bh_payload_body(p),
	};
	int rc = 0;

	if (c->full || !bh_custody_has_room(c, p->body_n)) {
		c->quarantine.not_kept++;
		return 0;
	}
	if (p->cut) {
		rc = bh_cut_lost_body(p->cut, &lost);
		row.items = (uint32_t)BH_MIN((uint64_t)p->items, bh_cut_lost_weight(p->cut));
		row.body = bh_buf_view(&lost);
	}
	if (!rc)
		rc = bh_quarantine_put(&c->quarantine, &row, p->keep_ord, p->status,
		    is_primary(c, p->dest) ? "" : p->dest->names.id);
	bh_buf_release(&lost);
	return rc;
}

void bh_custody_quarantine_stats(struct bh_custody *c, struct bh_child *child)
{
	const struct bh_quarantine *q = &c->quarantine;

	bh_child_stat_number(child, "quarantine.rows", q->rows);
	bh_child_stat_number(child, "quarantine.bytes", q->bytes);
	bh_child_stat_number(child, "quarantine.items", q->items);
	bh_child_stat_number(child, "quarantine.pushed_out", q->pushed_out);
	bh_child_stat_number(child, "quarantine.not_kept", q->not_kept);
	bh_child_stat_number(child, "quarantine.replayed", q->replayed);
	if (q->rows)
		bh_child_stat_note(child, "quarantine",
		    "%llu payloads with %llu items were refused for good; the log names the cause",
		    (unsigned long long)q->rows, (unsigned long long)q->items);
}

const struct bh_quarantine *bh_custody_kept(const struct bh_custody *c)
{
	return &c->quarantine;
}

struct search {
	struct bh_custody *c;
	struct bh_dest *found;
};

static struct bh_dest *find(struct bh_custody *c, enum bh_kind kind, const char *id)
{
	bool logs = kind == BH_KIND_LOGS;

	if (!*id)
		return &c->dests[logs ? 0 : 1];
	for (size_t i = 0; i < c->dests_n; i++) {
		if (bh_custody_is_for(&c->dests[i], logs) && strcmp(c->dests[i].names.id, id) == 0)
			return &c->dests[i];
	}
	return NULL;
}

static int64_t dest_of(void *ctx, enum bh_kind kind, const char *id, int64_t *ttl_ms)
{
	struct search *s = ctx;

	s->found = find(s->c, kind, id);
	*ttl_ms = s->found ? s->found->limits.ttl_ms : 0;
	return s->found ? s->found->id : 0;
}

/* One payload a transaction: what is done stays done. */
static int replay_one(struct bh_custody *c, uint64_t ord, struct bh_spool_walk *again)
{
	struct bh_quarantine *q = &c->quarantine;
	struct search search = {c, NULL};
	struct bh_spool_row row = {.producer = NULL};
	struct bh_dest *d;
	uint64_t new_ord = 0;
	int rc = bh_store_next_ord(c->cfg.store, &new_ord);
	bool stays;

	if (!rc)
		rc = bh_store_begin(c->cfg.store);
	if (!rc)
		rc = bh_quarantine_release(
		    q, ord, new_ord, dest_of, &search, bh_wall_ms(c->cfg.loop->clock), &row);
	stays = rc == BH_E_CORRUPT || rc == BH_E_STATE;
	if (!rc) {
		bh_kept_add(search.found->kept, &(struct bh_ledger){.received = row.items});
		rc = bh_kept_write(&c->kept);
	}
	if (!rc || stays)
		rc = bh_store_commit(c->cfg.store);
	if (rc) {
		bh_store_rollback(c->cfg.store);
		bh_kept_undo(&c->kept);
		return rc;
	}
	if (stays)
		return 0;
	d = search.found;
	bh_kept_apply(&c->kept);
	bh_buffer_in(&d->disk_buffer, bh_buffer_events(d->logs, row.items, 1), row.body.n);
	d->l.received += row.items;
	d->rows++;
	d->row_items += row.items;
	d->row_bytes += row.body.n;
	q->replayed += row.items;
	again->rows++;
	again->items += row.items;
	again->bytes += row.body.n;
	return 0;
}

int bh_custody_replay(
    struct bh_custody *c, const struct bh_spool_request *r, struct bh_spool_walk *again)
{
	int64_t now_ms = bh_wall_ms(c->cfg.loop->clock);
	uint64_t ord = 0, last = 0;
	int rc;

	*again = (struct bh_spool_walk){.over = true};
	if (c->drain_done)
		return BH_E_STATE;
	if (c->full || !bh_custody_has_room(c, 0))
		return -ENOSPC;
	/* What comes back while this runs is not for this time. */
	rc = bh_store_next_ord(c->cfg.store, &last);
	while (!rc && (rc = bh_quarantine_next(&c->quarantine, r, now_ms, &ord)) == 1)
		rc = ord < last ? replay_one(c, ord, again) : 0;
	bh_quarantine_refresh(&c->quarantine);
	if (again->items)
		bh_info(c->cfg.log, COMPONENT, "%llu items are sent again",
		    (unsigned long long)again->items);
	return rc;
}
