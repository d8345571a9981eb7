#include "supervisor/ctl/top.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "supervisor/ctl/view_json.h"

#define NAME_COLS  120 /* of a row, uncut */
#define PAGE_LINES 10

void bh_top_init(struct bh_top *t, bool ascii)
{
	*t = (struct bh_top){.ascii = ascii, .points_rate = -1, .lines_rate = -1};
}

static void free_rows(struct bh_top_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(rows[i].name);
	free(rows);
}

void bh_top_release(struct bh_top *t)
{
	free_rows(t->rows, t->rows_n);
	json_decref(t->newest);
	*t = (struct bh_top){0};
}

static void push(struct bh_top_series *s, double v)
{
	if (s->n == BH_TOP_HISTORY) {
		memmove(s->v, s->v + 1, (BH_TOP_HISTORY - 1) * sizeof(s->v[0]));
		s->n--;
	}
	s->v[s->n++] = v;
}

static double rate_of(uint64_t before, uint64_t now, double seconds)
{
	return now < before || seconds <= 0 ? -1 : (double)(now - before) / seconds;
}

/* --- samples ---------------------------------------------------------------------------------- */

static uint64_t dropped_of(const json_t *row)
{
	json_t *reasons = json_object_get(row, "dropped");
	const char *reason;
	json_t *n;
	uint64_t sum = 0;

	json_object_foreach(reasons, reason, n)
	{
		int64_t v = json_integer_value(n);

		sum += v > 0 ? (uint64_t)v : 0;
	}
	return sum;
}

static char *name_of(const json_t *row)
{
	struct bh_buf b = BH_BUF_INIT;
	char *name;

	bh_put_row_name(&b, row, NAME_COLS);
	while (b.len && b.data[b.len - 1] == ' ')
		b.len--;
	name = bh_buf_failed(&b) ? NULL : strndup(b.data ? b.data : "", b.len);
	bh_buf_release(&b);
	return name;
}

static const struct bh_top_row *find_row(const struct bh_top *t, const char *name)
{
	for (size_t i = 0; i < t->rows_n; i++) {
		if (strcmp(t->rows[i].name, name) == 0)
			return &t->rows[i];
	}
	return NULL;
}

static int read_row(
    const struct bh_top *t, const json_t *json, double seconds, struct bh_top_row *row)
{
	const struct bh_top_row *old;

	*row = (struct bh_top_row){.name = name_of(json),
	    .received = bh_json_count(json, "received"),
	    .delivered = bh_json_count(json, "delivered"),
	    .spooled = bh_json_count(json, "spooled"),
	    .in_flight = bh_json_count(json, "in_flight"),
	    .dropped = dropped_of(json),
	    .rate = -1,
	    .seen = true};
	if (!row->name)
		return -ENOMEM;
	old = find_row(t, row->name);
	if (!old)
		return 0;
	row->rates = old->rates;
	row->rate = rate_of(old->received, row->received, seconds);
	if (row->rate >= 0)
		push(&row->rates, row->rate);
	return 0;
}

static void read_proc(struct bh_top *t, const json_t *json, const char *name, size_t i)
{
	const json_t *pending = json_object_get(json, "pending");
	struct bh_top_proc *p = &t->procs[i];
	uint64_t pss = bh_json_count(json, "pss_kib");

	(void)snprintf(p->name, sizeof(p->name), "%s", name);
	(void)snprintf(p->state, sizeof(p->state), "%s", bh_json_text(json, "state"));
	p->pid = bh_json_int(json, "pid");
	p->kib = pss ? pss : bh_json_count(json, "rss_kib");
	p->waiting_items = bh_json_count(pending, "items");
	p->waiting_bytes = bh_json_count(pending, "bytes");
	p->restarts = bh_json_count(json, "restarts");
	push(&p->memory, (double)p->kib);
}

static void read_procs(struct bh_top *t, const json_t *status)
{
	const json_t *role;
	size_t i;

	read_proc(t, status, "supervisor", 0);
	t->procs_n = 1;
	json_array_foreach(json_object_get(status, "roles"), i, role)
	{
		if (t->procs_n < BH_TOP_PROCS)
			read_proc(t, role, bh_json_text(role, "name"), t->procs_n++);
	}
}

/* What the rows of one kind take in. */
static double sum_rates(const struct bh_top_row *rows, size_t n, const json_t *json, bool sources)
{
	double sum = 0;
	bool known = false;

	for (size_t i = 0; i < n; i++) {
		const char *kind = bh_json_text(json_array_get(json, i), "kind");

		if (strcmp(kind, sources ? "source" : "listener") != 0 || rows[i].rate < 0)
			continue;
		sum += rows[i].rate;
		known = true;
	}
	return known ? sum : -1;
}

static int compare(const struct bh_top_row *a, const struct bh_top_row *b, enum bh_top_sort sort)
{
	double x = 0, y = 0;

	switch (sort) {
	case BH_TOP_BY_RATE:
		x = a->rate, y = b->rate;
		break;
	case BH_TOP_BY_BACKLOG:
		x = (double)(a->spooled + a->in_flight), y = (double)(b->spooled + b->in_flight);
		break;
	case BH_TOP_BY_DROPPED:
		x = (double)a->dropped, y = (double)b->dropped;
		break;
	case BH_TOP_BY_NAME:
		break;
	}
	if (x != y)
		return x > y ? -1 : 1;
	return strcmp(a->name, b->name);
}

static int compare_ctx(const void *a, const void *b, void *sort)
{
	return compare(a, b, *(const enum bh_top_sort *)sort);
}

/* The selection stays on the row, wherever the sorting puts it; NULL: on the first one. */
static void sort_rows(struct bh_top *t, const char *selected)
{
	if (t->rows_n)
		qsort_r(t->rows, t->rows_n, sizeof(t->rows[0]), compare_ctx, &t->sort);
	t->selected = 0;
	for (size_t i = 0; selected && i < t->rows_n; i++) {
		if (t->rows[i].name == selected)
			t->selected = i;
	}
}

/* Who has not moved looks at whatever comes first. */
static const char *selected_name(const struct bh_top *t)
{
	return t->selected && t->selected < t->rows_n ? t->rows[t->selected].name : NULL;
}

int bh_top_sample(struct bh_top *t, json_t *status, int64_t mono_ns)
{
	const json_t *json = json_object_get(status, "rows");
	size_t n = BH_MIN(json_array_size(json), (size_t)BH_TOP_ROWS_MAX);
	double seconds = t->newest ? (double)(mono_ns - t->at_ns) / BH_NS_PER_S : 0;
	struct bh_top_row *rows = calloc(n ? n : 1, sizeof(*rows));
	const char *kept = selected_name(t), *selected = NULL;

	for (size_t i = 0; rows && i < n; i++) {
		if (read_row(t, json_array_get(json, i), seconds, &rows[i])) {
			free_rows(rows, i);
			return -ENOMEM;
		}
		if (kept && strcmp(kept, rows[i].name) == 0)
			selected = rows[i].name;
	}
	if (!rows)
		return -ENOMEM;
	t->points_rate = sum_rates(rows, n, json, false);
	t->lines_rate = sum_rates(rows, n, json, true);
	push(&t->points, BH_MAX(t->points_rate, 0.0));
	push(&t->lines, BH_MAX(t->lines_rate, 0.0));
	read_procs(t, status);
	free_rows(t->rows, t->rows_n);
	t->rows = rows;
	t->rows_n = n;
	t->rows_cut = json_array_size(json) > n;
	json_decref(t->newest);
	t->newest = json_incref(status);
	t->at_ns = mono_ns;
	t->error = NULL;
	sort_rows(t, selected);
	return 0;
}

/* --- keys ------------------------------------------------------------------------------------- */

static void move(struct bh_top *t, int by)
{
	size_t last = t->rows_n ? t->rows_n - 1 : 0;

	if (by < 0)
		t->selected -= BH_MIN(t->selected, (size_t)-by);
	else
		t->selected = BH_MIN(t->selected + (size_t)by, last);
}

static void table_key(struct bh_top *t, int key)
{
	switch (key) {
	case 's':
		t->sort = t->sort == BH_TOP_BY_NAME ? BH_TOP_BY_RATE : t->sort + 1;
		sort_rows(t, selected_name(t));
		break;
	case 'k':
	case BH_TOP_KEY_UP:
		move(t, -1);
		break;
	case 'j':
	case BH_TOP_KEY_DOWN:
		move(t, 1);
		break;
	case BH_TOP_KEY_PAGE_UP:
		move(t, -PAGE_LINES);
		break;
	case BH_TOP_KEY_PAGE_DOWN:
		move(t, PAGE_LINES);
		break;
	case '\r':
	case '\n':
		if (t->rows_n)
			t->page = BH_TOP_ROW;
		break;
	case '?':
	case 'h':
		t->page = BH_TOP_HELP;
		break;
	default:
		break;
	}
}

void bh_top_key(struct bh_top *t, int key)
{
	if (key == 'q' && t->page == BH_TOP_TABLE)
		t->over = true;
	else if (t->page == BH_TOP_TABLE)
		table_key(t, key);
	else if (key == 0x1b || key == 'q' || key == '\r' || key == '\n')
		t->page = BH_TOP_TABLE;
}
