#include "forwarder/quarantine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "forwarder/store_internal.h"
#include "forwarder/store_schema.h"

#define CLASS_QUARANTINE 2 /* destination.kind: 1 logs, 0 metrics */

int bh_quarantine_open(
    struct bh_quarantine *q, struct bh_store *store, bool on, int64_t max_bytes, int64_t max_rows)
{
	int rc;

	*q = (struct bh_quarantine){
	    .store = store,
	    .on = on,
	    .max_bytes = (uint64_t)max_bytes,
	    .max_rows = (uint64_t)max_rows,
	    .changed = true,
	};
	rc = bh_store_destination(store, BH_QUARANTINE_NAME, CLASS_QUARANTINE, true, &q->id);
	if (!rc)
		bh_quarantine_refresh(q);
	return rc;
}

static int make_room(struct bh_quarantine *q, uint64_t bytes)
{
	for (;;) {
		struct bh_dest_counts counts = {0};
		uint64_t ord = 0;
		uint32_t items = 0;
		int rc = bh_store_counts(q->store, q->id, &counts);

		if (rc)
			return rc;
		if (counts.pending_rows < q->max_rows &&
		    counts.pending_bytes + bytes <= q->max_bytes)
			return 0;
		rc = bh_store_oldest(q->store, q->id, INT64_MAX, &ord, &items);
		if (rc <= 0)
			return rc;
		rc = bh_store_remove(q->store, ord, q->id, BH_STORE_DROPPED);
		if (rc)
			return rc;
		q->pushed_out++;
	}
}

int bh_quarantine_put(struct bh_quarantine *q, const struct bh_spool_row *row, uint64_t ord,
    long status, const char *dest)
{
	struct bh_spool_row kept = *row;
	char producer[BH_STORE_DEST_KEY + sizeof(BH_QUARANTINE_NAME) + 1];
	int rc;

	if (row->body.n > q->max_bytes || q->max_rows == 0) {
		q->not_kept++;
		return 0;
	}
	q->changed = true;
	(void)snprintf(
	    producer, sizeof(producer), BH_QUARANTINE_NAME "%s%s", *dest ? " " : "", dest);
	kept.producer = producer;
	kept.epoch = (uint64_t)status;
	kept.seq = row->ord;
	kept.expires_ms = INT64_MAX;
	kept.origins = (struct bh_str){NULL, 0};
	kept.ord = ord;
	rc = make_room(q, row->body.n);
	return rc ? rc : bh_store_put(q->store, &kept, q->id);
}

void bh_quarantine_refresh(struct bh_quarantine *q)
{
	struct bh_dest_counts counts = {0};

	if (!q->changed)
		return;
	if (bh_store_counts(q->store, q->id, &counts) || bh_store_items(q->store, q->id, &q->items))
		return; /* figures for people: they are asked for again next time */
	q->rows = counts.pending_rows;
	q->bytes = counts.pending_bytes;
	q->changed = false;
}

int bh_quarantine_next(
    struct bh_quarantine *q, const struct bh_spool_request *r, int64_t now_ms, uint64_t *ord)
{
	static const char query[] = "SELECT d.ord,s.kind,s.created_ms FROM delivery d "
				    "JOIN spool s ON s.ord=d.ord WHERE d.dest=?1 AND d.ord>?2 "
				    "ORDER BY d.ord";
	sqlite3_stmt *st = NULL;
	int rc = bh_store_check(q->store, sqlite3_prepare_v2(q->store->db, query, -1, &st, NULL));
	int step = SQLITE_DONE, found = 0;

	(void)sqlite3_bind_int64(st, 1, q->id);
	bind_u64(st, 2, *ord);
	while (!rc && !found && (step = sqlite3_step(st)) == SQLITE_ROW) {
		*ord = (uint64_t)sqlite3_column_int64(st, 0);
		found =
		    (!r->id || *ord == r->id) && bh_spool_wants_row(r, sqlite3_column_int(st, 1),
						     sqlite3_column_int64(st, 2), now_ms);
	}
	if (!rc && !found)
		rc = bh_store_check(q->store, step);
	(void)sqlite3_finalize(st);
	return rc ? rc : found;
}

static const char *dest_id(const struct bh_spool_row *row)
{
	size_t n = strlen(BH_QUARANTINE_NAME);

	return strncmp(row->producer, BH_QUARANTINE_NAME " ", n + 1) == 0 ? row->producer + n + 1
									  : "";
}

int bh_quarantine_release(struct bh_quarantine *q, uint64_t ord, uint64_t new_ord,
    bh_quarantine_dest_fn *dest_of, void *ctx, int64_t now_ms, struct bh_spool_row *row)
{
	void *block = NULL;
	int loaded = bh_store_load(q->store, ord, row, &block);
	int rc = loaded == BH_E_CORRUPT ? 0 : loaded;
	int64_t dest = 0, ttl_ms = 0;

	q->changed = true;
	if (!rc)
		rc = bh_store_remove(
		    q->store, ord, q->id, loaded ? BH_STORE_POISON : BH_STORE_TAKEN);
	if (!rc && !loaded) {
		row->ord = new_ord;
		dest = dest_of(ctx, row->kind, dest_id(row), &ttl_ms);
		if (dest) {
			row->created_ms = now_ms;
			row->expires_ms = now_ms + ttl_ms;
		}
		rc = bh_store_put(q->store, row, dest ? dest : q->id);
		loaded = dest ? 0 : BH_E_STATE;
	}
	free(block);
	return rc ? rc : loaded;
}
