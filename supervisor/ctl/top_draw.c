#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "supervisor/ctl/format.h"
#include "supervisor/ctl/top.h"
#include "supervisor/ctl/view_json.h"

#define FIGURE_COLS 8
#define NAME_MIN    12
#define COLUMNS     (6 * (FIGURE_COLS + 1)) /* of figures behind a name: five and a sparkline */

/* The picture as it grows. */
struct sheet {
	struct bh_buf *out;
	struct bh_buf line;
	unsigned width, left; /* left: lines that still fit */
};

/* Names come from files and senders: nothing in them may move the cursor. */
static void make_printable(struct bh_buf *line)
{
	for (size_t i = 0; i < line->len; i++) {
		unsigned char c = (unsigned char)line->data[i];

		if (c < 0x20 || c == 0x7f)
			line->data[i] = '?';
	}
}

/* Ends the line: its look, then what fits. */
static void end(struct sheet *s, enum bh_top_look look)
{
	if (s->left) {
		make_printable(&s->line);
		s->left--;
		(void)bh_buf_u8(s->out, (uint8_t)look);
		bh_fmt_cut(s->out, s->line.len ? s->line.data : "", s->width);
		(void)bh_buf_u8(s->out, '\n');
	}
	bh_buf_clear(&s->line);
}

static void text(struct sheet *s, enum bh_top_look look, const char *words)
{
	(void)bh_buf_str(&s->line, words);
	end(s, look);
}

/* "12.3k": at most 7 characters. */
static void figure(char out[BH_FMT_MAX], double v)
{
	static const char units[] = " kMGTP";
	size_t unit = 0;

	if (v < 0) {
		(void)snprintf(out, BH_FMT_MAX, "-");
		return;
	}
	while (v >= 9999.5 && units[unit + 1]) {
		v /= 1000;
		unit++;
	}
	(void)snprintf(out, BH_FMT_MAX, unit || v < 10 ? "%.1f%c" : "%.0f%c", v, units[unit]);
	if (out[strlen(out) - 1] == ' ')
		out[strlen(out) - 1] = '\0';
}

static void put_figure(struct sheet *s, double v)
{
	char words[BH_FMT_MAX];

	figure(words, v);
	(void)bh_buf_u8(&s->line, ' ');
	bh_fmt_right(&s->line, words, FIGURE_COLS);
}

static void put_count(struct sheet *s, uint64_t n)
{
	char words[BH_FMT_MAX];

	if (n < 100000)
		(void)snprintf(words, sizeof(words), "%" PRIu64, n);
	else
		figure(words, (double)n);
	(void)bh_buf_u8(&s->line, ' ');
	bh_fmt_right(&s->line, words, FIGURE_COLS);
}

/* The last `n` values between 0 and the largest of all. */
static void put_spark(
    struct sheet *s, const struct bh_top *t, const struct bh_top_series *v, size_t n)
{
	static const char *const blocks[] = {
	    "\u2581", "\u2582", "\u2583", "\u2584", "\u2585", "\u2586", "\u2587", "\u2588"};
	static const char ascii[] = "_.-:=+*#";
	double most = 0;
	size_t first = v->n > n ? v->n - n : 0;

	for (size_t i = 0; i < v->n; i++)
		most = BH_MAX(most, v->v[i]);
	for (size_t i = v->n - first; i < n; i++)
		(void)bh_buf_u8(&s->line, ' ');
	for (size_t i = first; i < v->n; i++) {
		size_t level = most > 0 ? (size_t)(v->v[i] / most * 7 + 0.5) : 0;

		if (t->ascii)
			(void)bh_buf_u8(&s->line, (uint8_t)ascii[level]);
		else
			(void)bh_buf_str(&s->line, blocks[level]);
	}
}

/* --- the parts of the table ------------------------------------------------------------------- */

static void draw_head(struct sheet *s, const struct bh_top *t)
{
	char uptime[BH_FMT_MAX], all[BH_FMT_MAX];
	uint64_t kib = 0;

	bh_fmt_uptime(uptime, bh_json_count(t->newest, "uptime_s"));
	for (size_t i = 0; i < t->procs_n; i++)
		kib += t->procs[i].kib;
	bh_fmt_kib(all, kib);
	(void)bh_buf_printf(&s->line, "bulkhead %s %s, uptime %s, %s, ledger %s",
	    bh_json_text(t->newest, "version"), bh_json_text(t->newest, "state"), uptime, all,
	    json_is_true(json_object_get(t->newest, "balanced")) ? "balanced" : "OPEN");
	end(s, BH_TOP_HEAD);
	if (t->error)
		text(s, BH_TOP_BAD, t->error);
	(void)bh_buf_str(&s->line, "in: points/s");
	put_figure(s, t->points_rate);
	(void)bh_buf_u8(&s->line, ' ');
	put_spark(s, t, &t->points, BH_TOP_HISTORY);
	(void)bh_buf_str(&s->line, "   lines/s");
	put_figure(s, t->lines_rate);
	(void)bh_buf_u8(&s->line, ' ');
	put_spark(s, t, &t->lines, BH_TOP_HISTORY);
	end(s, BH_TOP_PLAIN);
}

static void draw_procs(struct sheet *s, const struct bh_top *t)
{
	text(s, BH_TOP_HEAD,
	    "process      state         pid   memory                   restarts  waiting");
	for (size_t i = 0; i < t->procs_n; i++) {
		const struct bh_top_proc *p = &t->procs[i];
		char kib[BH_FMT_MAX], waiting[BH_FMT_MAX];

		bh_fmt_kib(kib, p->kib);
		bh_fmt_kib(waiting, (p->waiting_bytes + 1023) / 1024);
		bh_fmt_left(&s->line, p->name, 13);
		bh_fmt_left(&s->line, p->state, 9);
		(void)bh_buf_printf(&s->line, "%8" PRId64 " ", p->pid);
		bh_fmt_right(&s->line, kib, 8);
		(void)bh_buf_u8(&s->line, ' ');
		put_spark(s, t, &p->memory, BH_TOP_HISTORY);
		(void)bh_buf_printf(&s->line, "%8" PRIu64, p->restarts);
		if (i)
			(void)bh_buf_printf(
			    &s->line, "  %" PRIu64 " items, %s", p->waiting_items, waiting);
		end(s, strcmp(p->state, "RUNNING") == 0 ? BH_TOP_PLAIN : BH_TOP_BAD);
	}
}

static void draw_row(struct sheet *s, const struct bh_top *t, const struct bh_top_row *row)
{
	unsigned name = s->width > COLUMNS + NAME_MIN ? s->width - COLUMNS : NAME_MIN;

	bh_fmt_left(&s->line, row->name, name);
	put_figure(s, row->rate);
	(void)bh_buf_u8(&s->line, ' ');
	put_spark(s, t, &row->rates, FIGURE_COLS);
	put_count(s, row->received);
	put_count(s, row->in_flight);
	put_count(s, row->spooled);
	put_count(s, row->dropped);
}

static const char *sort_word(enum bh_top_sort sort)
{
	switch (sort) {
	case BH_TOP_BY_RATE:
		return "rate";
	case BH_TOP_BY_BACKLOG:
		return "waiting";
	case BH_TOP_BY_DROPPED:
		return "dropped";
	case BH_TOP_BY_NAME:
		break;
	}
	return "name";
}

static void draw_rows(struct sheet *s, struct bh_top *t)
{
	unsigned name = s->width > COLUMNS + NAME_MIN ? s->width - COLUMNS : NAME_MIN;
	size_t room;

	bh_fmt_left(&s->line, "ledger", name);
	(void)bh_buf_str(&s->line, "   rate/s          received  waiting  spooled  dropped");
	end(s, BH_TOP_HEAD);
	room = s->left ? s->left - 1 : 0; /* the last line is for the keys */
	if (t->selected < t->first)
		t->first = t->selected;
	if (room && t->selected >= t->first + room)
		t->first = t->selected - room + 1;
	for (size_t i = t->first; i < t->rows_n && i < t->first + room; i++) {
		draw_row(s, t, &t->rows[i]);
		end(s, i == t->selected ? BH_TOP_MARKED : BH_TOP_PLAIN);
	}
	while (s->left > 1)
		end(s, BH_TOP_PLAIN);
	(void)bh_buf_printf(&s->line, "q quit  s sort (%s)  arrows, Enter: one row  ? keys%s",
	    sort_word(t->sort), t->rows_cut ? "  (not all rows are shown)" : "");
	end(s, BH_TOP_PLAIN);
}

/* --- the other pages -------------------------------------------------------------------------- */

static void draw_reasons(struct sheet *s, const json_t *row)
{
	const char *reason;
	json_t *n;

	json_object_foreach(json_object_get(row, "dropped"), reason, n)
	{
		(void)bh_buf_printf(&s->line, "  dropped %12" JSON_INTEGER_FORMAT "  %s",
		    json_integer_value(n), bh_reason_words(reason));
		end(s, BH_TOP_BAD);
	}
}

/* What the process of the row says of it. */
static void draw_notes(struct sheet *s, const struct bh_top *t, const json_t *row)
{
	const char *what = bh_json_text(row, "name");
	const json_t *role, *note;
	size_t i, k;

	json_array_foreach(json_object_get(t->newest, "roles"), i, role)
	{
		if (strcmp(bh_json_text(role, "name"), bh_json_text(row, "role")) != 0)
			continue;
		json_array_foreach(json_object_get(role, "notes"), k, note)
		{
			const char *words = json_string_value(note);

			if (words && *what && strstr(words, what)) {
				(void)bh_buf_printf(&s->line, "  %s", words);
				end(s, BH_TOP_PLAIN);
			}
		}
	}
}

static const json_t *json_of(const struct bh_top *t, const struct bh_top_row *row)
{
	struct bh_buf name = BH_BUF_INIT;
	const json_t *json, *found = NULL;
	size_t i;

	json_array_foreach(json_object_get(t->newest, "rows"), i, json)
	{
		bh_buf_clear(&name);
		bh_put_row_name(&name, json, 120);
		while (name.len && name.data[name.len - 1] == ' ')
			name.len--;
		if (name.len == strlen(row->name) && memcmp(name.data, row->name, name.len) == 0)
			found = json;
	}
	bh_buf_release(&name);
	return found;
}

static void draw_one(struct sheet *s, const struct bh_top *t)
{
	const struct bh_top_row *row = &t->rows[t->selected];
	const json_t *json = json_of(t, row);
	const struct {
		const char *what;
		uint64_t n;
	} figures[] = {
	    {"received", row->received},
	    {"delivered", row->delivered},
	    {"spooled", row->spooled},
	    {"in flight", row->in_flight},
	};

	text(s, BH_TOP_HEAD, row->name);
	(void)bh_buf_str(&s->line, "  rate/s ");
	put_figure(s, row->rate);
	(void)bh_buf_str(&s->line, "   ");
	put_spark(s, t, &row->rates, BH_TOP_HISTORY);
	end(s, BH_TOP_PLAIN);
	for (size_t i = 0; i < BH_ARRAY_LEN(figures); i++) {
		(void)bh_buf_printf(&s->line, "  %-9s %10" PRIu64, figures[i].what, figures[i].n);
		end(s, BH_TOP_PLAIN);
	}
	draw_reasons(s, json);
	draw_notes(s, t, json);
	while (s->left > 1)
		end(s, BH_TOP_PLAIN);
	text(s, BH_TOP_PLAIN, "Enter, Escape or q: back");
}

static void draw_help(struct sheet *s)
{
	static const char *const lines[] = {"  q              quit",
	    "  s              sort by rate, waiting, dropped, name",
	    "  up, down, k, j select a row", "  PgUp, PgDn     ten rows",
	    "  Enter          everything about the row; Enter, Escape or q: back", "",
	    "  received is what came in; it was delivered, is in flight or spooled, or",
	    "  was dropped for a reason that the page of the row names."};

	text(s, BH_TOP_HEAD, "keys");
	for (size_t i = 0; i < BH_ARRAY_LEN(lines); i++)
		text(s, BH_TOP_PLAIN, lines[i]);
}

int bh_top_draw(struct bh_top *t, unsigned width, unsigned height, struct bh_buf *out)
{
	struct sheet s = {
	    .out = out, .line = BH_BUF_INIT, .width = BH_MAX(width, 8u), .left = height};

	if (!t->newest) {
		text(&s, t->error ? BH_TOP_BAD : BH_TOP_PLAIN,
		    t->error ? t->error : "waiting for the first answer");
	} else if (t->page == BH_TOP_HELP) {
		draw_help(&s);
	} else if (t->page == BH_TOP_ROW && t->selected < t->rows_n) {
		draw_one(&s, t);
	} else {
		draw_head(&s, t);
		draw_procs(&s, t);
		draw_rows(&s, t);
	}
	bh_buf_release(&s.line);
	return bh_buf_failed(out);
}
