#include "forwarder/store_ledger.h"

#include "forwarder/store_internal.h"
#include "forwarder/store_schema.h"

int bh_store_ledger_put(
    struct bh_store *s, const char *kind, const char *name, const char *entry, int64_t n)
{
	sqlite3_stmt *st = s->st[ST_LEDGER];
	int step;

	(void)sqlite3_bind_text(st, 1, kind, -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(st, 2, name, -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(st, 3, entry, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(st, 4, n);
	step = sqlite3_step(st);
	(void)sqlite3_reset(st);
	return bh_store_check(s, step);
}

static const char *text(sqlite3_stmt *st, int at)
{
	const unsigned char *p = sqlite3_column_text(st, at);

	return p ? (const char *)p : "";
}

/* What SQLite says is *code; fn's error is returned. */
static int each(
    sqlite3 *db, int (*fn)(void *ctx, const struct bh_ledger_entry *e), void *ctx, int *code)
{
	sqlite3_stmt *st = NULL;
	int rc = 0;

	*code = sqlite3_prepare_v2(db, "SELECT kind,name,entry,n FROM ledger", -1, &st, NULL);
	while (!rc && (*code == SQLITE_OK || *code == SQLITE_ROW)) {
		*code = sqlite3_step(st);
		if (*code == SQLITE_ROW) {
			const struct bh_ledger_entry e = {
			    text(st, 0), text(st, 1), text(st, 2), sqlite3_column_int64(st, 3)};

			rc = fn(ctx, &e);
		}
	}
	(void)sqlite3_finalize(st);
	return rc;
}

int bh_store_ledger_each(
    struct bh_store *s, int (*fn)(void *ctx, const struct bh_ledger_entry *e), void *ctx)
{
	int code, rc = each(s->db, fn, ctx, &code);

	return rc ? rc : bh_store_check(s, code);
}

static int copy_entry(void *ctx, const struct bh_ledger_entry *e)
{
	return bh_store_ledger_put(ctx, e->kind, e->name, e->entry, e->n);
}

int bh_store_ledger_salvage(struct bh_store *old, struct bh_store *to)
{
	int code = SQLITE_OK, rc = bh_store_begin(to);

	if (!rc)
		rc = each(old->db, copy_entry, to, &code);
	/* A part of it would not balance: then rather none. */
	if (!rc && code == SQLITE_DONE)
		return bh_store_commit(to);
	bh_store_rollback(to);
	return rc;
}
