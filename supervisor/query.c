#include "supervisor/query.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/jsonw.h"
#include "common/percent.h"
#include "proto/origin.h"
#include "supervisor/import.h"
#include "supervisor/registry_view.h"
#include "supervisor/supervisor.h"

struct question {
	enum bh_verb verb;
	enum bh_role role;
	enum bh_query_what what;
	bool alike; /* everybody who asks gets the same answer */
};

static const struct question questions[] = {
    {BH_VERB_DOGSTATSD_STATS, BH_ROLE_DOGSTATSD, BH_QUERY_METRICS, true},
    {BH_VERB_CONTEXTS, BH_ROLE_DOGSTATSD, BH_QUERY_CONTEXTS, true},
    {BH_VERB_SENDERS, BH_ROLE_DOGSTATSD, BH_QUERY_SENDERS, true},
    {BH_VERB_REGISTRY, BH_ROLE_FORWARDER, BH_QUERY_REGISTRY, true},
    {BH_VERB_REGISTRY_SHOW, BH_ROLE_FORWARDER, BH_QUERY_REGISTRY, false},
    {BH_VERB_REGISTRY_FORGET, BH_ROLE_FORWARDER, BH_QUERY_FORGET, false},
    {BH_VERB_REGISTRY_IMPORT, BH_ROLE_FORWARDER, BH_QUERY_IMPORT, false},
    {BH_VERB_QUARANTINE, BH_ROLE_FORWARDER, BH_QUERY_QUARANTINE, true},
    {BH_VERB_QUARANTINE_REPLAY, BH_ROLE_FORWARDER, BH_QUERY_REPLAY, false},
};

static const struct question *question_of(enum bh_verb verb)
{
	for (size_t i = 0; i < BH_ARRAY_LEN(questions); i++) {
		if (questions[i].verb == verb)
			return &questions[i];
	}
	return NULL;
}

void bh_query_release(struct bh_query *q)
{
	for (size_t i = 0; i < BH_ROW__N; i++)
		bh_buf_release(&q->json[i]);
	bh_buf_release(&q->record);
	bh_buf_release(&q->subject);
	bh_timer_cancel(&q->timer);
}

static void give_up(struct bh_supervisor *s, enum bh_role role, const char *why);

/* --- asking
 * --------------------------------------------------------------------------------------- */

static void answer_failed(struct bh_ctl_conn *conn, enum bh_role role, const char *what)
{
	char text[80];

	(void)snprintf(text, sizeof(text), "%s %s", bh_role_name(role), what);
	bh_ctl_answer_error(conn, text);
}

/* What the request names, as bytes; false when it was answered. */
static bool take_argument(struct bh_ctl_conn *conn, struct bh_buf *arg)
{
	if (!conn->arg.n)
		return true;
	if (bh_percent_decode(conn->arg, arg)) {
		bh_ctl_answer_error(conn, "a % stands for a byte, %XX");
		return false;
	}
	if (arg->len <= BH_CTL_ARG_MAX)
		return true;
	bh_ctl_answer_error(conn, "the argument is longer than 8192 bytes");
	return false;
}

static void on_late(struct bh_timer *t)
{
	struct bh_query *q = BH_CONTAINER(t, struct bh_query, timer);

	give_up(q->supervisor, q->role, "did not answer in time");
}

static void open_query(struct bh_query *q)
{
	q->open = true;
	bh_timer_in(&q->supervisor->loop, &q->timer, BH_QUERY_NS, on_late);
}

static void ask(struct bh_supervisor *s, struct bh_ctl_conn *conn, const struct question *how,
    struct bh_str arg)
{
	struct bh_query *q = &s->queries[how->role];
	struct bh_kid_query question = {.id = q->id + 1,
	    .what = how->what,
	    .limit = how->role == BH_ROLE_DOGSTATSD ? BH_QUERY_ROWS : BH_QUERY_REGISTRY_ROWS,
	    .arg = arg,
	    .fd = -1};
	struct bh_err err = BH_ERR_INIT;

	bh_query_release(q);
	*q = (struct bh_query){
	    .id = question.id, .verb = conn->verb, .supervisor = s, .role = how->role};
	if (how->what == BH_QUERY_IMPORT) {
		question.fd = bh_import_open(arg.p, arg.n, &err);
		question.arg = (struct bh_str){NULL, 0};
		(void)bh_buf_append(&q->subject, conn->arg.p, conn->arg.n);
	}
	if (how->what == BH_QUERY_IMPORT && question.fd < 0)
		bh_ctl_answer_error(conn, err.text);
	else if (!bh_kid_query(&s->kids[how->role], &question))
		answer_failed(conn, how->role, "does not run");
	else
		open_query(q);
	if (question.fd >= 0)
		(void)close(question.fd);
}

void bh_query_take(struct bh_supervisor *s, struct bh_ctl_conn *conn)
{
	const struct question *how = question_of(conn->verb);
	struct bh_query *q = &s->queries[how->role];
	struct bh_buf arg = BH_BUF_INIT;

	if (q->open && q->verb == conn->verb && how->alike)
		return; /* the answer that is under way is for this one too */
	if (q->open)
		answer_failed(conn, how->role, "is answering another question: ask again");
	else if (take_argument(conn, &arg))
		ask(s, conn, how, bh_buf_view(&arg));
	bh_buf_release(&arg);
}

/* --- rows
 * ----------------------------------------------------------------------------------------- */

static void put_time(struct bh_jsonw *w, const char *key, int64_t unix_s)
{
	time_t at = (time_t)unix_s;
	char text[32] = "";
	struct tm tm;

	if (gmtime_r(&at, &tm))
		(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	bh_jsonw_str(w, key, text);
}

static void put_registry_row(struct bh_query *q, struct bh_jsonw *w, const struct bh_query_row *row)
{
	struct bh_origin o;

	if (bh_origin_decode(bh_buf_view(&q->record), &o)) {
		q->fault = "a row of the registry does not decode";
		return;
	}
	bh_registry_row_json(w, &o, strcmp(row->text, "imported") == 0, row->count);
}

static void put_row(struct bh_query *q, struct bh_jsonw *w, const struct bh_query_row *row)
{
	switch (row->kind) {
	case BH_ROW_METRIC:
		bh_jsonw_str(w, "name", row->name);
		bh_jsonw_u64(w, "count", row->count);
		put_time(w, "last_seen", row->at);
		bh_jsonw_str(w, "tags", row->text);
		return;
	case BH_ROW_NAME:
		bh_jsonw_str(w, "name", row->name);
		bh_jsonw_u64(w, "contexts", row->count);
		return;
	case BH_ROW_TAG_KEY:
		bh_jsonw_str(w, "key", row->name);
		bh_jsonw_u64(w, "values", row->count);
		return;
	case BH_ROW_SENDER:
		bh_jsonw_u64(w, "pid", strtoull(row->name, NULL, 10));
		bh_jsonw_u64(w, "uid", strtoull(row->text, NULL, 10));
		bh_jsonw_u64(w, "packets", row->count);
		put_time(w, "last_seen", row->at);
		return;
	case BH_ROW_REGISTRY:
		put_registry_row(q, w, row);
		return;
	case BH_ROW_COUNT:
	case BH_ROW_END:
	case BH_ROW__N:
		return;
	}
}

static void add_row(struct bh_query *q, const struct bh_query_row *row)
{
	unsigned most = row->kind == BH_ROW_REGISTRY ? BH_QUERY_REGISTRY_ROWS : BH_QUERY_ROWS;
	struct bh_buf *out = &q->json[row->kind];
	struct bh_jsonw w;

	/* A child that sends more than it was asked for fills nobody's memory. */
	if (q->rows[row->kind]++ >= most)
		return;
	if (out->len > BH_QUERY_BYTES_MAX) {
		q->fault = "there are more rows than an answer holds: ask for one identifier";
		return;
	}
	if (out->len)
		(void)bh_buf_u8(out, ',');
	bh_jsonw_init(&w, out);
	bh_jsonw_object(&w, NULL);
	put_row(q, &w, row);
	bh_jsonw_object_end(&w);
}

static struct bh_query *under_way(struct bh_supervisor *s, enum bh_role role, uint32_t id)
{
	struct bh_query *q = &s->queries[role];

	return q->open && q->id == id ? q : NULL;
}

void bh_query_part(struct bh_supervisor *s, enum bh_role role, uint32_t id, struct bh_str part)
{
	struct bh_query *q = under_way(s, role, id);

	if (!q)
		return;
	if (q->record.len + part.n <= BH_ORIGIN_RECORD_MAX)
		(void)bh_buf_append(&q->record, part.p, part.n);
	else
		q->fault = "a row of the registry is too long";
}

/* --- the answer
 * ----------------------------------------------------------------------------------- */

static void put_list(struct bh_jsonw *w, const char *key, const struct bh_buf *elements)
{
	bh_jsonw_array(w, key);
	(void)bh_buf_append(w->out, elements->data, elements->len);
	bh_jsonw_array_end(w);
}

static void put_lists(struct bh_query *q, struct bh_jsonw *w, const struct bh_query_row *end)
{
	switch (q->verb) {
	case BH_VERB_SENDERS:
		put_list(w, "senders", &q->json[BH_ROW_SENDER]);
		return;
	case BH_VERB_DOGSTATSD_STATS:
		bh_jsonw_u64(w, "contexts", end->count);
		put_list(w, "metrics", &q->json[BH_ROW_METRIC]);
		return;
	case BH_VERB_CONTEXTS:
		bh_jsonw_u64(w, "contexts", end->count);
		put_list(w, "names", &q->json[BH_ROW_NAME]);
		put_list(w, "tag_keys", &q->json[BH_ROW_TAG_KEY]);
		return;
	case BH_VERB_REGISTRY:
	case BH_VERB_REGISTRY_SHOW:
		put_list(w, "rows", &q->json[BH_ROW_REGISTRY]);
		return;
	default:
		for (size_t i = 0; i < q->counts_n; i++)
			bh_jsonw_u64(w, q->counts[i].name, q->counts[i].count);
	}
}

static void put_error(struct bh_query *q, struct bh_jsonw *w, const char *text)
{
	struct bh_buf whole = BH_BUF_INIT;

	if (q->subject.len)
		(void)bh_buf_printf(&whole, "%s: ", q->subject.data);
	(void)bh_buf_str(&whole, text);
	bh_jsonw_bytes(w, "error", whole.data, whole.len);
	bh_buf_release(&whole);
}

static void answer(struct bh_supervisor *s, struct bh_query *q, const struct bh_query_row *end)
{
	struct bh_buf json = BH_BUF_INIT;
	struct bh_jsonw w;

	bh_jsonw_document(&w, &json);
	put_time(&w, "time", bh_wall_ns(s->loop.clock) / BH_NS_PER_S);
	if (end->text[0] || q->fault)
		put_error(q, &w, q->fault ? q->fault : end->text);
	put_lists(q, &w, end);
	bh_jsonw_object_end(&w);
	bh_ctl_answer_waiting(&s->ctl, q->verb, &json);
	bh_buf_release(&json);
	bh_query_release(q);
	q->open = false;
}

void bh_query_row(
    struct bh_supervisor *s, enum bh_role role, uint32_t id, const struct bh_query_row *row)
{
	struct bh_query *q = under_way(s, role, id);

	if (!q)
		return;
	if (row->kind == BH_ROW_END)
		answer(s, q, row);
	else if (row->kind != BH_ROW_COUNT)
		add_row(q, row);
	else if (q->counts_n < BH_QUERY_COUNTS)
		q->counts[q->counts_n++] = *row;
	if (q->open)
		bh_buf_clear(&q->record);
}

static void give_up(struct bh_supervisor *s, enum bh_role role, const char *why)
{
	struct bh_query_row end = {.kind = BH_ROW_END};

	(void)snprintf(end.text, sizeof(end.text), "%s %s", bh_role_name(role), why);
	if (s->queries[role].open)
		answer(s, &s->queries[role], &end);
}

void bh_query_give_up(struct bh_supervisor *s, enum bh_role role)
{
	give_up(s, role, "does not run any more");
}
