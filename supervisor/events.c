#include "supervisor/events.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/err.h"
#include "common/jsonw.h"
#include "supervisor/report.h"
#include "supervisor/stream.h"

/* --- who follows ------------------------------------------------------------------------------ */

static void leave(struct bh_event_follower *f)
{
	bh_loop_close_fd(&f->watch);
	f->missed = 0;
}

static void on_follower(struct bh_watch *w, unsigned events)
{
	if (events & BH_LOOP_HANGUP)
		leave(BH_CONTAINER(w, struct bh_event_follower, watch));
}

static bool hand(const struct bh_event_follower *f, const char *text, size_t n)
{
	return send(f->watch.fd, text, n, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)n;
}

static void tell(struct bh_event_follower *f, const char *text, size_t n)
{
	char missed[48];
	int len;

	if (f->watch.fd < 0)
		return;
	if (f->missed) {
		len = snprintf(
		    missed, sizeof(missed), "{\"missed\":%llu}", (unsigned long long)f->missed);
		if (!hand(f, missed, (size_t)len)) {
			f->missed++;
			return;
		}
		f->missed = 0;
	}
	if (!hand(f, text, n))
		f->missed++;
}

int bh_events_follow(struct bh_events *e)
{
	for (size_t i = 0; i < BH_EVENTS_FOLLOWERS; i++) {
		struct bh_event_follower *f = &e->follower[i];
		int ends[2], rc;

		if (f->watch.fd >= 0)
			continue;
		rc = bh_stream_pair(ends);
		if (rc)
			return rc;
		rc = bh_loop_add_fd(e->loop, &f->watch, ends[1], 0, on_follower);
		if (!rc)
			return ends[0];
		(void)close(ends[0]);
		(void)close(ends[1]);
		return rc;
	}
	return BH_E_LIMIT;
}

void bh_events_init(struct bh_events *e, struct bh_loop *loop)
{
	e->loop = loop;
	for (size_t i = 0; i < BH_EVENTS_FOLLOWERS; i++)
		e->follower[i].watch.fd = -1;
}

void bh_events_release(struct bh_events *e)
{
	for (size_t i = 0; e->loop && i < BH_EVENTS_FOLLOWERS; i++)
		leave(&e->follower[i]);
}

/* --- one event -------------------------------------------------------------------------------- */

struct event {
	struct bh_buf text;
	struct bh_jsonw w;
};

static void begin(const struct bh_events *e, struct event *v, const char *kind)
{
	char at[32];

	v->text = (struct bh_buf)BH_BUF_INIT;
	bh_rfc3339(bh_wall_ns(e->loop->clock), at);
	bh_jsonw_init(&v->w, &v->text);
	bh_jsonw_object(&v->w, NULL);
	bh_jsonw_u64(&v->w, "seq", e->n + 1);
	bh_jsonw_str(&v->w, "time", at);
	bh_jsonw_str(&v->w, "event", kind);
}

static void end(struct bh_events *e, struct event *v)
{
	bh_jsonw_object_end(&v->w);
	if (!bh_buf_failed(&v->text) && v->text.len < BH_EVENT_MAX) {
		char *slot = e->ring[e->n++ % BH_EVENTS_KEPT];

		memcpy(slot, v->text.data, v->text.len);
		slot[v->text.len] = '\0';
		for (size_t i = 0; i < BH_EVENTS_FOLLOWERS; i++)
			tell(&e->follower[i], v->text.data, v->text.len);
	}
	bh_buf_release(&v->text);
}

void bh_event_state(struct bh_events *e, const struct bh_kid *k, enum bh_life_state from)
{
	struct event v;

	begin(e, &v, "state");
	bh_jsonw_str(&v.w, "role", bh_role_name(k->role));
	bh_jsonw_i64(&v.w, "pid", k->pid);
	bh_jsonw_str(&v.w, "from", bh_life_state_name(from));
	bh_jsonw_str(&v.w, "to", bh_life_state_name(k->life.state));
	bh_jsonw_u64(&v.w, "generation", k->life.generation);
	end(e, &v);
}

void bh_event_exit(struct bh_events *e, const struct bh_kid *k, pid_t pid)
{
	const struct bh_life *l = &k->life;
	struct event v;

	begin(e, &v, "exit");
	bh_jsonw_str(&v.w, "role", bh_role_name(k->role));
	bh_jsonw_i64(&v.w, "pid", pid);
	bh_jsonw_str(&v.w, "cause", bh_life_cause_name(l->last_cause));
	bh_jsonw_i64(&v.w, "code", l->last_exit.code);
	bh_jsonw_i64(&v.w, "signal", l->last_exit.signal);
	end(e, &v);
}

static void note_drop(
    struct bh_events *e, const struct bh_kid *k, enum bh_drop reason, uint64_t total)
{
	uint64_t *told = &e->dropped[k->role][reason];
	struct event v;

	if (total <= *told)
		return;
	begin(e, &v, "drop");
	bh_jsonw_str(&v.w, "role", bh_role_name(k->role));
	bh_jsonw_str(&v.w, "reason", bh_drop_name(reason));
	bh_jsonw_u64(&v.w, "count", total - *told);
	bh_jsonw_u64(&v.w, "total", total);
	end(e, &v);
	*told = total;
}

/* Once until all rows close again. */
static void note_gap(struct bh_events *e, const struct bh_kid *k)
{
	const struct bh_ledger_row *open = NULL;
	struct event v;

	for (size_t i = 0; i < k->stats.rows_n && !open; i++) {
		if (bh_ledger_gap(&k->stats.rows[i].l))
			open = &k->stats.rows[i];
	}
	if (open && !e->open_row[k->role]) {
		begin(e, &v, "gap");
		bh_jsonw_str(&v.w, "role", bh_role_name(k->role));
		bh_jsonw_str(&v.w, "name", open->name);
		bh_jsonw_i64(&v.w, "gap", bh_ledger_gap(&open->l));
		end(e, &v);
	}
	e->open_row[k->role] = open != NULL;
}

void bh_event_figures(struct bh_events *e, const struct bh_kid *k)
{
	uint64_t total[BH_DROP__N] = {0};

	if (e->generation[k->role] != k->life.generation) { /* its figures begin at zero */
		memset(e->dropped[k->role], 0, sizeof(e->dropped[k->role]));
		e->open_row[k->role] = false;
		e->generation[k->role] = k->life.generation;
	}
	for (size_t i = 0; i < k->stats.rows_n; i++) {
		for (int reason = 0; reason < BH_DROP__N; reason++)
			total[reason] += k->stats.rows[i].l.dropped[reason];
	}
	for (int reason = 0; reason < BH_DROP__N; reason++)
		note_drop(e, k, (enum bh_drop)reason, total[reason]);
	note_gap(e, k);
}

void bh_event_drain_begin(struct bh_events *e, const char *cause)
{
	struct event v;

	begin(e, &v, "drain");
	bh_jsonw_str(&v.w, "phase", "begin");
	bh_jsonw_str(&v.w, "cause", cause);
	end(e, &v);
}

void bh_event_drain_end(struct bh_events *e, const char *cause, bool accounted)
{
	struct event v;

	begin(e, &v, "drain");
	bh_jsonw_str(&v.w, "phase", "end");
	bh_jsonw_str(&v.w, "cause", cause);
	bh_jsonw_bool(&v.w, "accounted", accounted);
	end(e, &v);
}

void bh_event_request(struct bh_events *e, const struct bh_ctl_conn *c)
{
	struct event v;

	begin(e, &v, "request");
	bh_jsonw_str(&v.w, "verb", bh_verb_name(c->verb));
	bh_jsonw_u64(&v.w, "uid", c->peer.uid);
	bh_jsonw_i64(&v.w, "pid", c->peer.pid);
	end(e, &v);
}

void bh_event_limit(struct bh_events *e, const char *text)
{
	struct event v;

	begin(e, &v, "limit");
	bh_jsonw_str(&v.w, "text", text);
	end(e, &v);
}

/* --- the answer ------------------------------------------------------------------------------- */

void bh_events_json(const struct bh_events *e, struct bh_buf *out)
{
	uint64_t from = e->n > BH_EVENTS_KEPT ? e->n - BH_EVENTS_KEPT : 0;
	struct bh_jsonw w;

	bh_jsonw_document(&w, out);
	bh_jsonw_array(&w, "events");
	for (; from < e->n; from++)
		bh_jsonw_raw(&w, NULL, bh_str_from(e->ring[from % BH_EVENTS_KEPT]));
	bh_jsonw_array_end(&w);
	bh_jsonw_object_end(&w);
}

void bh_events_take(struct bh_events *e, struct bh_ctl_conn *c)
{
	struct bh_buf json = BH_BUF_INIT;
	int fd = -1;

	bh_events_json(e, &json);
	if (c->verb == BH_VERB_EVENTS_FOLLOW) {
		fd = bh_events_follow(e);
		if (fd < 0) {
			bh_ctl_answer_error(c, fd == BH_E_LIMIT
						   ? "as many follow the events as may (4)"
						   : bh_err_name(fd));
			bh_buf_release(&json);
			return;
		}
	}
	if (fd >= 0)
		bh_ctl_answer_fd(c, bh_buf_view(&json), fd);
	else
		bh_ctl_answer(c, bh_buf_view(&json));
	bh_buf_release(&json);
}
