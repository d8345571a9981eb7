#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/attrs.h"
#include "supervisor/ctl/format.h"
#include "supervisor/ctl/view.h"
#include "supervisor/ctl/view_json.h"

#define NAME_MIN   30 /* as supervisorctl: max(30, longest name) + 3, then the state in 10 */
#define STATE_COLS 10
#define WHERE_COLS 50
#define LOST_COLS  27
#define COUNT_COLS 10

static uint64_t memory_kib(const json_t *o)
{
	uint64_t pss = bh_json_count(o, "pss_kib");

	return pss ? pss : bh_json_count(o, "rss_kib");
}

/* "Nov 21 05:24 AM" in local time, as supervisorctl. */
static void put_since(struct bh_buf *out, const char *rfc3339)
{
	struct tm utc = {0}, local;
	char text[BH_FMT_MAX];
	time_t t;

	if (!strptime(rfc3339, "%Y-%m-%dT%H:%M:%S", &utc))
		return;
	t = timegm(&utc);
	if (localtime_r(&t, &local) && strftime(text, sizeof(text), "%b %d %I:%M %p", &local))
		bh_buf_str(out, text);
}

static void put_running(struct bh_buf *out, const json_t *role)
{
	char uptime[BH_FMT_MAX], memory[BH_FMT_MAX];

	bh_fmt_uptime(uptime, bh_json_count(role, "uptime_s"));
	bh_fmt_kib(memory, memory_kib(role));
	bh_buf_printf(
	    out, "pid %" PRId64 ", uptime %s, %s", bh_json_int(role, "pid"), uptime, memory);
}

static void put_cause(struct bh_buf *out, const json_t *role)
{
	const json_t *last = json_object_get(role, "last_exit");
	int64_t sig = bh_json_int(last, "signal");

	bh_buf_str(
	    out, *bh_json_text(last, "cause") ? bh_json_text(last, "cause") : "not started yet");
	if (sig)
		bh_buf_printf(out, ", signal %" PRId64, sig);
	else if (bh_json_int(last, "code") > 0)
		bh_buf_printf(out, ", exit %" PRId64, bh_json_int(last, "code"));
	bh_buf_printf(out, ", %" PRIu64 " restarts", bh_json_count(role, "restarts"));
}

static void describe(struct bh_buf *out, const json_t *role)
{
	const char *state = bh_json_text(role, "state");
	const json_t *pending = json_object_get(role, "pending");
	char kib[BH_FMT_MAX];

	if (strcmp(state, "RUNNING") == 0) {
		put_running(out, role);
	} else if (strcmp(state, "BACKOFF") == 0 || strcmp(state, "FATAL") == 0) {
		put_cause(out, role);
	} else if (strcmp(state, "DRAINING") == 0) {
		bh_fmt_kib(kib, bh_json_count(pending, "bytes") / 1024);
		bh_buf_printf(
		    out, "pending %" PRIu64 " items, %s", bh_json_count(pending, "items"), kib);
	} else if (strcmp(state, "STOPPED") == 0 || strcmp(state, "EXITED") == 0) {
		if (bh_json_count(role, "generation"))
			put_since(out, bh_json_text(role, "since"));
		else
			bh_buf_str(out, "Not started");
	} else {
		bh_buf_printf(out, "pid %" PRId64, bh_json_int(role, "pid"));
	}
}

void bh_view_roles(const json_t *roles, bool head, struct bh_buf *out)
{
	struct bh_buf text = BH_BUF_INIT;
	size_t name = NAME_MIN, longest = 0, i;
	const json_t *role;

	json_array_foreach(roles, i, role)
	{
		bh_buf_clear(&text);
		describe(&text, role);
		name = BH_MAX(name, bh_fmt_width(bh_json_text(role, "name")));
		longest = BH_MAX(longest, text.len);
	}
	/* The column of names gives way, for all lines alike, when a description is long. */
	name += 3;
	if (name + STATE_COLS + longest > BH_COLUMNS)
		name =
		    BH_COLUMNS > STATE_COLS + longest + 12 ? BH_COLUMNS - STATE_COLS - longest : 12;
	if (head) {
		bh_fmt_left(out, "NAME", name);
		bh_fmt_left(out, "STATE", STATE_COLS);
		bh_buf_str(out, "DESCRIPTION\n");
	}
	json_array_foreach(roles, i, role)
	{
		bh_buf_clear(&text);
		describe(&text, role);
		bh_fmt_left(out, bh_json_text(role, "name"), name);
		bh_fmt_left(out, bh_json_text(role, "state"), STATE_COLS);
		bh_fmt_cut(out, text.data ? text.data : "", BH_COLUMNS - name - STATE_COLS);
		bh_buf_u8(out, '\n');
	}
	bh_buf_release(&text);
}

static void put_summary(struct bh_buf *out, const json_t *status)
{
	uint64_t all = memory_kib(status);
	char uptime[BH_FMT_MAX], own[BH_FMT_MAX], sum[BH_FMT_MAX];
	const json_t *roles = json_object_get(status, "roles"), *role;
	struct bh_buf line = BH_BUF_INIT;
	size_t i;

	json_array_foreach(roles, i, role)
	{
		all += memory_kib(role);
	}
	bh_fmt_uptime(uptime, bh_json_count(status, "uptime_s"));
	bh_fmt_kib(own, memory_kib(status));
	bh_fmt_kib(sum, all);
	bh_buf_printf(&line, "bulkhead %s %s, pid %" PRId64 ", uptime %s, %s, %s in all",
	    bh_json_text(status, "version"), bh_json_text(status, "state"),
	    bh_json_int(status, "pid"), uptime, own, sum);
	bh_buf_u8(out, '\n');
	bh_fmt_wrap(out, "", line.data ? line.data : "");
	bh_buf_release(&line);
}

/* --- what waits ------------------------------------------------------------------------------- */

static bool waits(const json_t *row)
{
	const char *kind = bh_json_text(row, "kind");

	return strcmp(kind, "destination") == 0 || strcmp(kind, "handover") == 0 ||
	       bh_json_count(row, "in_flight") || bh_json_count(row, "spooled");
}

static void put_waiting(struct bh_buf *out, const json_t *rows)
{
	char memory[BH_FMT_MAX], spooled[BH_FMT_MAX];
	bool head = false;
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		if (!waits(row))
			continue;
		if (!head)
			bh_buf_printf(out, "\n%-*s%13s%13s\n", WHERE_COLS + 2, "waiting",
			    "in memory", "spooled");
		head = true;
		bh_fmt_count(memory, bh_json_count(row, "in_flight"));
		bh_fmt_count(spooled, bh_json_count(row, "spooled"));
		bh_buf_str(out, "  ");
		bh_put_row_name(out, row, WHERE_COLS);
		bh_fmt_right(out, memory, 13);
		bh_fmt_right(
		    out, strcmp(bh_json_text(row, "kind"), "destination") == 0 ? spooled : "-", 13);
		bh_buf_u8(out, '\n');
	}
	if (!head)
		bh_buf_str(out, "\nwaiting: nothing\n");
}

/* --- what was lost ---------------------------------------------------------------------------- */

static bool put_losses(struct bh_buf *out, const json_t *row, bool head)
{
	const char *reason;
	const json_t *count;
	char text[BH_FMT_MAX];
	json_t *dropped = json_object_get(row, "dropped");

	json_object_foreach(dropped, reason, count)
	{
		int64_t n = json_integer_value(count);

		if (!head)
			bh_buf_str(out, "\nlost\n");
		head = true;
		bh_fmt_count(text, n > 0 ? (uint64_t)n : 0);
		bh_buf_str(out, "  ");
		bh_put_row_name(out, row, LOST_COLS);
		bh_fmt_right(out, text, COUNT_COLS);
		bh_buf_str(out, "  ");
		bh_fmt_cut(out, bh_reason_words(reason), BH_COLUMNS - LOST_COLS - COUNT_COLS - 4);
		bh_buf_u8(out, '\n');
	}
	return head;
}

static void put_lost(struct bh_buf *out, const json_t *rows)
{
	bool head = false;
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		head = put_losses(out, row, head);
	}
	if (!head)
		bh_buf_str(out, "\nlost: nothing\n");
}

/* --- words ------------------------------------------------------------------------------------ */

static bool put_list(
    struct bh_buf *out, const char *title, const char *who, const json_t *list, bool head)
{
	struct bh_buf text = BH_BUF_INIT;
	const json_t *note;
	size_t i;

	json_array_foreach(list, i, note)
	{
		if (!head)
			bh_buf_printf(out, "\n%s\n", title);
		head = true;
		bh_buf_clear(&text);
		bh_buf_printf(&text, "%s%s%s", who, *who ? ": " : "",
		    json_string_value(note) ? json_string_value(note) : "");
		bh_fmt_wrap(out, "  ", text.data ? text.data : "");
	}
	bh_buf_release(&text);
	return head;
}

static void put_notes(struct bh_buf *out, const json_t *status)
{
	bool head = put_list(out, "notes", "", json_object_get(status, "notes"), false);
	const json_t *roles = json_object_get(status, "roles"), *role;
	size_t i;

	json_array_foreach(roles, i, role)
	{
		head = put_list(
		    out, "notes", bh_json_text(role, "name"), json_object_get(role, "notes"), head);
	}
	(void)put_list(
	    out, "protections missing", "", json_object_get(status, "missing_protections"), false);
}

/* Those of buffers and queues are many, and for machines: the page and the agent's own metrics have
 * them. */
static bool is_shown(const char *name, const json_t *value)
{
	return json_integer_value(value) != 0 && strncmp(name, "buffer/", 7) != 0 &&
	       strncmp(name, "retry_queue/", 12) != 0;
}

static void put_figures(struct bh_buf *out, const json_t *numbers)
{
	struct bh_buf text = BH_BUF_INIT;
	const char *role, *name;
	json_t *all = json_object_get(numbers, "numbers"), *one, *value;
	bool head = false;

	json_object_foreach(all, role, one)
	{
		bh_buf_clear(&text);
		bh_buf_printf(&text, "%s:", role);
		json_object_foreach(one, name, value)
		{
			if (is_shown(name, value))
				bh_buf_printf(&text, " %s=%" PRId64, name,
				    (int64_t)json_integer_value(value));
		}
		if (!text.data || text.data[text.len - 1] == ':')
			continue;
		bh_buf_str(out, head ? "" : "\nfigures\n");
		head = true;
		bh_fmt_wrap(out, "  ", text.data);
	}
	bh_buf_release(&text);
}

static void put_status(const json_t *status, bool head, struct bh_buf *out)
{
	bh_view_roles(json_object_get(status, "roles"), head, out);
	put_summary(out, status);
	put_waiting(out, json_object_get(status, "rows"));
	put_lost(out, json_object_get(status, "rows"));
	put_figures(out, status);
	put_notes(out, status);
}

void bh_view_status(const json_t *status, struct bh_buf *out)
{
	put_status(status, false, out);
}

void bh_view_status_verbose(const json_t *status, struct bh_buf *out)
{
	put_status(status, true, out);
	bh_view_deaths(json_object_get(status, "roles"), out);
}

bool bh_view_all_running(const json_t *status)
{
	const json_t *roles = json_object_get(status, "roles"), *role;
	size_t i;

	json_array_foreach(roles, i, role)
	{
		if (strcmp(bh_json_text(role, "state"), "RUNNING") != 0)
			return false;
	}
	return json_array_size(json_object_get(status, "roles")) > 0;
}
