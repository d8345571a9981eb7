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

#include "forwarder/store_internal.h"
#include "forwarder/store_schema.h"
#include "forwarder/store_vfs.h"

#define COMPONENT "store"

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
	rc = bh_store_run(s, ST_META_SET);
	return rc ? rc : bh_store_meta_set(s, "created_ms", bh_wall_ms(s->cfg.clock));
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
	sqlite3_int64 page = 0;
	int64_t clean = 0, floor = 0;
	int found, rc = bh_store_prepare_all(s);

	/* Before anything is written: a damaged file stays as it was found. */
	if (!rc)
		rc = bh_store_probe(s);
	if (!rc)
		rc = load_id(s);
	if (rc)
		return rc;
	found = bh_store_meta_get(s, "clean", &clean);
	if (found < 0)
		return found;
	/* A start writes nothing into a store that is there: the disk may be full. */
	s->marked_clean = clean != 0;
	if (clean == 0)
		rc = recount(s);
	if (!rc) {
		found = bh_store_meta_get(s, "ord_floor", &floor);
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
	if (clean && bh_store_meta_set(s, "clean", 1) == 0)
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
	int rc = above >= s->ord_floor ? bh_store_meta_set(s, "ord_floor", (int64_t)above) : 0;

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
