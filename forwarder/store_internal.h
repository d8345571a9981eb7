/* Shared by store.c (life of the file, destinations), store_statements.c (its SQL), store_write.c
 * (transactions), store_space.c (its bytes), store_memory.c (no file), store_read.c (loading) and
 * what reads beside them: replace.c, salvage*.c, spool_copy.c, spool_session.c and spool_purge.c.
 */
#ifndef BH_FORWARDER_STORE_INTERNAL_H
#define BH_FORWARDER_STORE_INTERNAL_H

#include <limits.h>

#include <sqlite3.h>

#include "forwarder/replace.h"
#include "forwarder/store.h"

#define NAME_CAP PATH_MAX

enum stmt {
	ST_BEGIN,
	ST_COMMIT,
	ST_PUT,
	ST_PUT_BODY,
	ST_PUT_DELIVERY,
	ST_ADD_PENDING,
	ST_DEL_DELIVERY,
	ST_END,
	ST_OWED,
	ST_OWERS,
	ST_DEL_SPOOL,
	ST_DEL_BODY,
	ST_POSITION,
	ST_FORGET,
	ST_SOURCE,
	ST_DEL_SOURCE,
	ST_PRODUCER,
	ST_META_SET,
	ST_META_GET,
	ST_CLAIM_OLD,
	ST_CLAIM_NEW,
	ST_LOAD,
	ST_BYTES,
	ST_OLDEST,
	ST_LEDGER,
	ST__N,
};

struct bh_store {
	struct bh_store_config cfg;
	char dir[NAME_CAP]; /* own copy; cfg.dir points at it */
	char path[NAME_CAP + 32], ballast[NAME_CAP + 32], wal[NAME_CAP + 40];
	sqlite3 *db;
	struct bh_store_vfs *vfs; /* below the connection; NULL = SQLite's own */
	uint64_t wal_used;        /* as bh_store_wal_used() */
	sqlite3_stmt *st[ST__N];
	uint8_t id[BH_STORE_ID_BYTES];
	uint64_t next_ord, ord_floor; /* floor: as committed; every ord in the file is below it */
	bool wal_over;                /* it was too large when it was last looked at */
	bool marked_clean;            /* the file still says so: the first commit takes it back */
	uint64_t recounted;           /* as bh_store_recounted() */
	uint64_t page_size;
	uint64_t ballast_bytes; /* 0 = there is none */
	struct bh_replaced replaced;
	bool damaged;   /* SQLite said so; noted beside the file */
	bool failed;    /* an operation failed for another reason than damage or a full disk */
	bool in_memory; /* path is ":memory:"; no rows, no ballast */
	bool leftover;  /* what lies at spool.db is of a creation that failed: no store */
	int without;    /* in memory: the error that no file can be made for */
};

/* Opens s->path as it is: 0 or as bh_store_open, BH_E_CORRUPT for damage. */
int bh_store_open_file(struct bh_store *s) BH_MUST_CHECK;
void bh_store_close_file(struct bh_store *s, bool clean);
/* The connection tells s of its commits: again when it becomes another one's. */
void bh_store_watch_wal(struct bh_store *s);
int bh_store_prepare(struct bh_store *s, enum stmt which) BH_MUST_CHECK;
int bh_store_prepare_all(struct bh_store *s) BH_MUST_CHECK;
/* Runs a prepared statement that returns no row, and makes it ready for the next use. */
int bh_store_run(struct bh_store *s, enum stmt which) BH_MUST_CHECK;
/* Reads all that a start relies on, bodies apart. */
int bh_store_probe(struct bh_store *s) BH_MUST_CHECK;
/* Columns 0 to 14 as SELECTs of the registry name them; strings borrow from the statement. */
void bh_store_read_position(sqlite3_stmt *st, struct bh_origin *o);
/* s->path and s->wal of a file of this name in the folder. */
void bh_store_name(struct bh_store *s, const char *name);
/* The one number of a query; 0 when it has no row. Returns 0 or the store's errors. */
int bh_store_scalar(struct bh_store *s, const char *query, sqlite3_int64 *out) BH_MUST_CHECK;
/* Opens s in memory; cause: why not on a file. */
int bh_store_open_in_memory(struct bh_store *s, int cause) BH_MUST_CHECK;
/* Is there a spool.db with something in it? */
bool bh_store_lies_there(const struct bh_store *s);
/* s->path, its WAL and its journal. */
void bh_store_remove_files(const struct bh_store *s);
/* For an I/O error (-EIO) what the system said, where that is a state of the disk: -ENOSPC (no more
 * inodes), -EDQUOT, -EROFS; otherwise rc. */
int bh_store_cause(sqlite3 *db, int rc);
/* Writes the file anew without its free pages, through memory: for a small one. No statement may be
 * open. */
int bh_store_vacuum(struct bh_store *s);
/* Maps a code of SQLite; notes damage and I/O errors. */
int bh_store_check(struct bh_store *s, int code);

/* An empty value is still a value: NOT NULL columns must not see NULL. */
static inline int bind_blob(sqlite3_stmt *st, int at, struct bh_str s)
{
	return sqlite3_bind_blob64(st, at, s.p ? s.p : "", s.n, SQLITE_STATIC);
}

/* The bits are kept, the sign is not a sign. */
static inline void bind_u64(sqlite3_stmt *st, int at, uint64_t v)
{
	(void)sqlite3_bind_int64(st, at, (sqlite3_int64)v);
}

#endif
