#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/attrs.h"
#include "common/jsonw.h"
#include "common/percent.h"
#include "proto/fingerprint_text.h"
#include "supervisor/ctl/format.h"
#include "supervisor/ctl/view.h"
#include "supervisor/ctl/view_json.h"

/* What is shown as a row's name: an identifier that names no file has no path. */
static const char *name_of(const json_t *row)
{
	const char *path = bh_json_text(row, "path");

	return *path ? path : bh_json_text(row, "identifier");
}

/* Of one name, the one at its path first. */
static int rank(const json_t *row)
{
	static const char *const states[] = {"live", "waiting", "draining", "finished"};
	size_t i = 0;

	if (json_is_true(json_object_get(row, "imported")))
		return -1;
	while (i < BH_ARRAY_LEN(states) && strcmp(states[i], bh_json_text(row, "state")) != 0)
		i++;
	return (int)i;
}

static int by_name(const void *a, const void *b)
{
	const json_t *const *x = a;
	const json_t *const *y = b;
	int c = strcmp(name_of(*x), name_of(*y));

	if (c == 0)
		c = strcmp(bh_json_text(*x, "identifier"), bh_json_text(*y, "identifier"));
	if (c == 0)
		c = rank(*x) - rank(*y);
	return c ? c : strcmp(bh_json_text(*x, "generation"), bh_json_text(*y, "generation"));
}

/* The answer's rows in order; the caller frees the array, not the rows. NULL without memory. */
static const json_t **sorted(const json_t *answer, size_t *n)
{
	const json_t *rows = json_object_get(answer, "rows");
	const json_t **v;
	const json_t *row;
	size_t i;

	*n = json_array_size(rows);
	v = calloc(*n + 1, sizeof(const json_t *));
	if (!v) {
		*n = 0;
		return NULL;
	}
	json_array_foreach(rows, i, row)
	{
		v[i] = row;
	}
	qsort(v, *n, sizeof(const json_t *), by_name);
	return v;
}

static const char *state_of(const json_t *row)
{
	return json_is_true(json_object_get(row, "imported")) ? "imported"
							      : bh_json_text(row, "state");
}

#define STATE_WIDTH  9
#define OFFSET_WIDTH 14

static void put_offset(struct bh_buf *out, const char *text)
{
	struct bh_buf part = BH_BUF_INIT;

	bh_fmt_cut(&part, text, OFFSET_WIDTH);
	bh_fmt_right(out, part.data ? part.data : "", OFFSET_WIDTH);
	bh_buf_str(out, "  ");
	bh_buf_release(&part);
}

void bh_view_registry(const json_t *answer, struct bh_buf *out)
{
	size_t n;
	const json_t **rows = sorted(answer, &n);

	bh_buf_printf(out, "%-*s  %*s  %*s  %*s  %s\n", STATE_WIDTH, "STATE", OFFSET_WIDTH,
	    "DELIVERED", OFFSET_WIDTH, "SAFE", OFFSET_WIDTH, "SIZE", "PATH");
	for (size_t i = 0; i < n; i++) {
		bool imported = json_is_true(json_object_get(rows[i], "imported"));

		bh_fmt_left(out, state_of(rows[i]), STATE_WIDTH);
		bh_buf_str(out, "  ");
		put_offset(out, bh_json_text(rows[i], "delivered"));
		put_offset(out, bh_json_text(rows[i], "safe"));
		if (imported) /* nobody has looked at the file */
			bh_buf_printf(out, "%*s", OFFSET_WIDTH, "-");
		else
			bh_buf_printf(
			    out, "%*" PRIu64, OFFSET_WIDTH, bh_json_count(rows[i], "size"));
		bh_buf_printf(out, "  %s\n", name_of(rows[i]));
	}
	free(rows);
}

void bh_view_registry_show(const json_t *answer, struct bh_buf *out)
{
	static const char *const keys[] = {
	    "identifier", "path", "delivered", "safe", "generation", "dev", "ino", "tailing_mode"};
	size_t n;
	const json_t **rows = sorted(answer, &n);

	for (size_t i = 0; i < n; i++) {
		const json_t *fp = json_object_get(rows[i], "fingerprint");

		if (i)
			bh_buf_u8(out, '\n');
		bh_buf_printf(out, "%-13s %s\n", "state", state_of(rows[i]));
		for (size_t k = 0; k < BH_ARRAY_LEN(keys); k++)
			bh_buf_printf(out, "%-13s %s\n", keys[k], bh_json_text(rows[i], keys[k]));
		bh_buf_printf(out, "%-13s %" PRIu64 "\n", "size", bh_json_count(rows[i], "size"));
		bh_buf_printf(
		    out, "%-13s %" PRIu64 "\n", "open_parts", bh_json_count(rows[i], "open_parts"));
		bh_buf_printf(out, "%-13s %" PRId64 "\n", "ingestion_ns",
		    bh_json_int(rows[i], "ingestion_ns"));
		bh_buf_printf(out, "%-13s %s %s\n", "fingerprint", bh_json_text(fp, "value"),
		    bh_json_text(fp, "config"));
	}
	free(rows);
}

void bh_view_registry_import(const json_t *answer, struct bh_buf *out)
{
	bh_buf_printf(out,
	    "version %" PRIu64 ": %" PRIu64 " imported, %" PRIu64
	    " skipped (known already), %" PRIu64 " ignored (no position)\n",
	    bh_json_count(answer, "version"), bh_json_count(answer, "imported"),
	    bh_json_count(answer, "skipped"), bh_json_count(answer, "ignored"));
	if (bh_json_count(answer, "imported"))
		bh_buf_str(out, "logs takes them up at its next start: bulkheadctl restart logs\n");
}

void bh_view_registry_forget(const json_t *answer, struct bh_buf *out)
{
	bh_buf_printf(out, "%" PRIu64 " forgotten\n", bh_json_count(answer, "forgotten"));
}

/* --- export
 * --------------------------------------------------------------------------------------- */

static void put_decoded(struct bh_jsonw *w, const char *key, const char *text)
{
	struct bh_buf bytes = BH_BUF_INIT;

	if (bh_percent_decode(bh_str_from(text), &bytes) == 0)
		bh_jsonw_bytes(w, key, bytes.data ? bytes.data : "", bytes.len);
	else
		bh_jsonw_str(w, key, text);
	bh_buf_release(&bytes);
}

static void put_fingerprint(struct bh_jsonw *w, const json_t *fp)
{
	struct bh_str value = bh_str_from(bh_json_text(fp, "value"));
	struct bh_fingerprint_config cfg;

	if (!value.n || strspn(value.p, "0123456789") != value.n ||
	    !bh_fp_text_parse(bh_str_from(bh_json_text(fp, "config")), &cfg))
		return;
	bh_jsonw_object(w, "Fingerprint");
	bh_jsonw_raw(w, "Value", value);
	bh_jsonw_object(w, "Config");
	bh_jsonw_str(w, "fingerprint_strategy", bh_fp_strategy_name(&cfg));
	bh_jsonw_u64(w, "count", cfg.count);
	bh_jsonw_u64(w, "count_to_skip", cfg.count_to_skip);
	bh_jsonw_u64(w, "max_bytes", cfg.max_bytes);
	bh_jsonw_object_end(w);
	bh_jsonw_object_end(w);
}

static void put_entry(struct bh_jsonw *w, const json_t *row, const char *time)
{
	struct bh_buf name = BH_BUF_INIT;

	(void)!bh_percent_decode(bh_str_from(bh_json_text(row, "identifier")), &name);
	if (bh_buf_failed(&name) || !name.len || strlen(name.data) != name.len) {
		bh_buf_release(&name);
		return;
	}
	bh_jsonw_object(w, name.data);
	/* The Agent forgets what was not updated for a day: for it the rows are as new as the file.
	 */
	bh_jsonw_str(w, "LastUpdated", time);
	put_decoded(w, "Offset", bh_json_text(row, "delivered"));
	put_decoded(w, "TailingMode", bh_json_text(row, "tailing_mode"));
	bh_jsonw_i64(w, "IngestionTimestamp", bh_json_int(row, "ingestion_ns"));
	put_fingerprint(w, json_object_get(row, "fingerprint"));
	bh_jsonw_object_end(w);
	bh_buf_release(&name);
}

static bool at_its_path(const json_t *row)
{
	const char *state = bh_json_text(row, "state");

	return strcmp(state, "live") == 0 || strcmp(state, "waiting") == 0;
}

/* A row of its own is truer than an imported one that nobody took up. */
static bool better(const json_t *row, const json_t *than)
{
	bool fresh = !json_is_true(json_object_get(row, "imported"));
	bool other = !json_is_true(json_object_get(than, "imported"));

	return fresh != other ? fresh : rank(row) < rank(than);
}

void bh_view_registry_export(const json_t *answer, struct bh_buf *out)
{
	const json_t *best = NULL;
	struct bh_jsonw w;
	size_t n;
	const json_t **rows = sorted(answer, &n);

	bh_jsonw_init(&w, out);
	bh_jsonw_object(&w, NULL);
	bh_jsonw_u64(&w, "Version", 2);
	bh_jsonw_object(&w, "Registry");
	for (size_t i = 0; i < n; i++) {
		const char *next = i + 1 < n ? bh_json_text(rows[i + 1], "identifier") : NULL;

		if (at_its_path(rows[i]) && (!best || better(rows[i], best)))
			best = rows[i];
		if (next && strcmp(next, bh_json_text(rows[i], "identifier")) == 0)
			continue;
		if (best)
			put_entry(&w, best, bh_json_text(answer, "time"));
		best = NULL;
	}
	bh_jsonw_object_end(&w);
	bh_jsonw_object_end(&w);
	bh_buf_u8(out, '\n');
	free(rows);
}
