#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/crc.h"
#include "forwarder/store_internal.h"
#include "forwarder/store_schema.h"

static struct bh_str column(sqlite3_stmt *st, int at)
{
	const void *p = sqlite3_column_blob(st, at);

	return (struct bh_str){p, (size_t)sqlite3_column_bytes(st, at)};
}

static uint64_t column_u64(sqlite3_stmt *st, int at)
{
	return (uint64_t)sqlite3_column_int64(st, at);
}

#define REFUSED_KEY   "refused.%s" /* in meta, of a producer: seq and cause of its last refusal */
#define REFUSED_CAUSE 4            /* more than there are of these */

int bh_store_refused(struct bh_store *s, const char *name, const struct bh_receiver *r)
{
	char key[64];

	(void)snprintf(key, sizeof(key), REFUSED_KEY, name);
	return bh_store_meta_set(s, key, (int64_t)r->refused * REFUSED_CAUSE + (int64_t)r->cause);
}

static int load_refused(struct bh_store *s, const char *name, struct bh_receiver *r)
{
	char key[64];
	int64_t v = 0;
	int rc;

	(void)snprintf(key, sizeof(key), REFUSED_KEY, name);
	rc = bh_store_meta_get(s, key, &v);
	if (rc != 1)
		return rc;
	r->refused = (uint64_t)v / REFUSED_CAUSE;
	r->cause = (enum bh_refuse_cause)((uint64_t)v % REFUSED_CAUSE);
	if (!bh_receiver_durable(r, r->refused))
		r->refused = 0; /* of a mark that was lost */
	return 0;
}

int bh_store_load_producer(struct bh_store *s, const char *name, struct bh_receiver *r)
{
	sqlite3_stmt *st = NULL;
	int rc = bh_store_check(
	    s, sqlite3_prepare_v2(
		   s->db, "SELECT epoch,base_seq,mask FROM producer WHERE name=?1", -1, &st, NULL));
	int step;

	*r = (struct bh_receiver){0};
	if (rc)
		return rc;
	(void)sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
	step = sqlite3_step(st);
	if (step == SQLITE_ROW) {
		r->epoch = column_u64(st, 0);
		r->base = r->rcvd = column_u64(st, 1);
		r->mask = column_u64(st, 2);
	}
	rc = bh_store_check(s, step);
	(void)sqlite3_finalize(st);
	return rc ? rc : load_refused(s, name, r);
}

void bh_store_read_position(sqlite3_stmt *st, struct bh_origin *o)
{
	int state = sqlite3_column_int(st, 14);

	*o = (struct bh_origin){
	    .identifier = column(st, 0),
	    .gen = column_u64(st, 1),
	    .path = column(st, 2),
	    .dev = column_u64(st, 3),
	    .ino = column_u64(st, 4),
	    .offset_last = column(st, 5),
	    .offset_first = column(st, 6),
	    .marker_len = (uint32_t)sqlite3_column_int64(st, 7),
	    .marker_hash = column_u64(st, 8),
	    .fp_value = column_u64(st, 9),
	    .fp_config = column(st, 10),
	    .tailing_mode = column(st, 11),
	    .ingestion_ns = sqlite3_column_int64(st, 12),
	    .last_size = column_u64(st, 13),
	    .state = state >= 0 && state <= BH_ORIGIN_FORGOTTEN ? (enum bh_origin_state)state
								: BH_ORIGIN_LIVE,
	};
}

static int each_row(
    struct bh_store *s, int (*fn)(void *ctx, const struct bh_position *p), void *ctx)
{
	static const char query[] =
	    "SELECT "
	    "identifier,gen,path,dev,ino,safe,delivered,marker_len,marker_hash,fp_value,fp_config,"
	    "tailing_mode,ingest_ns,last_size,state,safe_ord,delivered_ord,complete,complete_ord "
	    "FROM registry";
	sqlite3_stmt *st = NULL;
	int rc = bh_store_check(s, sqlite3_prepare_v2(s->db, query, -1, &st, NULL));
	int step = SQLITE_ROW;

	while (!rc && (step = sqlite3_step(st)) == SQLITE_ROW) {
		struct bh_position p = {
		    .safe_ord = column_u64(st, 15),
		    .delivered_ord = column_u64(st, 16),
		    .complete = column(st, 17),
		    .complete_ord = column_u64(st, 18),
		};

		bh_store_read_position(st, &p.row);
		rc = fn(ctx, &p);
	}
	if (!rc)
		rc = bh_store_check(s, step);
	(void)sqlite3_finalize(st);
	return rc;
}

/* As it was handed over: an identifier and a time in text. */
static int give_source(struct bh_str hash, int64_t last_scan_ms,
    int (*fn)(void *ctx, const struct bh_position *p), void *ctx)
{
	struct bh_buf identifier = BH_BUF_INIT;
	struct bh_origin o = {.gen = BH_ORIGIN_SOURCE_GEN};
	struct bh_position p;
	char at[24];
	int rc;

	(void)snprintf(at, sizeof(at), "%" PRId64, last_scan_ms);
	(void)bh_buf_str(&identifier, "source:");
	(void)bh_buf_append(&identifier, hash.p, hash.n);
	o.identifier = bh_buf_view(&identifier);
	o.offset_first = o.offset_last = bh_str_from(at);
	rc = bh_buf_failed(&identifier);
	p = bh_position_of(&o, 0, 0);
	if (!rc)
		rc = fn(ctx, &p);
	bh_buf_release(&identifier);
	return rc;
}

static int each_source(
    struct bh_store *s, int (*fn)(void *ctx, const struct bh_position *p), void *ctx)
{
	sqlite3_stmt *st = NULL;
	int rc = bh_store_check(s,
	    sqlite3_prepare_v2(s->db, "SELECT cfg_hash,last_scan_ms FROM source", -1, &st, NULL));
	int step = SQLITE_ROW;

	while (!rc && (step = sqlite3_step(st)) == SQLITE_ROW)
		rc = give_source(column(st, 0), sqlite3_column_int64(st, 1), fn, ctx);
	if (!rc)
		rc = bh_store_check(s, step);
	(void)sqlite3_finalize(st);
	return rc;
}

int bh_store_each_position(
    struct bh_store *s, int (*fn)(void *ctx, const struct bh_position *p), void *ctx)
{
	int rc = each_row(s, fn, ctx);

	return rc ? rc : each_source(s, fn, ctx);
}

int bh_store_each_origins(
    struct bh_store *s, int (*fn)(void *ctx, uint64_t ord, struct bh_str origins), void *ctx)
{
	static const char query[] =
	    "SELECT ord,origins FROM spool s WHERE EXISTS (SELECT 1 FROM destination d"
	    " CROSS JOIN delivery y ON y.dest=d.id AND y.ord=s.ord WHERE d.reliable) ORDER BY ord";
	sqlite3_stmt *st = NULL;
	int rc = bh_store_check(s, sqlite3_prepare_v2(s->db, query, -1, &st, NULL));
	int step = SQLITE_ROW;

	while (!rc && (step = sqlite3_step(st)) == SQLITE_ROW)
		rc = fn(ctx, column_u64(st, 0), column(st, 1));
	if (!rc)
		rc = bh_store_check(s, step);
	(void)sqlite3_finalize(st);
	return rc;
}

static int count_all(struct bh_store *s, const char *query)
{
	return bh_store_check(s, sqlite3_exec(s->db, query, NULL, NULL, NULL));
}

static int look_at_origins(void *ctx, uint64_t ord, struct bh_str origins)
{
	(void)ctx, (void)ord;
	return bh_origins_fit(origins) ? 0 : BH_E_CORRUPT;
}

static int look_at_position(void *ctx, const struct bh_position *p)
{
	(void)ctx, (void)p;
	return 0;
}

/* Where one destination has not fallen behind another these are written twice: a page that was
 * changed under us shows. */
static int columns_agree(struct bh_store *s)
{
	sqlite3_stmt *st = NULL;
	int rc = bh_store_check(s,
	    sqlite3_prepare_v2(s->db,
		"SELECT 1 FROM registry WHERE (complete_ord=delivered_ord AND complete<>delivered)"
		" OR complete_ord>delivered_ord OR delivered_ord>safe_ord LIMIT 1",
		-1, &st, NULL));
	int step = rc ? SQLITE_DONE : sqlite3_step(st);

	if (!rc)
		rc = step == SQLITE_ROW ? BH_E_CORRUPT : bh_store_check(s, step);
	(void)sqlite3_finalize(st);
	return rc;
}

/* Everything the start is about to rely on can be read. Bodies are left to their checksums. */
int bh_store_probe(struct bh_store *s)
{
	int rc = bh_store_each_position(s, look_at_position, NULL);

	if (!rc)
		rc = bh_store_each_origins(s, look_at_origins, NULL);
	if (!rc)
		rc = columns_agree(s);
	if (!rc)
		rc = count_all(s, "SELECT count(*) FROM delivery");
	if (!rc)
		rc = count_all(s, "SELECT count(n) FROM ledger");
	if (!rc)
		rc = count_all(s, "SELECT count(*) FROM destination INDEXED BY "
				  "sqlite_autoindex_destination_1 WHERE key>''");
	return rc ? rc : count_all(s, "SELECT count(*) FROM destination, producer");
}

int bh_store_each_owed(
    struct bh_store *s, int (*fn)(void *ctx, int64_t id, const char *key, int kind), void *ctx)
{
	sqlite3_stmt *st = NULL;
	int rc = bh_store_check(s, sqlite3_prepare_v2(s->db,
				       "SELECT id,key,kind FROM destination WHERE pending_rows>0 "
				       "ORDER BY id",
				       -1, &st, NULL));
	int step = SQLITE_ROW;

	while (!rc && (step = sqlite3_step(st)) == SQLITE_ROW) {
		const char *key = (const char *)sqlite3_column_text(st, 1);

		rc =
		    fn(ctx, sqlite3_column_int64(st, 0), key ? key : "", sqlite3_column_int(st, 2));
	}
	if (!rc)
		rc = bh_store_check(s, step);
	(void)sqlite3_finalize(st);
	return rc;
}

int bh_store_claim(struct bh_store *s, int64_t dest, bool newest, unsigned skip_max,
    bool (*skip)(void *ctx, uint64_t ord), void *ctx, uint64_t *ord)
{
	sqlite3_stmt *st = s->st[newest ? ST_CLAIM_NEW : ST_CLAIM_OLD];
	int step, found = 0;

	(void)sqlite3_bind_int64(st, 1, dest);
	(void)sqlite3_bind_int64(st, 2, (sqlite3_int64)skip_max + 1);
	while (!found && (step = sqlite3_step(st)) == SQLITE_ROW) {
		*ord = column_u64(st, 0);
		found = !skip(ctx, *ord);
	}
	(void)sqlite3_reset(st);
	return found ? 1 : bh_store_check(s, step);
}

/* Copies the strings of the row behind each other into one block; the body follows. */
static int copy_row(sqlite3_stmt *st, uint64_t ord, struct bh_spool_row *row, char **block,
    size_t *body_len, uint32_t *crc)
{
	struct bh_str producer = column(st, 0), origins = column(st, 11);
	uint64_t n = column_u64(st, 8);
	char *p;

	if (n > BH_STORE_BODY_MAX)
		return BH_E_CORRUPT;
	p = malloc(producer.n + 1 + origins.n + n + 1);
	if (!p)
		return -ENOMEM;
	*block = p;
	*body_len = n;
	*crc = (uint32_t)sqlite3_column_int64(st, 9);
	if (producer.n)
		memcpy(p, producer.p, producer.n);
	p[producer.n] = '\0';
	if (origins.n)
		memcpy(p + producer.n + 1, origins.p, origins.n);
	*row = (struct bh_spool_row){
	    .ord = ord,
	    .producer = p,
	    .epoch = column_u64(st, 1),
	    .seq = column_u64(st, 2),
	    .kind = (enum bh_kind)sqlite3_column_int(st, 3),
	    .created_ms = sqlite3_column_int64(st, 4),
	    .expires_ms = sqlite3_column_int64(st, 5),
	    .items = (uint32_t)sqlite3_column_int64(st, 6),
	    .raw_len = column_u64(st, 7),
	    .origins = {p + producer.n + 1, origins.n},
	    .body = {p + producer.n + 1 + origins.n, 0},
	};
	return bh_encoding_parse(column(st, 10), &row->encoding) ? BH_E_CORRUPT : 0;
}

/* Straight to its place: SQLite makes no copy of a whole body. */
static int copy_body(struct bh_store *s, uint64_t ord, char *to, size_t n, uint32_t crc)
{
	sqlite3_blob *blob = NULL;
	bool fits = false;
	int rc =
	    sqlite3_blob_open(s->db, "main", "spool_body", "body", (sqlite3_int64)ord, 0, &blob);

	if (rc == SQLITE_OK)
		fits = (size_t)sqlite3_blob_bytes(blob) == n;
	if (fits && n)
		rc = sqlite3_blob_read(blob, to, (int)n, 0);
	(void)sqlite3_blob_close(blob); /* an open read pins the WAL */
	if ((rc & 0xff) == SQLITE_IOERR || (rc & 0xff) == SQLITE_NOMEM)
		return bh_store_check(s, rc);
	return rc == SQLITE_OK && fits && bh_crc32c(0, to, n) == crc ? 0 : BH_E_CORRUPT;
}

int bh_store_load(struct bh_store *s, uint64_t ord, struct bh_spool_row *row, void **block)
{
	sqlite3_stmt *st = s->st[ST_LOAD];
	char *mem = NULL;
	size_t n = 0;
	uint32_t crc = 0;
	int step, rc;

	bind_u64(st, 1, ord);
	step = sqlite3_step(st);
	rc = step == SQLITE_ROW ? copy_row(st, ord, row, &mem, &n, &crc)
				: (step == SQLITE_DONE ? -ENOENT : bh_store_check(s, step));
	(void)sqlite3_reset(st);
	*block = mem;
	if (rc)
		return rc;
	rc = copy_body(s, ord, mem + (row->body.p - mem), n, crc);
	if (!rc)
		row->body.n = n;
	return rc;
}

int bh_store_oldest(
    struct bh_store *s, int64_t dest, int64_t now_ms, uint64_t *ord, uint32_t *items)
{
	sqlite3_stmt *st = s->st[ST_OLDEST];
	int64_t expires = 0;
	int step;

	(void)sqlite3_bind_int64(st, 1, dest);
	step = sqlite3_step(st);
	if (step == SQLITE_ROW) {
		*ord = column_u64(st, 0);
		*items = (uint32_t)sqlite3_column_int64(st, 1);
		expires = sqlite3_column_int64(st, 2);
	}
	(void)sqlite3_reset(st);
	if (step != SQLITE_ROW)
		return bh_store_check(s, step);
	return expires <= now_ms ? 1 : 0;
}
