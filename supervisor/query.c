#include "supervisor/query.h"

#include <stdlib.h>
#include <time.h>

#include "supervisor/supervisor.h"

static bool is_query(enum bh_verb verb)
{
	return verb == BH_VERB_DOGSTATSD_STATS || verb == BH_VERB_CONTEXTS ||
	       verb == BH_VERB_SENDERS;
}

void bh_query_release(struct bh_query *q)
{
	for (size_t i = 0; i < BH_ROW_END; i++)
		bh_buf_release(&q->json[i]);
}

static void for_waiting(struct bh_supervisor *s,
    void (*answer)(struct bh_ctl_conn *c, struct bh_str json), struct bh_str json)
{
	for (size_t i = 0; i < BH_CTL_CONNS; i++) {
		struct bh_ctl_conn *c = &s->ctl.conn[i];

		if (c->watch.fd >= 0 && is_query(c->verb) && bh_ctl_waits(c, s->query.verb))
			answer(c, json);
	}
}

static enum bh_query_what what_of(enum bh_verb verb)
{
	return verb == BH_VERB_CONTEXTS  ? BH_QUERY_CONTEXTS
	       : verb == BH_VERB_SENDERS ? BH_QUERY_SENDERS
					 : BH_QUERY_METRICS;
}

void bh_query_take(struct bh_supervisor *s, struct bh_ctl_conn *conn)
{
	struct bh_query *q = &s->query;

	if (q->open && q->verb == conn->verb)
		return; /* the answer that is under way is for this one too */
	if (q->open) {
		bh_ctl_answer_error(
		    conn, "another question to dogstatsd is being answered: ask again");
		return;
	}
	bh_query_release(q);
	*q = (struct bh_query){.id = q->id + 1, .verb = conn->verb};
	q->open =
	    bh_kid_query(&s->kids[BH_ROLE_DOGSTATSD], q->id, what_of(conn->verb), BH_QUERY_ROWS);
	if (!q->open)
		bh_ctl_answer_error(conn, "dogstatsd does not run");
}

static void put_time(struct bh_jsonw *w, const char *key, int64_t unix_s)
{
	time_t at = (time_t)unix_s;
	char text[32] = "";
	struct tm tm;

	if (gmtime_r(&at, &tm))
		(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	bh_jsonw_str(w, key, text);
}

static void put_row(struct bh_jsonw *w, const struct bh_query_row *row)
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
	case BH_ROW_END:
		return;
	}
}

static void add_row(struct bh_query *q, const struct bh_query_row *row)
{
	struct bh_buf *out = &q->json[row->kind];
	struct bh_jsonw w;

	/* A child that sends more than it was asked for fills nobody's memory. */
	if (q->rows[row->kind]++ >= BH_QUERY_ROWS)
		return;
	if (out->len)
		(void)bh_buf_u8(out, ',');
	bh_jsonw_init(&w, out);
	bh_jsonw_object(&w, NULL);
	put_row(&w, row);
	bh_jsonw_object_end(&w);
}

static void put_list(struct bh_jsonw *w, const char *key, const struct bh_buf *elements)
{
	bh_jsonw_array(w, key);
	(void)bh_buf_append(w->out, elements->data, elements->len);
	bh_jsonw_array_end(w);
}

static void answer(struct bh_supervisor *s, const struct bh_query_row *end)
{
	struct bh_query *q = &s->query;
	struct bh_buf json = BH_BUF_INIT;
	struct bh_jsonw w;

	bh_jsonw_init(&w, &json);
	bh_jsonw_object(&w, NULL);
	bh_jsonw_u64(&w, "schema", 1);
	if (end->text[0])
		bh_jsonw_str(&w, "error", end->text);
	if (q->verb != BH_VERB_SENDERS)
		bh_jsonw_u64(&w, "contexts", end->count);
	if (q->verb == BH_VERB_SENDERS) {
		put_list(&w, "senders", &q->json[BH_ROW_SENDER]);
	} else if (q->verb == BH_VERB_DOGSTATSD_STATS) {
		put_list(&w, "metrics", &q->json[BH_ROW_METRIC]);
	} else {
		put_list(&w, "names", &q->json[BH_ROW_NAME]);
		put_list(&w, "tag_keys", &q->json[BH_ROW_TAG_KEY]);
	}
	bh_jsonw_object_end(&w);
	for_waiting(s, bh_ctl_answer, bh_buf_view(&json));
	bh_buf_release(&json);
	bh_query_release(q);
	q->open = false;
}

void bh_query_row(struct bh_supervisor *s, uint32_t id, const struct bh_query_row *row)
{
	if (!s->query.open || id != s->query.id)
		return;
	if (row->kind == BH_ROW_END)
		answer(s, row);
	else
		add_row(&s->query, row);
}

void bh_query_give_up(struct bh_supervisor *s)
{
	const struct bh_query_row end = {
	    .kind = BH_ROW_END, .text = "dogstatsd does not run any more"};

	if (s->query.open)
		answer(s, &end);
}
