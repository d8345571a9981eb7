#include "forwarder/store_schema.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "common/err.h"
#include "forwarder/store.h"

static const char schema_1[] =
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE registry ("
    "  identifier BLOB NOT NULL, gen INTEGER NOT NULL, path BLOB, dev INTEGER, ino INTEGER,"
    "  safe TEXT NOT NULL DEFAULT '', safe_ord INTEGER NOT NULL DEFAULT 0,"
    "  delivered TEXT NOT NULL DEFAULT '', delivered_ord INTEGER NOT NULL DEFAULT 0,"
    "  complete TEXT NOT NULL DEFAULT '', complete_ord INTEGER NOT NULL DEFAULT 0,"
    "  marker_len INTEGER, marker_hash INTEGER, fp_value INTEGER, fp_config TEXT,"
    "  tailing_mode TEXT NOT NULL DEFAULT '', ingest_ns INTEGER, last_size INTEGER,"
    "  state INTEGER NOT NULL DEFAULT 0, updated_ms INTEGER NOT NULL,"
    "  PRIMARY KEY (identifier, gen)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE source (cfg_hash BLOB PRIMARY KEY, last_scan_ms INTEGER NOT NULL) STRICT, "
    "WITHOUT ROWID;"
    "CREATE TABLE producer (name TEXT PRIMARY KEY, epoch INTEGER NOT NULL,"
    "  base_seq INTEGER NOT NULL, mask INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE destination ("
    "  id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, kind INTEGER NOT NULL,"
    "  reliable INTEGER NOT NULL CHECK (reliable IN (0,1)),"
    "  pending_rows INTEGER NOT NULL DEFAULT 0 CHECK (pending_rows >= 0),"
    "  pending_bytes INTEGER NOT NULL DEFAULT 0 CHECK (pending_bytes >= 0),"
    "  taken INTEGER NOT NULL DEFAULT 0, dropped INTEGER NOT NULL DEFAULT 0,"
    "  expired INTEGER NOT NULL DEFAULT 0, poison INTEGER NOT NULL DEFAULT 0,"
    "  last_seen_ms INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE TABLE spool ("
    "  ord INTEGER PRIMARY KEY, producer TEXT NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT "
    "NULL,"
    "  kind INTEGER NOT NULL, created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL,"
    "  items INTEGER NOT NULL, raw_len INTEGER NOT NULL,"
    "  body_len INTEGER NOT NULL, body_crc INTEGER NOT NULL,"
    "  encoding TEXT NOT NULL, origins BLOB) STRICT;"
    "CREATE TABLE spool_body (ord INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;"
    "CREATE TABLE delivery (dest INTEGER NOT NULL, ord INTEGER NOT NULL, bytes INTEGER NOT NULL,"
    "  PRIMARY KEY (dest, ord)) STRICT, WITHOUT ROWID;"
    "PRAGMA application_id = 1651862635;"
    "PRAGMA user_version = 1;";

/* Step n brings user_version n to n + 1, each in a transaction of its own. */
static const char *const migrations[] = {schema_1};

int bh_store_error(int code)
{
	/* Fewer bytes than the file must have: it was cut, the disk did not fail. */
	if (code == SQLITE_IOERR_SHORT_READ || code == SQLITE_IOERR_CORRUPTFS)
		return BH_E_CORRUPT;
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_FULL:
	case SQLITE_READONLY:
		return -ENOSPC;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return BH_E_CORRUPT;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return BH_E_STATE;
	case SQLITE_NOMEM:
		return -ENOMEM;
	default:
		return -EIO;
	}
}

static int exec(sqlite3 *db, const char *sql)
{
	return bh_store_error(sqlite3_exec(db, sql, NULL, NULL, NULL));
}

static int get_int(sqlite3 *db, const char *sql, sqlite3_int64 *out)
{
	sqlite3_stmt *st = NULL;
	int rc = bh_store_error(sqlite3_prepare_v2(db, sql, -1, &st, NULL));

	if (!rc) {
		int step = sqlite3_step(st);

		if (step == SQLITE_ROW)
			*out = sqlite3_column_int64(st, 0);
		else
			rc = step == SQLITE_DONE ? BH_E_CORRUPT : bh_store_error(step);
	}
	(void)sqlite3_finalize(st);
	return rc;
}

struct setting {
	const char *set, *get;
	sqlite3_int64 want;
};

/* In this order, before the first table; page_size and auto_vacuum are fixed at creation. */
static const struct setting settings[] = {
    {"PRAGMA locking_mode = EXCLUSIVE", NULL, 0},
    {"PRAGMA page_size = 16384", "PRAGMA page_size", 16384},
    {"PRAGMA auto_vacuum = INCREMENTAL", "PRAGMA auto_vacuum", 2},
    {"PRAGMA journal_mode = WAL", NULL, 0},
    {"PRAGMA synchronous = FULL", "PRAGMA synchronous", 2},
    {"PRAGMA secure_delete = OFF", "PRAGMA secure_delete", 0},
    {"PRAGMA wal_autocheckpoint = 0", "PRAGMA wal_autocheckpoint", 0},
    {"PRAGMA journal_size_limit = 67108864", "PRAGMA journal_size_limit", 67108864},
    {"PRAGMA cache_size = -4096", "PRAGMA cache_size", -4096},
    {"PRAGMA mmap_size = 0", NULL, 0},
    {"PRAGMA temp_store = MEMORY", "PRAGMA temp_store", 2},
};

static int apply_settings(sqlite3 *db)
{
	for (size_t i = 0; i < BH_ARRAY_LEN(settings); i++) {
		sqlite3_int64 got = 0;
		int rc = settings[i].get ? get_int(db, settings[i].get, &got) : 0;

		/* Setting auto_vacuum writes, also what is there already. */
		if (!rc && (!settings[i].get || got != settings[i].want))
			rc = exec(db, settings[i].set);
		if (!rc && settings[i].get)
			rc = get_int(db, settings[i].get, &got);
		if (rc)
			return rc;
		if (settings[i].get && got != settings[i].want)
			return BH_E_CORRUPT;
	}
	return 0;
}

static int migrate(sqlite3 *db, sqlite3_int64 version)
{
	for (; version < BH_STORE_VERSION; version++) {
		int rc = exec(db, "BEGIN IMMEDIATE");

		if (!rc)
			rc = exec(db, migrations[version]);
		if (!rc)
			rc = exec(db, "COMMIT");
		if (rc) {
			/* Where SQLite rolled back by itself another one would fail, and hide why.
			 */
			if (!sqlite3_get_autocommit(db))
				(void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
			return rc;
		}
	}
	return 0;
}

int bh_store_prepare_file(sqlite3 *db)
{
	sqlite3_int64 app = 0, version = 0, tables = 0;
	int rc = apply_settings(db);

	if (!rc)
		rc = get_int(db, "PRAGMA application_id", &app);
	if (!rc)
		rc = get_int(db, "PRAGMA user_version", &version);
	if (!rc)
		rc = get_int(db, "SELECT count(*) FROM sqlite_schema", &tables);
	if (rc)
		return rc;
	if (tables > 0 && app != BH_STORE_APPLICATION_ID)
		return BH_E_CORRUPT;
	if (version > BH_STORE_VERSION)
		return BH_E_LIMIT;
	return migrate(db, tables > 0 ? version : 0);
}
