/* The statements of the store, prepared once, and the numbers of its meta table. */
#include "forwarder/store_internal.h"
#include "forwarder/store_schema.h"

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

int bh_store_run(struct bh_store *s, enum stmt which)
{
	int step = sqlite3_step(s->st[which]);

	(void)sqlite3_reset(s->st[which]);
	return step == SQLITE_ROW ? 0 : bh_store_check(s, step);
}

int bh_store_prepare_all(struct bh_store *s)
{
	for (int i = 0; i < ST__N; i++) {
		int rc = bh_store_prepare(s, (enum stmt)i);

		if (rc)
			return rc;
	}
	return 0;
}

int bh_store_meta_set(struct bh_store *s, const char *key, int64_t v)
{
	(void)sqlite3_bind_text(s->st[ST_META_SET], 1, key, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(s->st[ST_META_SET], 2, v);
	return bh_store_run(s, ST_META_SET);
}

int bh_store_meta_get(struct bh_store *s, const char *key, int64_t *v)
{
	int step;

	*v = 0;
	(void)sqlite3_bind_text(s->st[ST_META_GET], 1, key, -1, SQLITE_STATIC);
	step = sqlite3_step(s->st[ST_META_GET]);
	if (step == SQLITE_ROW)
		*v = sqlite3_column_int64(s->st[ST_META_GET], 0);
	(void)sqlite3_reset(s->st[ST_META_GET]);
	return step == SQLITE_ROW ? 1 : bh_store_check(s, step);
}
