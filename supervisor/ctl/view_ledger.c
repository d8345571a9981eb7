#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "supervisor/ctl/format.h"
#include "supervisor/ctl/view.h"
#include "supervisor/ctl/view_json.h"

#define NAME_COLS  29
#define COUNT_COLS 10

static void put_count(struct bh_buf *out, uint64_t n)
{
	char text[BH_FMT_MAX];

	bh_fmt_count(text, n);
	bh_fmt_right(out, text, COUNT_COLS);
}

static void put_row(struct bh_buf *out, const json_t *row)
{
	json_t *dropped = json_object_get(row, "dropped"), *count;
	const char *reason;
	uint64_t sum = 0;

	json_object_foreach(dropped, reason, count)
	{
		sum += bh_json_count(dropped, reason);
	}
	bh_put_row_name(out, row, NAME_COLS);
	put_count(out, bh_json_count(row, "received"));
	put_count(out, bh_json_count(row, "delivered"));
	put_count(out, bh_json_count(row, "spooled"));
	put_count(out, bh_json_count(row, "in_flight"));
	put_count(out, sum);
	bh_buf_u8(out, '\n');
	json_object_foreach(dropped, reason, count)
	{
		bh_buf_printf(out, "    dropped %" PRIu64 ": %s\n", bh_json_count(dropped, reason),
		    bh_reason_words(reason));
	}
	if (bh_json_int(row, "gap"))
		bh_buf_printf(out, "    DOES NOT CLOSE: %" PRId64 " without a reason\n",
		    bh_json_int(row, "gap"));
}

static void put_heading(struct bh_buf *out, const char *title)
{
	bh_buf_printf(out, "%-*s%*s%*s%*s%*s%*s\n", NAME_COLS, title, COUNT_COLS, "received",
	    COUNT_COLS, "delivered", COUNT_COLS, "spooled", COUNT_COLS, "in flight", COUNT_COLS,
	    "dropped");
}

/* Whose row it is is told by its kind; since when stands above. */
static void put_totals(struct bh_buf *out, const json_t *totals)
{
	const json_t *rows = json_object_get(totals, "rows"), *item;
	char title[NAME_COLS + 1];
	size_t i;

	if (!json_array_size(rows))
		return;
	(void)snprintf(title, sizeof(title), "since %.10s", bh_json_text(totals, "since"));
	bh_buf_u8(out, '\n');
	put_heading(out, title);
	json_array_foreach(rows, i, item)
	{
		put_row(out, item);
	}
	bh_buf_u8(out, '\n');
}

void bh_view_ledger(const json_t *ledger, struct bh_buf *out)
{
	const json_t *rows = json_object_get(ledger, "rows");
	const json_t *missing = json_object_get(ledger, "missing"), *item;
	size_t i;

	put_heading(out, json_object_get(ledger, "totals") ? "since the process started" : "");
	json_array_foreach(rows, i, item)
	{
		put_row(out, item);
	}
	put_totals(out, json_object_get(ledger, "totals"));
	json_array_foreach(missing, i, item)
	{
		bh_buf_printf(out, "no figures of %s: it does not run, or did not answer\n",
		    json_string_value(item) ? json_string_value(item) : "");
	}
	bh_buf_str(out, json_is_true(json_object_get(ledger, "balanced"))
			    ? "balanced: received = delivered + spooled + in flight + dropped\n"
			    : "NOT BALANCED\n");
}
