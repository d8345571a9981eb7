#include "forwarder/spool_view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base64.h"
#include "common/crc.h"
#include "common/err.h"
#include "common/jsonw.h"
#include "common/percent.h"
#include "forwarder/quarantine.h"
#include "forwarder/store_schema.h"
#include "proto/link.h"
#include "proto/origin.h"

#define BODIES_AT_ONCE 4 /* rows of an export in one go */

/* --- the request ------------------------------------------------------------------------------ */

static const char *const verbs[BH_SPOOL__N] = {
    [BH_SPOOL_LS] = "ls",
    [BH_SPOOL_SHOW] = "show",
    [BH_SPOOL_EXPORT] = "export",
    [BH_SPOOL_SNAPSHOT] = "snapshot",
    [BH_SPOOL_REPLAY] = "replay",
    [BH_SPOOL_PURGE] = "purge",
    [BH_SPOOL_ACKNOWLEDGE] = "acknowledge",
};

/* Digits alone, at most 18 of them. */
static bool number(struct bh_str text, uint64_t *out)
{
	*out = 0;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		*out = *out * 10 + (uint64_t)(text.p[i] - '0');
	}
	return text.n > 0 && text.n <= 18;
}

static bool copy(struct bh_str text, char *out, size_t cap)
{
	if (text.n == 0 || text.n >= cap || memchr(text.p, '\0', text.n))
		return false;
	memcpy(out, text.p, text.n);
	out[text.n] = '\0';
	return true;
}

static const char *take_pair(struct bh_spool_request *r, struct bh_str key, struct bh_str value)
{
	uint64_t n = 0;

	if (bh_str_eq(key, BH_STR_LIT("id")))
		return number(value, &r->id) && r->id ? NULL : "an ID is a number from 1 on";
	if (bh_str_eq(key, BH_STR_LIT("destination")))
		return copy(value, r->destination, sizeof(r->destination))
			   ? NULL
			   : "that is no name of a destination";
	if (bh_str_eq(key, BH_STR_LIT("file")))
		return copy(value, r->file, sizeof(r->file)) ? NULL : "that is no name of a file";
	if (bh_str_eq(key, BH_STR_LIT("older"))) {
		if (!number(value, &n) || n > INT32_MAX)
			return "an age is a number of seconds";
		r->older_s = (int64_t)n;
		return NULL;
	}
	if (!bh_str_eq(key, BH_STR_LIT("class")))
		return "unknown option";
	r->class = bh_str_eq(value, BH_STR_LIT("logs")) ? BH_CLASS_LOGS : BH_CLASS_METRICS;
	return r->class == BH_CLASS_LOGS || bh_str_eq(value, BH_STR_LIT("metrics"))
		   ? NULL
		   : "a class is logs or metrics";
}

static struct bh_str cut_line(struct bh_str *text)
{
	const char *end = text->n ? memchr(text->p, '\n', text->n) : NULL;
	struct bh_str line = {text->p, end ? (size_t)(end - text->p) : text->n};
	size_t used = line.n + (end != NULL);

	*text = (struct bh_str){text->p + used, text->n - used};
	return line;
}

int bh_spool_request_parse(struct bh_str text, struct bh_spool_request *r, const char **why)
{
	struct bh_str line = cut_line(&text);
	int v = 0;

	*r = (struct bh_spool_request){.older_s = -1};
	*why = "not a question about the spool";
	while (v < BH_SPOOL__N && !bh_str_eq(line, bh_str_from(verbs[v])))
		v++;
	if (v == BH_SPOOL__N)
		return BH_E_FORMAT;
	r->verb = (enum bh_spool_verb)v;
	while (text.n) {
		const char *eq;

		line = cut_line(&text);
		eq = line.n ? memchr(line.p, '=', line.n) : NULL;
		*why = eq ? take_pair(r, (struct bh_str){line.p, (size_t)(eq - line.p)},
				(struct bh_str){eq + 1, line.n - (size_t)(eq - line.p) - 1})
			  : "not a key and its value";
		if (*why)
			return BH_E_FORMAT;
	}
	*why = "needs an ID";
	return r->verb == BH_SPOOL_SHOW && !r->id ? BH_E_FORMAT : 0;
}

bool bh_spool_wants_destination(const struct bh_spool_request *r, const char *key)
{
	return r->destination[0] ? strcmp(r->destination, key) == 0
				 : r->id || strcmp(key, BH_QUARANTINE_NAME) != 0;
}

bool bh_spool_means_quarantine(const struct bh_spool_request *r)
{
	return r->destination[0] ? strcmp(r->destination, BH_QUARANTINE_NAME) == 0 : r->id != 0;
}

bool bh_spool_wants_row(
    const struct bh_spool_request *r, int kind, int64_t created_ms, int64_t now_ms)
{
	bool logs = kind == BH_KIND_LOGS;

	if (r->class != BH_CLASS_ALL && logs != (r->class == BH_CLASS_LOGS))
		return false;
	return r->older_s < 0 || created_ms <= now_ms - r->older_s * 1000;
}

/* --- rows ------------------------------------------------------------------------------------- */

/* Columns, in their order. */
enum {
	ORD,
	PRODUCER,
	KIND,
	CREATED,
	EXPIRES,
	ITEMS,
	RAW,
	BYTES,
	CRC,
	ENCODING,
	ORIGINS,
	EPOCH,
	OWED,
	BODY
};

static const char rows_sql[] =
    "SELECT ord,producer,kind,created_ms,expires_ms,items,raw_len,body_len,body_crc,encoding,"
    "origins,epoch,(SELECT group_concat(t.key,char(10)) FROM destination t CROSS JOIN delivery d "
    "ON "
    "d.dest=t.id AND d.ord=s.ord),"
    "CASE WHEN ?4 THEN (SELECT body FROM spool_body b WHERE b.ord=s.ord) END"
    " FROM spool s WHERE ord>?1 AND ord<=?2 ORDER BY ord LIMIT ?3";

static struct bh_str column(sqlite3_stmt *st, int at)
{
	const void *p = sqlite3_column_blob(st, at);

	return (struct bh_str){p, (size_t)sqlite3_column_bytes(st, at)};
}

static void put_time(struct bh_jsonw *w, const char *key, int64_t ms)
{
	time_t at = (time_t)(ms / 1000);
	char text[32] = "";
	struct tm tm;

	if (gmtime_r(&at, &tm))
		(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	bh_jsonw_str(w, key, text);
}

static const char *kind_name(int kind)
{
	static const char *const names[BH_KIND__END] = {
	    [BH_KIND_LOGS] = "logs",
	    [BH_KIND_SERIES_V2] = "series",
	    [BH_KIND_SKETCHES] = "sketches",
	    [BH_KIND_SERIES_V1] = "series-v1",
	    [BH_KIND_CHECKS] = "checks",
	    [BH_KIND_EVENTS] = "events",
	    [BH_KIND_METADATA] = "metadata",
	};

	return kind > 0 && kind < BH_KIND__END && names[kind] ? names[kind] : "unknown";
}

/* The destinations that are owed the row; false: none of them is wanted. */
static bool put_owed(struct bh_jsonw *w, const struct bh_spool_request *r, struct bh_str keys)
{
	bool wanted = false;

	bh_jsonw_array(w, "destinations");
	while (keys.n) {
		struct bh_str key = cut_line(&keys);
		char name[BH_SPOOL_NAME_MAX + 1];

		if (!copy(key, name, sizeof(name)))
			continue;
		wanted |= bh_spool_wants_destination(r, name);
		bh_jsonw_str(w, NULL, name);
	}
	bh_jsonw_array_end(w);
	return wanted;
}

static void put_origins(struct bh_jsonw *w, struct bh_str origins)
{
	struct bh_origins_reader reader;
	struct bh_origin o;

	bh_jsonw_array(w, "origins");
	if (bh_origins_begin(&reader, origins.p, origins.n) == 0) {
		while (bh_origins_next(&reader, &o) == 1) {
			struct bh_buf name = BH_BUF_INIT;
			char gen[24];

			(void)bh_percent_encode(o.identifier, &name);
			(void)snprintf(gen, sizeof(gen), "%llu", (unsigned long long)o.gen);
			bh_jsonw_object(w, NULL);
			bh_jsonw_bytes(w, "identifier", name.data, name.len);
			bh_jsonw_str(w, "generation", gen);
			bh_jsonw_bytes(w, "from", o.offset_first.p, o.offset_first.n);
			bh_jsonw_bytes(w, "to", o.offset_last.p, o.offset_last.n);
			bh_jsonw_object_end(w);
			bh_buf_release(&name);
		}
	}
	bh_jsonw_array_end(w);
}

static void put_body(struct bh_jsonw *w, sqlite3_stmt *st, bool whole)
{
	struct bh_str body = column(st, BODY);
	struct bh_buf text = BH_BUF_INIT;
	bool ok = body.n == (size_t)sqlite3_column_int64(st, BYTES) &&
		  bh_crc32c(0, body.p, body.n) == (uint32_t)sqlite3_column_int64(st, CRC);

	bh_jsonw_bool(w, "damaged", !ok);
	if (whole) {
		(void)bh_base64_encode(body, &text);
		bh_jsonw_bytes(w, "body", text.data, text.len);
	}
	bh_buf_release(&text);
}

/* Of a copy in the quarantine: who refused it, and how. "" = the primary one of its class. */
static void put_refusal(struct bh_jsonw *w, sqlite3_stmt *st)
{
	static const char head[] = BH_QUARANTINE_NAME;
	const size_t n = sizeof(head) - 1;
	struct bh_str who = column(st, PRODUCER);
	bool logs = sqlite3_column_int(st, KIND) == BH_KIND_LOGS;

	if (!bh_str_starts(who, bh_str_from(head)))
		return;
	bh_jsonw_i64(w, "status", sqlite3_column_int64(st, EPOCH));
	if (who.n > n + 1)
		bh_jsonw_bytes(w, "refused_by", who.p + n + 1, who.n - n - 1);
	else
		bh_jsonw_str(w, "refused_by", logs ? "logs/primary" : "metrics/primary");
}

/* false: the row is not wanted, out is as before. */
static bool put_row(sqlite3_stmt *st, const struct bh_spool_request *r, struct bh_buf *out)
{
	size_t before = out->len;
	struct bh_jsonw w;

	bh_jsonw_init(&w, out);
	bh_jsonw_object(&w, NULL);
	bh_jsonw_i64(&w, "id", sqlite3_column_int64(st, ORD));
	if (!put_owed(&w, r, column(st, OWED))) {
		out->len = before;
		return false;
	}
	bh_jsonw_bytes(&w, "producer", column(st, PRODUCER).p, column(st, PRODUCER).n);
	put_refusal(&w, st);
	bh_jsonw_str(&w, "kind", kind_name(sqlite3_column_int(st, KIND)));
	put_time(&w, "created", sqlite3_column_int64(st, CREATED));
	bh_jsonw_i64(&w, "created_ms", sqlite3_column_int64(st, CREATED));
	bh_jsonw_i64(&w, "expires_ms", sqlite3_column_int64(st, EXPIRES));
	bh_jsonw_i64(&w, "items", sqlite3_column_int64(st, ITEMS));
	bh_jsonw_i64(&w, "bytes", sqlite3_column_int64(st, BYTES));
	bh_jsonw_i64(&w, "raw_bytes", sqlite3_column_int64(st, RAW));
	bh_jsonw_bytes(&w, "encoding", column(st, ENCODING).p, column(st, ENCODING).n);
	if (r->verb != BH_SPOOL_LS) {
		put_origins(&w, column(st, ORIGINS));
		put_body(&w, st, r->verb == BH_SPOOL_EXPORT);
	}
	bh_jsonw_object_end(&w);
	(void)bh_buf_u8(out, '\n');
	return true;
}

static void look_at(sqlite3_stmt *st, const struct bh_spool_request *r, int64_t now_ms,
    struct bh_spool_walk *w, struct bh_buf *out)
{
	w->after = (uint64_t)sqlite3_column_int64(st, ORD);
	if (!bh_spool_wants_row(
		r, sqlite3_column_int(st, KIND), sqlite3_column_int64(st, CREATED), now_ms) ||
	    !put_row(st, r, out))
		return;
	w->rows++;
	w->items += (uint64_t)sqlite3_column_int64(st, ITEMS);
	w->bytes += (uint64_t)sqlite3_column_int64(st, BYTES);
}

int bh_spool_walk(sqlite3 *db, const struct bh_spool_request *r, int64_t now_ms,
    struct bh_spool_walk *w, struct bh_buf *out)
{
	const int most = r->verb == BH_SPOOL_EXPORT ? BODIES_AT_ONCE : BH_SPOOL_SLICE;
	sqlite3_stmt *st = NULL;
	int n = 0, step = SQLITE_DONE;
	int rc = bh_store_error(sqlite3_prepare_v2(db, rows_sql, -1, &st, NULL));

	if (!rc) {
		uint64_t from = r->id ? BH_MAX(w->after, r->id - 1) : w->after;

		(void)sqlite3_bind_int64(st, 1, (sqlite3_int64)from);
		(void)sqlite3_bind_int64(
		    st, 2, r->id ? (sqlite3_int64)r->id : (sqlite3_int64)INT64_MAX);
		(void)sqlite3_bind_int(st, 3, most);
		(void)sqlite3_bind_int(st, 4, r->verb != BH_SPOOL_LS);
	}
	while (!rc && (step = sqlite3_step(st)) == SQLITE_ROW) {
		look_at(st, r, now_ms, w, out);
		n++;
	}
	if (!rc)
		rc = bh_store_error(step);
	(void)sqlite3_finalize(st);
	w->over = n < most;
	return rc ? rc : bh_buf_failed(out);
}

/* --- the last line ---------------------------------------------------------------------------- */

void bh_spool_put_end(const struct bh_spool_walk *walk, uint64_t under_way, struct bh_buf *out)
{
	struct bh_jsonw w;

	bh_jsonw_init(&w, out);
	bh_jsonw_object(&w, NULL);
	bh_jsonw_bool(&w, "end", true);
	bh_jsonw_u64(&w, "payloads", walk->rows);
	bh_jsonw_u64(&w, "items", walk->items);
	bh_jsonw_u64(&w, "bytes", walk->bytes);
	bh_jsonw_u64(&w, "under_way", under_way);
	bh_jsonw_object_end(&w);
	(void)bh_buf_u8(out, '\n');
}

void bh_spool_put_error(const char *text, struct bh_buf *out)
{
	struct bh_jsonw w;

	bh_jsonw_init(&w, out);
	bh_jsonw_object(&w, NULL);
	bh_jsonw_str(&w, "error", text);
	bh_jsonw_object_end(&w);
	(void)bh_buf_u8(out, '\n');
}

void bh_spool_put_last(const struct bh_spool_request *r, const struct bh_spool_walk *walk,
    uint64_t under_way, struct bh_buf *out)
{
	if (r->id && walk->rows == 0 && under_way == 0)
		bh_spool_put_error("the spool has no such payload", out);
	else
		bh_spool_put_end(walk, under_way, out);
}
