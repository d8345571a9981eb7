/* What the registry keeps of the sources' scans (spec/logs.md §4.3, 4), and for how long it keeps
 * rows of files that are not there any more (§16.4). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "logs-agent/logs_internal.h"

#define NOTE_MS     60000 /* a source's scan is written down at most so often */
#define LOOK_NS     (300 * BH_NS_PER_S)
#define FINISHED_NS (3600 * BH_NS_PER_S)
#define ROWS_MAX    200000

/* What makes a source the same one after a change of its tags or rules. */
static void name_row(struct bh_source *s)
{
	XXH64_hash_t hash = XXH3_64bits(s->cfg->path, strlen(s->cfg->path));

	(void)snprintf(s->row_name, sizeof(s->row_name), "source:%016" PRIx64, (uint64_t)hash);
}

void bh_ages_recall_one(struct bh_logs *l, struct bh_source *s)
{
	const struct bh_row *row;

	name_row(s);
	row = bh_rows_next(&l->rows, s->row_name, NULL);
	s->last_scan_ns = row ? (int64_t)row->offset * BH_NS_PER_MS : 0;
}

void bh_ages_recall(struct bh_logs *l)
{
	for (size_t i = 0; i < l->sources_n; i++)
		bh_ages_recall_one(l, l->sources[i]);
}

static void note_one(struct bh_logs *l, const struct bh_source *s, uint64_t now_ms, bool end)
{
	struct bh_row *row = bh_rows_next(&l->rows, s->row_name, NULL);
	char at[24];

	if (!row) {
		struct bh_origin o = {.identifier = bh_str_from(s->row_name),
		    .gen = 1,
		    .offset_first = BH_STR_LIT("0")};

		(void)snprintf(at, sizeof(at), "%" PRIu64, now_ms);
		o.offset_last = bh_str_from(at);
		row = bh_rows_put(&l->rows, &o, true);
		if (row)
			row->handed = 0;
	} else if (!end && now_ms < row->offset + NOTE_MS) {
		return;
	}
	if (!row)
		return;
	row->open = true;
	row->offset = BH_MAX(row->offset, now_ms); /* the clock may have been set back */
	bh_handover_add_row(l, row);
}

static void note_scan(struct bh_logs *l, const struct bh_source *s, bool end)
{
	uint64_t now_ms = (uint64_t)(bh_wall_ns(&bh_clock_system) / BH_NS_PER_MS);

	if (s->runs && s->type == BH_SOURCE_FILE && s->scanned)
		note_one(l, s, now_ms, end);
}

void bh_ages_note_scan(struct bh_logs *l, bool end)
{
	for (size_t i = 0; i < l->sources_n; i++)
		note_scan(l, l->sources[i], end);
}

void bh_ages_note_end(struct bh_logs *l, const struct bh_source *s)
{
	note_scan(l, s, true);
}

/* --- rows of files ------------------------------------------------------------------------------
 */

static bool is_there(struct bh_logs *l, const struct bh_row *row)
{
	const char *path = row->identifier + 5, *slash = strrchr(path, '/');
	const struct bh_dirlist *d;
	struct stat st;

	if (stat(path, &st) == 0)
		return true;
	if (!slash)
		return false;
	d = bh_dirlists_get(&l->dirs, (struct bh_str){path, (size_t)(slash - path)});
	return d && bh_dirlist_find(d, row->ino);
}

/* The time of a row runs only while this process does, and nothing of the file is found. */
static bool is_over(struct bh_logs *l, struct bh_row *row, int64_t now)
{
	int64_t ttl = l->child->config.logs_auditor_ttl_hours * 3600 * BH_NS_PER_S;

	if (row->state == BH_ORIGIN_FINISHED) {
		ttl = FINISHED_NS;
	} else if (is_there(l, row)) {
		row->missing_since_ns = 0;
		return false;
	}
	if (row->missing_since_ns == 0)
		row->missing_since_ns = now;
	return now - row->missing_since_ns >= ttl ||
	       (l->rows.n > ROWS_MAX && row->state == BH_ORIGIN_FINISHED);
}

void bh_ages_expire(struct bh_logs *l)
{
	int64_t now = bh_mono_ns(&bh_clock_system);

	if (l->expired_ns && now - l->expired_ns < LOOK_NS && l->rows.n <= ROWS_MAX)
		return;
	l->expired_ns = now;
	for (struct bh_row *row = l->rows.all; row; row = row->next_all) {
		if (row->open || row->state == BH_ORIGIN_FORGOTTEN ||
		    strncmp(row->identifier, "file:", 5) != 0 || !is_over(l, row, now))
			continue;
		row->state = BH_ORIGIN_FORGOTTEN;
		bh_handover_touch_row(l, row);
	}
	bh_dirlists_clear(&l->dirs);
}
