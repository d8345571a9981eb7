#include "logs-agent/journals.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "logs-agent/journal.h"
#include "logs-agent/logs_internal.h"

#define COMPONENT "journal"
#define TURN      512 /* entries before others get their turn */
#define GEN       1   /* a journal has one generation */

struct bh_journal_tailer {
	struct bh_journal_tailer *next;
	struct bh_logs *logs;
	struct bh_source *source;
	struct bh_journal *journal; /* NULL: not open, tried again by the timer */
	struct bh_row *row;
	struct bh_watch watch;
	struct bh_timer timer;
	struct bh_record_ends ends;
	char *name;   /* owned: what ends were made for */
	bool carried; /* the batch has a message of this turn */
	bool resumed; /* forced positions have acted (§4.3, 1) */
	bool waiting; /* out of credit: read on when there is some */
};

static void on_timer(struct bh_timer *t);

static void note(struct bh_journal_tailer *t, const char *text)
{
	struct bh_source *s = t->source;

	if (strncmp(text, s->said, sizeof(s->said) - 1) != 0)
		bh_warn(&t->logs->child->log, COMPONENT, "%s: %s", s->cfg->where, text);
	(void)snprintf(s->note, sizeof(s->note), "%s", text);
	(void)snprintf(s->said, sizeof(s->said), "%s", text);
}

static void again_in(struct bh_journal_tailer *t, int64_t ns)
{
	bh_timer_in(&t->logs->child->loop, &t->timer, ns, on_timer);
}

static void close_it(struct bh_journal_tailer *t)
{
	bh_loop_del_fd(&t->watch);
	bh_journal_close(t->journal);
	t->journal = NULL;
}

/* After an error: opened anew later, from the cursor. */
static void give_up(struct bh_journal_tailer *t, const struct bh_err *err)
{
	note(t, err->text);
	close_it(t);
	again_in(t, t->logs->child->config.logs_file_scan_period_ms * BH_NS_PER_MS);
}

/* --- entries -------------------------------------------------------------------------------------
 */

/* Service and ddsource are those of the entry where the source gives none; most entries in a row
 * have the same. */
static int make_ends(struct bh_journal_tailer *t, struct bh_str name)
{
	const struct bh_log_source *src = t->source->cfg;
	struct bh_record_names names = {
	    .hostname = bh_str_from(t->logs->child->config.hostname),
	    .service = src->service[0] ? bh_str_from(src->service) : name,
	    .source = src->source[0] ? bh_str_from(src->source) : name,
	    .sourcecategory = bh_str_from(src->sourcecategory),
	    .tags = &src->tags,
	};
	char *copy;
	int rc;

	if (t->name && bh_str_eq(bh_str_from(t->name), name))
		return 0;
	copy = strndup(name.p ? name.p : "", name.n);
	rc = copy ? bh_record_ends_make(&t->ends, &names) : -1;
	free(t->name);
	t->name = rc ? NULL : copy;
	if (rc)
		free(copy);
	return rc;
}

static int on_entry(void *ctx, const struct bh_journal_message *m)
{
	struct bh_journal_tailer *t = ctx;
	struct bh_logs *l = t->logs;

	if (make_ends(t, m->text.name))
		return -1;
	t->carried |= bh_handover_journal(l, t->source, &t->ends, &m->text);
	/* Only now: the message may have closed the batch before its own. */
	if (bh_row_cursor_set(t->row, m->cursor))
		return -1;
	if (t->carried)
		bh_handover_add_row(l, t->row);
	else
		bh_handover_touch_row(l, t->row);
	bh_handover_after(l);
	return bh_logs_may_read(l) ? 0 : 1;
}

static void read_turn(struct bh_journal_tailer *t)
{
	struct bh_journal_seen seen = {0};
	struct bh_err err = BH_ERR_INIT;
	struct bh_logs *l = t->logs;
	int rc;

	t->carried = false;
	t->waiting = !bh_logs_may_read(l);
	if (t->waiting)
		return;
	rc = bh_journal_read(t->journal, TURN, on_entry, t, &seen, &err);
	if (rc) {
		give_up(t, &err);
		return;
	}
	if (seen.excluded && bh_row_cursor_set(t->row, bh_journal_position(t->journal)) == 0)
		bh_handover_touch_row(l, t->row);
	t->waiting = seen.more && !bh_logs_may_read(l);
	if (!t->waiting)
		again_in(t, seen.more
				? 0
				: bh_journal_timeout_ns(t->journal, bh_mono_ns(&bh_clock_system)));
}

/* --- life ----------------------------------------------------------------------------------------
 */

static void wake(struct bh_journal_tailer *t)
{
	struct bh_err err = BH_ERR_INIT;

	if (bh_journal_wake(t->journal, &err))
		give_up(t, &err);
	else
		read_turn(t);
}

static void on_readable(struct bh_watch *w, unsigned events)
{
	(void)events;
	wake(BH_CONTAINER(w, struct bh_journal_tailer, watch));
}

/* Its row, at the position where reading begins: registered before the first entry (§4.3). */
static int register_start(struct bh_journal_tailer *t)
{
	struct bh_buf id = BH_BUF_INIT;
	struct bh_origin o = {.gen = GEN};
	int rc = bh_journal_identity(t->source->cfg, &id);

	if (!rc && !t->row) {
		o.identifier = bh_buf_view(&id);
		o.offset_first = o.offset_last = bh_str_from(bh_journal_position(t->journal));
		o.tailing_mode = bh_str_from(t->source->cfg->start_position);
		o.ingestion_ns = bh_wall_ns(&bh_clock_system);
		t->row = bh_rows_put(&t->logs->rows, &o, true);
		rc = t->row ? 0 : -1;
	}
	bh_buf_release(&id);
	if (rc)
		return rc;
	t->row->open = true;
	bh_handover_touch_row(t->logs, t->row);
	return 0;
}

static struct bh_row *known_row(const struct bh_journal_tailer *t)
{
	struct bh_buf id = BH_BUF_INIT;
	struct bh_row *row = NULL;

	if (bh_journal_identity(t->source->cfg, &id) == 0 && bh_buf_u8(&id, 0) == 0)
		row = bh_rows_next(&t->logs->rows, id.data, NULL);
	bh_buf_release(&id);
	return row;
}

static int begin(struct bh_journal_tailer *t, struct bh_err *err)
{
	struct bh_journal_began began;
	struct bh_err look = BH_ERR_INIT;
	bool resume = t->resumed || t->source->late || t->logs->child->generation > 1;
	int rc;

	t->row = t->row ? t->row : known_row(t);
	rc = bh_journal_start(t->journal, t->row ? t->row->cursor : NULL, resume, &began, err);
	if (rc)
		return rc;
	t->resumed = true;
	if (began.refused)
		note(t, "the stored cursor is refused by the journal: reading by start_position");
	else if (bh_journal_look(t->journal, &look))
		note(t, look.text);
	else
		t->source->note[0] = t->source->said[0] = '\0';
	if (register_start(t))
		return bh_err_set(err, -1, "out of memory");
	return bh_loop_add_fd(
	    &t->logs->child->loop, &t->watch, bh_journal_fd(t->journal), BH_LOOP_READ, on_readable);
}

static void open_it(struct bh_journal_tailer *t)
{
	struct bh_err err = BH_ERR_INIT;
	int rc = bh_journal_open(&t->journal, t->source->cfg, t->source->limit, &err);

	if (!rc)
		rc = begin(t, &err);
	if (rc)
		give_up(t, &err);
	else
		read_turn(t);
}

static void on_timer(struct bh_timer *timer)
{
	struct bh_journal_tailer *t = BH_CONTAINER(timer, struct bh_journal_tailer, timer);

	if (t->journal)
		wake(t);
	else
		open_it(t);
}

void bh_journals_add(struct bh_logs *l, struct bh_source *s)
{
	struct bh_journal_tailer *t, **end = &l->journals.first;

	if (s->type != BH_SOURCE_JOURNALD || !s->runs)
		return;
	t = calloc(1, sizeof(*t));
	if (!t) {
		bh_error(&l->child->log, COMPONENT, "%s: out of memory", s->cfg->where);
		bh_child_fail(l->child, BH_EXIT_INTERNAL);
		return;
	}
	while (*end)
		end = &(*end)->next;
	*end = t;
	t->logs = l;
	t->source = s;
	t->watch.fd = -1;
	open_it(t);
}

void bh_journals_start(struct bh_logs *l)
{
	if (l->journals.started)
		return; /* the link is back: the tailers went on */
	l->journals.started = true;
	for (size_t i = 0; i < l->sources_n; i++)
		bh_journals_add(l, l->sources[i]);
}

void bh_journals_go_on(struct bh_logs *l)
{
	for (struct bh_journal_tailer *t = l->journals.first; t; t = t->next) {
		if (t->journal && t->waiting)
			read_turn(t);
	}
}

static void end(struct bh_journal_tailer *t)
{
	bh_timer_cancel(&t->timer);
	close_it(t);
	bh_record_ends_release(&t->ends);
	free(t->name);
	free(t);
}

void bh_journals_leave(struct bh_logs *l, const struct bh_source *s)
{
	struct bh_journal_tailer **at = &l->journals.first;

	while (*at && (*at)->source != s)
		at = &(*at)->next;
	if (*at) {
		struct bh_journal_tailer *t = *at;

		*at = t->next;
		end(t);
	}
}

void bh_journals_stop(struct bh_logs *l)
{
	while (l->journals.first) {
		struct bh_journal_tailer *t = l->journals.first;

		l->journals.first = t->next;
		end(t);
	}
}
