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

static int64_t dest_of(void *ctx, enum bh_kind kind, const char *id)
{
	struct search *s = ctx;
	struct bh_custody *c = s->c;

	if (!*id) {
		s->found = &c->dests[kind == BH_KIND_LOGS ? 0 : 1];
		return s->found->id;
	}
	s->found = NULL;
	for (size_t i = 0; !s->found && i < c->dests_n; i++) {
		struct bh_dest *d = &c->dests[i];

		if (bh_custody_is_for(d, kind == BH_KIND_LOGS) && strcmp(d->names.id, id) == 0)
			s->found = d;
	}
	return s->found ? s->found->id : 0;
}

/* One payload a transaction: what is done stays done. 1 = done, 0 = none is left. */
static int replay_one(struct bh_custody *c, uint64_t *items)
{
	struct bh_quarantine *q = &c->quarantine;
	struct search search = {c, NULL};
	struct bh_spool_row row = {.producer = NULL};
	struct bh_dest *d;
	uint64_t ord = 0, new_ord = 0;
	int rc = bh_quarantine_first(q, &ord);
	bool stays;

	if (rc <= 0)
		return rc;
	rc = bh_store_next_ord(c->cfg.store, &new_ord);
	if (!rc)
		rc = bh_store_begin(c->cfg.store);
	if (!rc)
		rc = bh_quarantine_release(q, ord, new_ord, dest_of, &search,
		    bh_wall_ms(c->cfg.loop->clock), BH_STORE_TTL_MS, &row);
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
		return 1;
	d = search.found;
	bh_kept_apply(&c->kept);
	bh_buffer_in(&d->disk_buffer, bh_buffer_events(d->logs, row.items, 1), row.body.n);
	d->l.received += row.items;
	d->rows++;
	d->row_items += row.items;
	d->row_bytes += row.body.n;
	q->replayed += row.items;
	*items += row.items;
	return 1;
}

int bh_custody_replay(struct bh_custody *c, uint64_t *items)
{
	uint64_t left =
	    c->quarantine.rows; /* what comes back while this runs is not for this time */
	int rc = 1;

	*items = 0;
	if (c->drain_done)
		return BH_E_STATE;
	if (c->full || !bh_custody_has_room(c, 0))
		return -ENOSPC;
	while (rc == 1 && left-- > 0)
		rc = replay_one(c, items);
	bh_quarantine_refresh(&c->quarantine);
	if (*items)
		bh_info(
		    c->cfg.log, COMPONENT, "%llu items are sent again", (unsigned long long)*items);
	return rc < 0 ? rc : 0;
}
