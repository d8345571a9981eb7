/* What a transaction of the store writes (spec/durability.md §4). */
#include <errno.h>

#include "common/crc.h"
#include "forwarder/store_internal.h"

#define ORD_STEP 65536 /* ord numbers reserved at once */

static int bind_text(sqlite3_stmt *st, int at, struct bh_str s)
{
	return sqlite3_bind_text64(st, at, s.p ? s.p : "", s.n, SQLITE_STATIC, SQLITE_UTF8);
}

int bh_store_begin(struct bh_store *s)
{
	return bh_store_run(s, ST_BEGIN);
}

int bh_store_commit(struct bh_store *s)
{
	bool reserve = s->next_ord > s->ord_floor;
	uint64_t floor = s->next_ord + ORD_STEP;
	int rc = reserve ? bh_store_meta_set(s, "ord_floor", (int64_t)floor) : 0;

	if (!rc && s->marked_clean)
		rc = bh_store_meta_set(s, "clean", 0);
	if (!rc)
		rc = bh_store_run(s, ST_COMMIT);
	if (rc)
		return rc;
	s->marked_clean = false;
	if (reserve)
		s->ord_floor = floor;
	return 0;
}

void bh_store_rollback(struct bh_store *s)
{
	if (!sqlite3_get_autocommit(s->db))
		(void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
}

static int put_spool(struct bh_store *s, const struct bh_spool_row *row)
{
	sqlite3_stmt *st = s->st[ST_PUT];

	bind_u64(st, 1, row->ord);
	(void)sqlite3_bind_text(st, 2, row->producer, -1, SQLITE_STATIC);
	bind_u64(st, 3, row->epoch);
	bind_u64(st, 4, row->seq);
	(void)sqlite3_bind_int(st, 5, (int)row->kind);
	(void)sqlite3_bind_int64(st, 6, row->created_ms);
	(void)sqlite3_bind_int64(st, 7, row->expires_ms);
	(void)sqlite3_bind_int64(st, 8, row->items);
	bind_u64(st, 9, row->raw_len);
	bind_u64(st, 10, row->body.n);
	(void)sqlite3_bind_int64(st, 11, bh_crc32c(0, row->body.p, row->body.n));
	(void)sqlite3_bind_text(st, 12, bh_encoding_name(row->encoding), -1, SQLITE_STATIC);
	(void)bind_blob(st, 13, row->origins);
	return bh_store_run(s, ST_PUT);
}

int bh_store_put_delivery(struct bh_store *s, uint64_t ord, uint64_t bytes, int64_t dest)
{
	int rc;

	(void)sqlite3_bind_int64(s->st[ST_PUT_DELIVERY], 1, dest);
	bind_u64(s->st[ST_PUT_DELIVERY], 2, ord);
	bind_u64(s->st[ST_PUT_DELIVERY], 3, bytes);
	rc = bh_store_run(s, ST_PUT_DELIVERY);
	if (rc)
		return rc;
	(void)sqlite3_bind_int64(s->st[ST_ADD_PENDING], 1, dest);
	bind_u64(s->st[ST_ADD_PENDING], 2, bytes);
	return bh_store_run(s, ST_ADD_PENDING);
}

int bh_store_put(struct bh_store *s, const struct bh_spool_row *row, int64_t dest)
{
	int rc = put_spool(s, row);

	if (rc)
		return rc;
	bind_u64(s->st[ST_PUT_BODY], 1, row->ord);
	(void)bind_blob(s->st[ST_PUT_BODY], 2, row->body);
	rc = bh_store_run(s, ST_PUT_BODY);
	return rc ? rc : bh_store_put_delivery(s, row->ord, row->body.n, dest);
}

static int row_bytes(struct bh_store *s, int64_t dest, uint64_t ord, uint64_t *bytes)
{
	sqlite3_stmt *st = s->st[ST_BYTES];
	int step;

	(void)sqlite3_bind_int64(st, 1, dest);
	bind_u64(st, 2, ord);
	step = sqlite3_step(st);
	*bytes = step == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(st, 0) : 0;
	(void)sqlite3_reset(st);
	return step == SQLITE_DONE ? -ENOENT : bh_store_check(s, step);
}

int bh_store_owers(struct bh_store *s, uint64_t ord, unsigned *n, unsigned *reliable)
{
	sqlite3_stmt *st = s->st[ST_OWERS];
	int step;

	bind_u64(st, 1, ord);
	step = sqlite3_step(st);
	*n = step == SQLITE_ROW ? (unsigned)sqlite3_column_int64(st, 0) : 0;
	*reliable = step == SQLITE_ROW ? (unsigned)sqlite3_column_int64(st, 1) : 0;
	(void)sqlite3_reset(st);
	return bh_store_check(s, step);
}

static int still_owed(struct bh_store *s, uint64_t ord, bool *owed)
{
	int step;

	bind_u64(s->st[ST_OWED], 1, ord);
	step = sqlite3_step(s->st[ST_OWED]);
	*owed = step == SQLITE_ROW;
	(void)sqlite3_reset(s->st[ST_OWED]);
	return bh_store_check(s, step);
}

int bh_store_remove(struct bh_store *s, uint64_t ord, int64_t dest, enum bh_store_end end)
{
	uint64_t bytes = 0;
	bool owed = false;
	int rc = row_bytes(s, dest, ord, &bytes);

	if (rc == -ENOENT)
		return 0; /* a repeated answer counts nothing */
	if (!rc) {
		(void)sqlite3_bind_int64(s->st[ST_DEL_DELIVERY], 1, dest);
		bind_u64(s->st[ST_DEL_DELIVERY], 2, ord);
		rc = bh_store_run(s, ST_DEL_DELIVERY);
	}
	if (!rc) {
		(void)sqlite3_bind_int64(s->st[ST_END], 1, dest);
		bind_u64(s->st[ST_END], 2, bytes);
		(void)sqlite3_bind_int(s->st[ST_END], 3, (int)end);
		rc = bh_store_run(s, ST_END);
	}
	if (!rc)
		rc = still_owed(s, ord, &owed);
	if (rc || owed)
		return rc;
	bind_u64(s->st[ST_DEL_BODY], 1, ord);
	bind_u64(s->st[ST_DEL_SPOOL], 1, ord);
	rc = bh_store_run(s, ST_DEL_BODY);
	return rc ? rc : bh_store_run(s, ST_DEL_SPOOL);
}

/* What is no number is a source that was never looked through. */
static int64_t decimal_ms(struct bh_str text)
{
	int64_t v = 0;

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9' || v > INT64_MAX / 10 - 1)
			return 0;
		v = v * 10 + (text.p[i] - '0');
	}
	return v;
}

static int put_source(struct bh_store *s, struct bh_str hash, struct bh_str last_scan)
{
	(void)bind_blob(s->st[ST_SOURCE], 1, hash);
	(void)sqlite3_bind_int64(s->st[ST_SOURCE], 2, decimal_ms(last_scan));
	return bh_store_run(s, ST_SOURCE);
}

int bh_store_forget(struct bh_store *s, struct bh_str identifier, uint64_t gen)
{
	struct bh_str hash;

	if (bh_origin_is_source(identifier, &hash)) {
		(void)bind_blob(s->st[ST_DEL_SOURCE], 1, hash);
		return bh_store_run(s, ST_DEL_SOURCE);
	}
	(void)bind_blob(s->st[ST_FORGET], 1, identifier);
	bind_u64(s->st[ST_FORGET], 2, gen);
	return bh_store_run(s, ST_FORGET);
}

int bh_store_position(struct bh_store *s, const struct bh_position *p)
{
	const struct bh_origin *row = &p->row;
	sqlite3_stmt *st = s->st[ST_POSITION];
	struct bh_str hash;

	if (bh_origin_is_source(row->identifier, &hash))
		return put_source(s, hash, row->offset_last);
	(void)bind_blob(st, 1, row->identifier);
	bind_u64(st, 2, row->gen);
	(void)bind_blob(st, 3, row->path);
	bind_u64(st, 4, row->dev);
	bind_u64(st, 5, row->ino);
	(void)bind_text(st, 6, row->offset_last);
	bind_u64(st, 7, p->safe_ord);
	(void)bind_text(st, 8, row->offset_first);
	bind_u64(st, 9, p->delivered_ord);
	(void)sqlite3_bind_int64(st, 10, row->marker_len);
	bind_u64(st, 11, row->marker_hash);
	bind_u64(st, 12, row->fp_value);
	(void)bind_text(st, 13, row->fp_config);
	(void)bind_text(st, 14, row->tailing_mode);
	(void)sqlite3_bind_int64(st, 15, row->ingestion_ns);
	bind_u64(st, 16, row->last_size);
	(void)sqlite3_bind_int(st, 17, (int)row->state);
	(void)sqlite3_bind_int64(st, 18, bh_wall_ms(s->cfg.clock));
	(void)bind_text(st, 19, p->complete);
	bind_u64(st, 20, p->complete_ord);
	return bh_store_run(s, ST_POSITION);
}

int bh_store_producer(struct bh_store *s, const char *name, const struct bh_receiver *r)
{
	sqlite3_stmt *st = s->st[ST_PRODUCER];

	(void)sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
	bind_u64(st, 2, r->epoch);
	bind_u64(st, 3, r->base);
	bind_u64(st, 4, r->mask);
	return bh_store_run(s, ST_PRODUCER);
}
