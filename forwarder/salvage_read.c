#include "forwarder/salvage_read.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "forwarder/store_schema.h"

#define PROGRESS_OPS 10000

static const char spool_sql[] = "SELECT ord FROM spool WHERE ord>?2 AND ?1=0 ORDER BY ord LIMIT 1";
static const char delivery_sql[] =
    "SELECT ord FROM delivery WHERE dest=?1 AND ord>?2 ORDER BY ord LIMIT 1";

bool bh_salvage_late(const struct bh_salvage_reader *r)
{
	return bh_mono_ns(r->clock) >= r->deadline_ns;
}

static int interrupt(void *ctx)
{
	return bh_salvage_late(ctx);
}

static int open_read_only(struct bh_salvage_reader *r, const char *path)
{
	/* A file in WAL mode is read through its WAL only with an index in the heap, and the usual
	 * locks want a descriptor that may write. */
	static const char settings[] = "PRAGMA locking_mode=EXCLUSIVE; PRAGMA trusted_schema=OFF;"
				       "PRAGMA cell_size_check=ON; PRAGMA cache_size=-4096;"
				       "PRAGMA mmap_size=0; PRAGMA query_only=ON;";
	int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	int rc = sqlite3_open_v2(path, &r->old.db, flags, "unix-none");

	if (!rc)
		rc = sqlite3_db_config(r->old.db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	if (!rc)
		rc = sqlite3_db_config(r->old.db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	if (rc)
		return bh_store_error(rc);
	(void)sqlite3_limit(r->old.db, SQLITE_LIMIT_LENGTH, (int)BH_STORE_BODY_MAX);
	sqlite3_progress_handler(r->old.db, PROGRESS_OPS, interrupt, r);
	return bh_store_error(sqlite3_exec(r->old.db, settings, NULL, NULL, NULL));
}

static sqlite3_stmt *prepare(struct bh_salvage_reader *r, const char *sql)
{
	sqlite3_stmt *st = NULL;

	(void)sqlite3_prepare_v2(r->old.db, sql, -1, &st, NULL);
	return st;
}

/* The index over the keys is a second copy: what both say is true. */
static bool key_agrees(struct bh_salvage_reader *r, const struct bh_salvage_dest *d)
{
	sqlite3_stmt *st = prepare(
	    r, "SELECT id FROM destination INDEXED BY sqlite_autoindex_destination_1 WHERE key=?1");
	bool agrees = false;

	if (st) {
		(void)sqlite3_bind_text(st, 1, d->key, -1, SQLITE_STATIC);
		agrees = sqlite3_step(st) == SQLITE_ROW && sqlite3_column_int64(st, 0) == d->id;
	}
	(void)sqlite3_finalize(st);
	return agrees;
}

static void read_dests(struct bh_salvage_reader *r)
{
	sqlite3_stmt *st =
	    prepare(r, "SELECT id,key,kind,pending_rows FROM destination WHERE id>0 ORDER BY id");
	int step = st ? SQLITE_ROW : SQLITE_CORRUPT;

	while (step == SQLITE_ROW && r->dests_n < BH_SALVAGE_DESTS &&
	       (step = sqlite3_step(st)) == SQLITE_ROW) {
		struct bh_salvage_dest *d = &r->dests[r->dests_n];
		const unsigned char *key = sqlite3_column_text(st, 1);

		d->id = sqlite3_column_int64(st, 0);
		d->kind = sqlite3_column_int(st, 2) != 0;
		d->pending_rows = (uint64_t)BH_MAX(sqlite3_column_int64(st, 3), 0);
		(void)snprintf(d->key, sizeof(d->key), "%s", key ? (const char *)key : "");
		r->dests_broken |= !key_agrees(r, d);
		r->dests_n += key_agrees(r, d);
	}
	r->dests_broken |= step != SQLITE_DONE;
	(void)sqlite3_finalize(st);
}

static void raise_top(struct bh_salvage_reader *r, const char *sql)
{
	sqlite3_stmt *st = prepare(r, sql);
	uint64_t v = 0;

	if (st && sqlite3_step(st) == SQLITE_ROW)
		v = (uint64_t)sqlite3_column_int64(st, 0);
	if (v < BH_SALVAGE_ORD_MAX)
		r->top_ord = BH_MAX(r->top_ord, v);
	(void)sqlite3_finalize(st);
}

int bh_salvage_open(struct bh_salvage_reader *r, const char *path, const struct bh_clock *clock,
    int64_t deadline_ns)
{
	int rc;

	*r = (struct bh_salvage_reader){.clock = clock, .deadline_ns = deadline_ns};
	r->old.damaged = true; /* known: no further note of it */
	rc = open_read_only(r, path);
	if (rc)
		return rc;
	/* A table whose root is lost is gone; the others are not. */
	r->spool = prepare(r, spool_sql);
	r->delivery = prepare(r, delivery_sql);
	r->rows_readable = bh_store_prepare(&r->old, ST_LOAD) == 0;
	read_dests(r);
	raise_top(r, "SELECT value FROM meta WHERE key='ord_floor'");
	raise_top(r, "SELECT max(ord) FROM spool");
	return 0;
}

void bh_salvage_release(struct bh_salvage_reader *r)
{
	(void)sqlite3_finalize(r->spool);
	(void)sqlite3_finalize(r->delivery);
	bh_store_close_file(&r->old, false);
}

/* 1 = *ord is the lowest above after, 0 = there is none, else it cannot be read. */
static int seek(
    struct bh_salvage_reader *r, const struct bh_salvage_cursor *c, uint64_t after, uint64_t *ord)
{
	sqlite3_stmt *st = c->dest ? r->delivery : r->spool;
	int step;

	if (!st)
		return BH_E_CORRUPT;
	(void)sqlite3_bind_int64(st, 1, c->dest);
	bind_u64(st, 2, after);
	step = sqlite3_step(st);
	if (step == SQLITE_ROW)
		*ord = (uint64_t)sqlite3_column_int64(st, 0);
	(void)sqlite3_reset(st);
	if (step == SQLITE_ROW && (*ord <= after || *ord >= BH_SALVAGE_ORD_MAX))
		return BH_E_CORRUPT;
	return step == SQLITE_ROW ? 1 : bh_store_error(step);
}

/* Behind a place that cannot be read: doubles the step until something can, then halves. */
static int seek_beyond(
    struct bh_salvage_reader *r, const struct bh_salvage_cursor *c, uint64_t after, uint64_t *ord)
{
	uint64_t bad = after, good = after, step = 1;
	int rc = BH_E_CORRUPT;

	for (; rc < 0 && after + step < BH_SALVAGE_ORD_MAX && !bh_salvage_late(r); step *= 2) {
		bad = good;
		good = after + step;
		rc = seek(r, c, good, ord);
	}
	while (rc >= 0 && good - bad > 1) {
		uint64_t mid = bad + (good - bad) / 2, found = 0;
		int at = seek(r, c, mid, &found);

		if (at < 0) {
			bad = mid;
			continue;
		}
		good = mid;
		rc = at;
		*ord = found;
	}
	return rc;
}

void bh_salvage_next(struct bh_salvage_reader *r, struct bh_salvage_cursor *c)
{
	uint64_t ord = 0;
	int rc = seek(r, c, c->at, &ord);

	if (rc < 0) {
		c->broken = true;
		rc = seek_beyond(r, c, c->at, &ord);
	}
	c->at = rc == 1 ? ord : 0;
	c->n += rc == 1;
}

void bh_salvage_first(struct bh_salvage_reader *r, struct bh_salvage_cursor *c, int64_t dest)
{
	*c = (struct bh_salvage_cursor){.dest = dest};
	bh_salvage_next(r, c);
}

static bool plausible(const struct bh_spool_row *row)
{
	return row->producer[0] && strlen(row->producer) < 32 && row->kind > 0 &&
	       row->kind < BH_KIND__END;
}

int bh_salvage_row(
    struct bh_salvage_reader *r, uint64_t ord, struct bh_spool_row *row, void **block)
{
	int rc;

	*block = NULL;
	if (!r->rows_readable)
		return -ENOENT;
	rc = bh_store_load(&r->old, ord, row, block);
	return rc ? rc : plausible(row) ? 0 : BH_E_CORRUPT;
}

/* --- registry -----------------------------------------------------------------------------------
 */

#define COLUMNS \
	"identifier,gen,path,dev,ino,safe,delivered,marker_len,marker_hash,fp_value,fp_config," \
	"tailing_mode,ingest_ns,last_size,state,safe_ord,delivered_ord,complete,complete_ord"

/* What STRICT promised, and a damaged page breaks. */
static bool types_fit(sqlite3_stmt *st)
{
	static const char want[] = "BIBIITTIIITTIIIIITI";

	for (int i = 0; want[i]; i++) {
		int type = sqlite3_column_type(st, i);
		int fits = want[i] == 'B'   ? SQLITE_BLOB
			   : want[i] == 'I' ? SQLITE_INTEGER
					    : SQLITE_TEXT;

		if (type != fits || (size_t)sqlite3_column_bytes(st, i) > BH_ORIGIN_STRING_MAX)
			return false;
	}
	return sqlite3_column_bytes(st, 0) > 0 && sqlite3_column_int64(st, 14) >= BH_ORIGIN_LIVE &&
	       sqlite3_column_int64(st, 14) <= BH_ORIGIN_FORGOTTEN;
}

struct walk {
	int (*fn)(void *ctx, const struct bh_origin *row, uint64_t safe_ord, uint64_t delivered_ord,
	    struct bh_str complete);
	void *ctx;
	struct bh_buf last; /* the last key seen upwards: identifier, then gen */
	bool whole;
};

static int take_position(struct walk *w, sqlite3_stmt *st)
{
	struct bh_origin o;
	uint64_t safe_ord = (uint64_t)sqlite3_column_int64(st, 15);
	uint64_t delivered_ord = (uint64_t)sqlite3_column_int64(st, 16);
	uint64_t complete_ord = (uint64_t)sqlite3_column_int64(st, 18);
	struct bh_str complete;

	if (!types_fit(st) || safe_ord >= BH_SALVAGE_ORD_MAX || delivered_ord > safe_ord ||
	    complete_ord > delivered_ord) {
		w->whole = false;
		return 0;
	}
	bh_store_read_position(st, &o);
	complete =
	    (struct bh_str){sqlite3_column_blob(st, 17), (size_t)sqlite3_column_bytes(st, 17)};
	/* A destination that fell behind is still owed what lies between: proof begins there. */
	if (complete_ord < delivered_ord)
		o.offset_first = complete;
	return w->fn(w->ctx, &o, safe_ord, complete_ord, complete);
}

static int note_key(struct walk *w, sqlite3_stmt *st)
{
	bh_buf_clear(&w->last);
	(void)bh_buf_append(
	    &w->last, sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0));
	return bh_buf_failed(&w->last);
}

/* Down to where the way up ended: rows of the same identifier come twice at most, and the taker
 * knows them by identifier and generation. */
static bool met(const struct walk *w, sqlite3_stmt *st)
{
	size_t n = (size_t)sqlite3_column_bytes(st, 0);
	int order = memcmp(w->last.len ? w->last.data : "", n ? sqlite3_column_blob(st, 0) : "",
	    BH_MIN(n, w->last.len));

	return order > 0 || (order == 0 && w->last.len > n);
}

static int walk(struct bh_salvage_reader *r, struct walk *w, bool up, bool *complete)
{
	sqlite3_stmt *st =
	    prepare(r, up ? "SELECT " COLUMNS " FROM registry ORDER BY identifier,gen"
			  : "SELECT " COLUMNS " FROM registry ORDER BY "
			    "identifier DESC,gen DESC");
	int rc = 0, step = st ? SQLITE_ROW : SQLITE_CORRUPT;

	while (!rc && step == SQLITE_ROW && (step = sqlite3_step(st)) == SQLITE_ROW) {
		if (up)
			rc = note_key(w, st);
		else if (met(w, st))
			step = SQLITE_DONE;
		if (!rc && step == SQLITE_ROW)
			rc = take_position(w, st);
	}
	*complete = step == SQLITE_DONE;
	(void)sqlite3_finalize(st);
	return rc;
}

int bh_salvage_positions(struct bh_salvage_reader *r,
    int (*fn)(void *ctx, const struct bh_origin *row, uint64_t safe_ord, uint64_t delivered_ord,
	struct bh_str complete),
    void *ctx, bool *whole)
{
	struct walk w = {.fn = fn, .ctx = ctx, .last = BH_BUF_INIT, .whole = true};
	bool complete = false, down = false;
	int rc = walk(r, &w, true, &complete);

	if (!rc && !complete)
		rc = walk(r, &w, false, &down);
	*whole = complete && w.whole;
	bh_buf_release(&w.last);
	return rc;
}

static int take_source(
    sqlite3_stmt *st, int (*fn)(void *ctx, const struct bh_origin *row), void *ctx)
{
	struct bh_origin o = {.gen = BH_ORIGIN_SOURCE_GEN};
	char name[160], at[24];
	int n = sqlite3_column_bytes(st, 0);
	sqlite3_int64 ms = sqlite3_column_int64(st, 1);

	if (n <= 0 || n > 128 || ms < 0)
		return 0;
	(void)snprintf(
	    name, sizeof(name), "source:%.*s", n, (const char *)sqlite3_column_blob(st, 0));
	(void)snprintf(at, sizeof(at), "%" PRId64, (int64_t)ms);
	o.identifier = bh_str_from(name);
	o.offset_first = o.offset_last = bh_str_from(at);
	return bh_origin_is_source(o.identifier, NULL) ? fn(ctx, &o) : 0;
}

int bh_salvage_sources(struct bh_salvage_reader *r,
    int (*fn)(void *ctx, const struct bh_origin *row), void *ctx, bool *whole)
{
	sqlite3_stmt *st = prepare(r, "SELECT cfg_hash,last_scan_ms FROM source");
	int rc = 0, step = st ? SQLITE_ROW : SQLITE_CORRUPT;

	while (!rc && step == SQLITE_ROW && (step = sqlite3_step(st)) == SQLITE_ROW)
		rc = take_source(st, fn, ctx);
	*whole = step == SQLITE_DONE;
	(void)sqlite3_finalize(st);
	return rc;
}
