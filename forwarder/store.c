#include "forwarder/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "common/crc.h"
#include "forwarder/store_internal.h"
#include "forwarder/store_schema.h"
#include "forwarder/store_vfs.h"

#define COMPONENT "store"
#define ORD_STEP  65536

/* CROSS JOIN fixes which table is the outer one: without statistics SQLite would read all that is
 * owed to find who is owed one payload. */
static const char *const sql[ST__N] = {
    [ST_BEGIN] = "BEGIN IMMEDIATE",
    [ST_COMMIT] = "COMMIT",
    [ST_PUT] = "INSERT INTO spool VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)",
    [ST_PUT_BODY] = "INSERT INTO spool_body VALUES (?1,?2)",
    [ST_PUT_DELIVERY] = "INSERT INTO delivery VALUES (?1,?2,?3)",
    [ST_ADD_PENDING] = "UPDATE destination SET pending_rows=pending_rows+1, "
		       "pending_bytes=pending_bytes+?2 WHERE id=?1",
    [ST_DEL_DELIVERY] = "DELETE FROM delivery WHERE dest=?1 AND ord=?2",
    [ST_END] =
	"UPDATE destination SET pending_rows=pending_rows-1, pending_bytes=pending_bytes-?2,"
	" taken=taken+(?3=0), dropped=dropped+(?3=1), expired=expired+(?3=2), poison=poison+(?3=3)"
	" WHERE id=?1",
    [ST_OWED] =
	"SELECT 1 FROM destination d CROSS JOIN delivery y ON y.dest=d.id AND y.ord=?1 LIMIT 1",
    [ST_OWERS] =
	"SELECT count(*), coalesce(sum(d.reliable),0) FROM destination d CROSS JOIN delivery y "
	"ON y.dest=d.id AND y.ord=?1",
    [ST_DEL_SPOOL] = "DELETE FROM spool WHERE ord=?1",
    [ST_DEL_BODY] = "DELETE FROM spool_body WHERE ord=?1",
    [ST_POSITION] = "INSERT INTO registry VALUES "
		    "(?1,?2,?3,?4,?5,?6,?7,?8,?9,?19,?20,?10,?11,?12,?13,?14,?15,?16,?17,?18)"
		    " ON CONFLICT(identifier,gen) DO UPDATE SET path=excluded.path, "
		    "dev=excluded.dev, ino=excluded.ino,"
		    " safe=excluded.safe, safe_ord=excluded.safe_ord, delivered=excluded.delivered,"
		    " delivered_ord=excluded.delivered_ord, complete=excluded.complete,"
		    " complete_ord=excluded.complete_ord, marker_len=excluded.marker_len,"
		    " marker_hash=excluded.marker_hash, fp_value=excluded.fp_value, "
		    "fp_config=excluded.fp_config,"
		    " tailing_mode=excluded.tailing_mode, ingest_ns=excluded.ingest_ns, "
		    "last_size=excluded.last_size,"
		    " state=excluded.state, updated_ms=excluded.updated_ms"
		    " WHERE excluded.safe_ord >= registry.safe_ord AND excluded.delivered_ord >= "
		    "registry.delivered_ord AND excluded.complete_ord >= registry.complete_ord",
    [ST_FORGET] = "DELETE FROM registry WHERE identifier=?1 AND gen=?2",
    [ST_SOURCE] = "INSERT INTO source VALUES (?1,?2) ON CONFLICT(cfg_hash) DO UPDATE SET"
		  " last_scan_ms=excluded.last_scan_ms",
    [ST_DEL_SOURCE] = "DELETE FROM source WHERE cfg_hash=?1",
    [ST_PRODUCER] = "INSERT INTO producer VALUES (?1,?2,?3,?4) ON CONFLICT(name) DO UPDATE SET"
		    " epoch=excluded.epoch, base_seq=excluded.base_seq, mask=excluded.mask",
    [ST_META_SET] =
	"INSERT INTO meta VALUES (?1,?2) ON CONFLICT(key) DO UPDATE SET value=excluded.value",
    [ST_META_GET] = "SELECT value FROM meta WHERE key=?1",
    [ST_CLAIM_OLD] = "SELECT ord FROM delivery WHERE dest=?1 ORDER BY ord LIMIT ?2",
    [ST_CLAIM_NEW] = "SELECT ord FROM delivery WHERE dest=?1 ORDER BY ord DESC LIMIT ?2",
    [ST_LOAD] =
	"SELECT producer,epoch,seq,kind,created_ms,expires_ms,items,raw_len,body_len,body_crc,"
	"encoding,origins FROM spool WHERE ord=?1",
    [ST_BYTES] = "SELECT bytes FROM delivery WHERE dest=?1 AND ord=?2",
    [ST_OLDEST] = "SELECT s.ord, s.items, s.expires_ms FROM delivery d JOIN spool s ON s.ord=d.ord"
		  " WHERE d.dest=?1 ORDER BY d.ord LIMIT 1",
    [ST_LEDGER] = "INSERT INTO ledger VALUES (?1,?2,?3,?4) ON CONFLICT DO UPDATE SET n=excluded.n",
};

int bh_store_prepare(struct bh_store *s, enum stmt which)
{
	return bh_store_error(sqlite3_prepare_v3(
	    s->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT, &s->st[which], NULL));
}

static int bind_blob(sqlite3_stmt *st, int at, struct bh_str s)
{
	/* An empty value is still a value: NOT NULL columns must not see NULL. */
	return sqlite3_bind_blob64(st, at, s.p ? s.p : "", s.n, SQLITE_STATIC);
}

static int bind_text(sqlite3_stmt *st, int at, struct bh_str s)
{
	return sqlite3_bind_text64(st, at, s.p ? s.p : "", s.n, SQLITE_STATIC, SQLITE_UTF8);
}

/* Runs a prepared statement that returns no row, and makes it ready for the next use. */
static int run(struct bh_store *s, enum stmt which)
{
	int step = sqlite3_step(s->st[which]);

	(void)sqlite3_reset(s->st[which]);
	return step == SQLITE_ROW ? 0 : bh_store_check(s, step);
}

static int prepare_all(struct bh_store *s)
{
	for (int i = 0; i < ST__N; i++) {
		int rc = bh_store_prepare(s, (enum stmt)i);

		if (rc)
			return rc;
	}
	return 0;
}

static int meta_set(struct bh_store *s, const char *key, sqlite3_int64 v)
{
	(void)sqlite3_bind_text(s->st[ST_META_SET], 1, key, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(s->st[ST_META_SET], 2, v);
	return run(s, ST_META_SET);
}

/* 1 = found, 0 = not there */
static int meta_get(struct bh_store *s, const char *key, sqlite3_int64 *v)
{
	int step;

	(void)sqlite3_bind_text(s->st[ST_META_GET], 1, key, -1, SQLITE_STATIC);
	step = sqlite3_step(s->st[ST_META_GET]);
	if (step == SQLITE_ROW)
		*v = sqlite3_column_int64(s->st[ST_META_GET], 0);
	(void)sqlite3_reset(s->st[ST_META_GET]);
	return step == SQLITE_ROW ? 1 : bh_store_check(s, step);
}

int bh_store_meta_set(struct bh_store *s, const char *key, int64_t v)
{
	return meta_set(s, key, v);
}

int bh_store_meta_get(struct bh_store *s, const char *key, int64_t *v)
{
	sqlite3_int64 got = 0;
	int found = meta_get(s, key, &got);

	*v = got;
	return found;
}

static int load_id(struct bh_store *s)
{
	sqlite3_stmt *st = s->st[ST_META_GET];
	int step, rc = 0;

	(void)sqlite3_bind_text(st, 1, "store_id", -1, SQLITE_STATIC);
	step = sqlite3_step(st);
	if (step == SQLITE_ROW && sqlite3_column_bytes(st, 0) == BH_STORE_ID_BYTES) {
		memcpy(s->id, sqlite3_column_blob(st, 0), BH_STORE_ID_BYTES);
		(void)sqlite3_reset(st);
		return 0;
	}
	(void)sqlite3_reset(st);
	for (size_t i = 0; i < BH_STORE_ID_BYTES; i++)
		s->id[i] = (uint8_t)bh_rng_u64(s->cfg.rng);
	(void)sqlite3_bind_text(s->st[ST_META_SET], 1, "store_id", -1, SQLITE_STATIC);
	(void)bind_blob(
	    s->st[ST_META_SET], 2, (struct bh_str){(const char *)s->id, BH_STORE_ID_BYTES});
	rc = run(s, ST_META_SET);
	return rc ? rc : meta_set(s, "created_ms", bh_wall_ms(s->cfg.clock));
}

int bh_store_scalar(struct bh_store *s, const char *query, sqlite3_int64 *out)
{
	sqlite3_stmt *st = NULL;
	int rc = bh_store_check(s, sqlite3_prepare_v2(s->db, query, -1, &st, NULL));

	*out = 0;
	if (!rc) {
		int step = sqlite3_step(st);

		if (step == SQLITE_ROW)
			*out = sqlite3_column_int64(st, 0);
		else
			rc = bh_store_check(s, step);
	}
	(void)sqlite3_finalize(st);
	return rc;
}

/* After an unclean end the counts are compared with the rows; a difference is a bug, and is mended.
 */
static int recount(struct bh_store *s)
{
	static const char wrong[] =
	    "SELECT count(*) FROM destination d WHERE pending_rows <> (SELECT count(*) FROM "
	    "delivery WHERE dest=d.id)"
	    " OR pending_bytes <> (SELECT coalesce(sum(bytes),0) FROM delivery WHERE dest=d.id)";
	static const char mend[] = "UPDATE destination SET pending_rows=(SELECT count(*) FROM "
				   "delivery WHERE dest=destination.id),"
				   " pending_bytes=(SELECT coalesce(sum(bytes),0) FROM delivery "
				   "WHERE dest=destination.id)";
	sqlite3_int64 n = 0;
	int rc = bh_store_scalar(s, wrong, &n);

	if (rc || n == 0)
		return rc;
	s->recounted = (uint64_t)n;
	bh_error(s->cfg.log, COMPONENT,
	    "pending counts of %lld destinations differ from their rows; repaired", (long long)n);
	return bh_store_check(s, sqlite3_exec(s->db, mend, NULL, NULL, NULL));
}

static int on_commit(void *ctx, sqlite3 *db, const char *name, int pages)
{
	struct bh_store *s = ctx;

	(void)db;
	(void)name;
	s->wal_used = (uint64_t)pages * s->page_size;
	return SQLITE_OK;
}

void bh_store_watch_wal(struct bh_store *s)
{
	(void)sqlite3_wal_hook(s->db, on_commit, s);
}

static int start_up(struct bh_store *s)
{
	sqlite3_int64 clean = 0, floor = 0, page = 0;
	int found, rc = prepare_all(s);

	/* Before anything is written: a damaged file stays as it was found. */
	if (!rc)
		rc = bh_store_probe(s);
	if (!rc)
		rc = load_id(s);
	if (rc)
		return rc;
	found = meta_get(s, "clean", &clean);
	if (found < 0)
		return found;
	/* A start writes nothing into a store that is there: the disk may be full. */
	s->marked_clean = clean != 0;
	if (clean == 0)
		rc = recount(s);
	if (!rc) {
		found = meta_get(s, "ord_floor", &floor);
		rc = found < 0 ? found : 0;
	}
	s->next_ord = s->ord_floor = (uint64_t)floor + 1;
	if (!rc)
		rc = bh_store_scalar(s, "PRAGMA page_size", &page);
	s->page_size = (uint64_t)page;
	/* Of what was left in the WAL: at most its length. */
	s->wal_used = bh_store_wal_bytes(s);
	bh_store_watch_wal(s);
	return rc;
}

void bh_store_close_file(struct bh_store *s, bool clean)
{
	if (clean && meta_set(s, "clean", 1) == 0)
		(void)sqlite3_wal_checkpoint_v2(
		    s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	/* SQLite would write the WAL back by itself, into a file that may be evidence. */
	if (!clean && s->db)
		(void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	for (int i = 0; i < ST__N; i++) {
		(void)sqlite3_finalize(s->st[i]);
		s->st[i] = NULL;
	}
	(void)sqlite3_close(s->db);
	s->db = NULL;
	bh_store_vfs_free(s->vfs);
	s->vfs = NULL;
}

/* Where a commit does not sync, what it wrote must outlive the process all the same: no buffer. */
static int open_connection(struct bh_store *s)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
		    SQLITE_OPEN_EXRESCODE;
	const char *vfs = s->cfg.vfs;
	int rc = s->cfg.fsync_off ? 0 : bh_store_vfs_new(&s->vfs, vfs);

	if (rc)
		return rc;
	if (s->vfs)
		vfs = bh_store_vfs_name(s->vfs);
	return bh_store_error(sqlite3_open_v2(s->path, &s->db, flags, vfs));
}

int bh_store_open_file(struct bh_store *s)
{
	int rc;

	if (bh_replace_noted(s))
		return BH_E_CORRUPT;
	rc = open_connection(s);
	if (!rc)
		rc = bh_store_prepare_file(s->db);
	if (!rc && s->cfg.fsync_off)
		rc = bh_store_error(
		    sqlite3_exec(s->db, "PRAGMA synchronous = NORMAL", NULL, NULL, NULL));
	if (!rc)
		rc = start_up(s);
	if (rc)
		rc = bh_store_cause(s->db, rc);
	/* Statements that the stored schema does not fit: it is not ours any more. */
	if (rc == -EIO && sqlite3_errcode(s->db) == SQLITE_ERROR)
		rc = BH_E_CORRUPT;
	if (rc)
		bh_store_close_file(s, false);
	return rc;
}

void bh_store_name(struct bh_store *s, const char *name)
{
	(void)snprintf(s->path, sizeof(s->path), "%s/%s", s->dir, name);
	(void)snprintf(s->wal, sizeof(s->wal), "%s-wal", s->path);
}

int bh_store_cause(sqlite3 *db, int rc)
{
	int e = rc == -EIO ? sqlite3_system_errno(db) : 0;

	return e == ENOSPC || e == EDQUOT || e == EROFS ? -e : rc;
}

/* A quota is a disk that is full, but at a sync: what it holds then is unknown. */
static bool is_quota(struct bh_store *s, int code)
{
	return code == SQLITE_IOERR_WRITE && bh_store_cause(s->db, -EIO) == -EDQUOT;
}

int bh_store_check(struct bh_store *s, int code)
{
	int rc = is_quota(s, code) ? -ENOSPC : bh_store_error(code);

	s->failed |= rc == -EIO;
	if (rc == BH_E_CORRUPT && !s->damaged) {
		s->damaged = true;
		bh_replace_note(s);
	}
	return rc;
}

static bool is_read_only(const struct bh_store *s)
{
	struct statvfs fs;

	return statvfs(s->cfg.dir, &fs) == 0 && fs.f_flag & ST_RDONLY;
}

/* Whether a store that could not be opened for this reason can do without a file for now. What one
 * holds that is there is not to be passed over for a fault that may be gone at the next start. */
static bool may_do_without(int rc, bool there)
{
	return rc == -EROFS || (!there && (rc == -ENOSPC || rc == -EDQUOT || rc == -EIO));
}

static int open_or_replace(struct bh_store *s, struct bh_err *err)
{
	bool there = bh_store_lies_there(s), missing = bh_replace_missing(s);
	int rc = missing ? -ENOENT : bh_store_open_file(s);

	if (rc == -ENOSPC && unlink(s->ballast) == 0)
		rc = bh_store_open_file(s);
	if (rc && rc != BH_E_STATE && !missing && is_read_only(s))
		rc = -EROFS;
	if (rc && !missing && !there) {
		/* What was made a moment ago is not damaged, it was not written. */
		if (rc == BH_E_CORRUPT && !bh_replace_noted(s))
			rc = -EIO;
		s->leftover = true;
		bh_store_remove_files(s);
	}
	if (may_do_without(rc, there))
		rc = bh_replace_later(s, rc);
	if (rc == BH_E_CORRUPT && s->cfg.stop_on_damage)
		return bh_err_set(err, BH_E_CONFIG,
		    "%s is damaged and logs_config.disk_retry.on_corruption is stop: move the file "
		    "away, or say continue",
		    s->path);
	if (rc == BH_E_CORRUPT || rc == BH_E_LIMIT || rc == -ENOENT)
		rc = bh_replace(s, rc);
	if (rc == BH_E_STATE)
		return bh_err_set(
		    err, rc, "%s is held by another forwarder: stop it first", s->path);
	return rc ? bh_err_set(err, rc, "open %s", s->path) : 0;
}

int bh_store_open(struct bh_store **out, const struct bh_store_config *cfg, struct bh_err *err)
{
	struct bh_store *s = calloc(1, sizeof(*s));
	int n, rc;

	if (!s)
		return bh_err_set(err, -ENOMEM, "store");
	s->cfg = *cfg;
	n = snprintf(s->dir, sizeof(s->dir), "%s", cfg->dir);
	if (n < 0 || (size_t)n >= sizeof(s->dir)) {
		free(s);
		return bh_err_set(err, -ENAMETOOLONG, "run_path %s", cfg->dir);
	}
	s->cfg.dir = s->dir;
	bh_store_name(s, "spool.db");
	(void)snprintf(s->ballast, sizeof(s->ballast), "%s/spool.ballast", s->dir);
	(void)umask(0077);
	bh_replace_recover(s);
	rc = open_or_replace(s, err);
	if (rc) {
		free(s);
		return rc;
	}
	if (!s->in_memory)
		(void)bh_store_ballasted(s);
	*out = s;
	return 0;
}

void bh_store_free(struct bh_store *s)
{
	if (!s)
		return;
	bh_store_close_file(s, false);
	free(s);
}

void bh_store_close_clean(struct bh_store *s)
{
	bh_store_close_file(s, !s->failed);
	bh_store_free(s);
}

const uint8_t *bh_store_id(const struct bh_store *s)
{
	return s->id;
}

const struct bh_replaced *bh_store_replaced(const struct bh_store *s)
{
	return s->replaced.text[0] ? &s->replaced : NULL;
}

bool bh_store_damaged(const struct bh_store *s)
{
	return s->damaged;
}

bool bh_store_failed(const struct bh_store *s)
{
	return s->failed;
}

uint64_t bh_store_recounted(const struct bh_store *s)
{
	return s->recounted;
}

bool bh_store_in_memory(const struct bh_store *s)
{
	return s->in_memory;
}

const char *bh_store_dir(const struct bh_store *s)
{
	return s->dir;
}

/* Reserved on disk by the commit that uses it; one that is never committed may come again. */
int bh_store_next_ord(struct bh_store *s, uint64_t *ord)
{
	*ord = s->next_ord++;
	return 0;
}

int bh_store_raise_ord(struct bh_store *s, uint64_t above)
{
	int rc = above >= s->ord_floor ? meta_set(s, "ord_floor", (sqlite3_int64)above) : 0;

	if (!rc && above >= s->next_ord)
		s->next_ord = s->ord_floor = above + 1;
	return rc;
}

static int one_shot(struct bh_store *s, const char *text, const char *key, int64_t a, int64_t *out)
{
	sqlite3_stmt *st = NULL;
	int rc = bh_store_check(s, sqlite3_prepare_v2(s->db, text, -1, &st, NULL));
	int step;

	if (rc)
		return rc;
	if (key)
		(void)sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(st, key ? 2 : 1, a);
	step = sqlite3_step(st);
	if (step == SQLITE_ROW && out)
		*out = sqlite3_column_int64(st, 0);
	rc = step == SQLITE_ROW ? 0 : bh_store_check(s, step);
	(void)sqlite3_finalize(st);
	return rc;
}

static int note_destination(struct bh_store *s, const char *key, int kind, bool reliable)
{
	int64_t now = bh_wall_ms(s->cfg.clock);
	int rc = one_shot(s,
	    "INSERT INTO destination(key,kind,reliable) VALUES(?1,?2,1) ON CONFLICT DO NOTHING",
	    key, kind, NULL);

	if (!rc)
		rc = one_shot(
		    s, "UPDATE destination SET last_seen_ms=?2 WHERE key=?1", key, now, NULL);
	return rc ? rc
		  : one_shot(
			s, "UPDATE destination SET reliable=?2 WHERE key=?1", key, reliable, NULL);
}

int bh_store_destination(struct bh_store *s, const char *key, int kind, bool reliable, int64_t *id)
{
	int rc, noted = note_destination(s, key, kind, reliable);

	/* On a full disk one that is known cannot be noted, and serves all the same. A new one
	 * needs the room that is kept for this. */
	if (noted && noted != -ENOSPC)
		return noted;
	*id = 0;
	rc = one_shot(s, "SELECT id FROM destination WHERE key=?1 AND ?2", key, 1, id);
	if (rc || *id)
		return rc;
	bh_store_relieve(s);
	noted = note_destination(s, key, kind, reliable);
	return noted ? noted
		     : one_shot(s, "SELECT id FROM destination WHERE key=?1 AND ?2", key, 1, id);
}

int bh_store_counts(struct bh_store *s, int64_t dest, struct bh_dest_counts *c)
{
	sqlite3_stmt *st = NULL;
	int rc =
	    bh_store_check(s, sqlite3_prepare_v2(s->db,
				  "SELECT pending_rows,pending_bytes,taken,dropped,expired,poison "
				  "FROM destination WHERE "
				  "id=?1",
				  -1, &st, NULL));
	int step;

	if (rc)
		return rc;
	(void)sqlite3_bind_int64(st, 1, dest);
	step = sqlite3_step(st);
	if (step == SQLITE_ROW) {
		uint64_t *const fields[] = {&c->pending_rows, &c->pending_bytes, &c->taken,
		    &c->dropped, &c->expired, &c->poison};

		for (int i = 0; i < 6; i++)
			*fields[i] = (uint64_t)sqlite3_column_int64(st, i);
	}
	rc = bh_store_check(s, step);
	(void)sqlite3_finalize(st);
	return rc;
}

int bh_store_items(struct bh_store *s, int64_t dest, uint64_t *items)
{
	int64_t n = 0;
	int rc = one_shot(s,
	    "SELECT coalesce(sum(s.items),0) FROM delivery d JOIN spool s ON s.ord=d.ord WHERE "
	    "d.dest=?1",
	    NULL, dest, &n);

	*items = (uint64_t)n;
	return rc;
}

int bh_store_row_items(struct bh_store *s, uint64_t ord, uint32_t *items)
{
	int64_t n = 0;
	int rc = one_shot(s, "SELECT items FROM spool WHERE ord=?1", NULL, (int64_t)ord, &n);

	*items = (uint32_t)n;
	return rc;
}

int bh_store_begin(struct bh_store *s)
{
	return run(s, ST_BEGIN);
}

int bh_store_commit(struct bh_store *s)
{
	bool reserve = s->next_ord > s->ord_floor;
	uint64_t floor = s->next_ord + ORD_STEP;
	int rc = reserve ? meta_set(s, "ord_floor", (sqlite3_int64)floor) : 0;

	if (!rc && s->marked_clean)
		rc = meta_set(s, "clean", 0);
	if (!rc)
		rc = run(s, ST_COMMIT);
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
	return run(s, ST_PUT);
}

int bh_store_put_delivery(struct bh_store *s, uint64_t ord, uint64_t bytes, int64_t dest)
{
	int rc;

	(void)sqlite3_bind_int64(s->st[ST_PUT_DELIVERY], 1, dest);
	bind_u64(s->st[ST_PUT_DELIVERY], 2, ord);
	bind_u64(s->st[ST_PUT_DELIVERY], 3, bytes);
	rc = run(s, ST_PUT_DELIVERY);
	if (rc)
		return rc;
	(void)sqlite3_bind_int64(s->st[ST_ADD_PENDING], 1, dest);
	bind_u64(s->st[ST_ADD_PENDING], 2, bytes);
	return run(s, ST_ADD_PENDING);
}

int bh_store_put(struct bh_store *s, const struct bh_spool_row *row, int64_t dest)
{
	int rc = put_spool(s, row);

	if (rc)
		return rc;
	bind_u64(s->st[ST_PUT_BODY], 1, row->ord);
	(void)bind_blob(s->st[ST_PUT_BODY], 2, row->body);
	rc = run(s, ST_PUT_BODY);
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
		rc = run(s, ST_DEL_DELIVERY);
	}
	if (!rc) {
		(void)sqlite3_bind_int64(s->st[ST_END], 1, dest);
		bind_u64(s->st[ST_END], 2, bytes);
		(void)sqlite3_bind_int(s->st[ST_END], 3, (int)end);
		rc = run(s, ST_END);
	}
	if (!rc)
		rc = still_owed(s, ord, &owed);
	if (rc || owed)
		return rc;
	bind_u64(s->st[ST_DEL_BODY], 1, ord);
	bind_u64(s->st[ST_DEL_SPOOL], 1, ord);
	rc = run(s, ST_DEL_BODY);
	return rc ? rc : run(s, ST_DEL_SPOOL);
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
	return run(s, ST_SOURCE);
}

int bh_store_forget(struct bh_store *s, struct bh_str identifier, uint64_t gen)
{
	struct bh_str hash;

	if (bh_origin_is_source(identifier, &hash)) {
		(void)bind_blob(s->st[ST_DEL_SOURCE], 1, hash);
		return run(s, ST_DEL_SOURCE);
	}
	(void)bind_blob(s->st[ST_FORGET], 1, identifier);
	bind_u64(s->st[ST_FORGET], 2, gen);
	return run(s, ST_FORGET);
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
	return run(s, ST_POSITION);
}

int bh_store_producer(struct bh_store *s, const char *name, const struct bh_receiver *r)
{
	sqlite3_stmt *st = s->st[ST_PRODUCER];

	(void)sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
	bind_u64(st, 2, r->epoch);
	bind_u64(st, 3, r->base);
	bind_u64(st, 4, r->mask);
	return run(s, ST_PRODUCER);
}
