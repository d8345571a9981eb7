/* Which file is which generation: spec/logs.md §4.3 to §4.5. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/crc.h"
#include "logs-agent/find.h"
#include "logs-agent/fingerprint.h"
#include "logs-agent/read_at.h"

#define COMPONENT "discovery"
#define COARSE_NS (20 * BH_NS_PER_MS) /* file systems stamp births with a coarse clock */

/* --- beginning a generation ----------------------------------------------------------------------
 */

/* Opens a generation behind what is open of the same path, and notes it in the rows at once. */
static struct bh_generation *start(struct bh_logs *l, const struct bh_generation_start *how)
{
	struct bh_target *t = how->target;
	struct bh_generation *g = NULL;
	char first[24], last[24];
	struct bh_origin o;
	int rc = bh_generation_open(&g, l, how);

	if (rc) {
		bh_scan_note(l, t->source, how->open_path, rc);
		return NULL;
	}
	if (t->last)
		bh_tailing_read_again(l, t->last);
	g->before = t->last;
	t->last = g;
	g->after_truncation =
	    how->from == 0 && bh_rows_had_before(&l->rows, g->dev, g->ino, g->gen);
	if (how->state == BH_ORIGIN_LIVE) {
		t->live = g;
		t->state = BH_TARGET_TAILED;
	}
	bh_tailing_add(l, g);
	bh_generation_origin(g, &o, first, last);
	g->row = bh_rows_put(&l->rows, &o, true);
	if (!g->row)
		bh_warn(&l->child->log, COMPONENT, "%s: out of memory for its row", t->path);
	bh_handover_touch(l, g, false);
	bh_info(&l->child->log, COMPONENT, "reading %s from %llu state=%d gen=%016llx",
	    how->open_path, (unsigned long long)how->from, (int)how->state,
	    (unsigned long long)g->gen);
	return g;
}

static void resume(struct bh_logs *l, struct bh_target *t, const char *path,
    const struct bh_file_id *id, const struct bh_row *row, enum bh_origin_state state)
{
	const struct bh_generation_start how = {
	    .target = t,
	    .open_path = path,
	    .id = id,
	    .identifier = row->identifier,
	    .gen = row->gen,
	    .from = row->offset,
	    .handed = row->offset,
	    .marker_len = row->marker_len,
	    .marker_hash = row->marker_hash,
	    .state = state,
	};
	bool renamed = strcmp(row->path, path) != 0;

	if (start(l, &how) && renamed)
		l->counts.resumed_renamed++;
}

static struct bh_generation *begin(struct bh_logs *l, struct bh_target *t, const char *path,
    const struct bh_file_id *id, uint64_t from, enum bh_origin_state state)
{
	const struct bh_generation_start how = {
	    .target = t,
	    .open_path = path,
	    .id = id,
	    .gen = bh_rng_u64(&l->rng),
	    .from = from,
	    .handed = from,
	    .state = state,
	};

	return start(l, &how);
}

/* A file whose row says where to go on, unless the configuration says otherwise. */
static void start_known(
    struct bh_logs *l, struct bh_target *t, const struct bh_file_id *id, struct bh_row *row)
{
	bool to_end = bh_start_is_forced(l, t->source, "forceEnd") ||
		      (row->from_beginning && bh_start_at_end(t->source) && !t->source->scanned &&
			  row->state != BH_ORIGIN_FINISHED);
	uint64_t end;

	if (row->state == BH_ORIGIN_FINISHED && (uint64_t)id->size == row->offset) {
		t->state = BH_TARGET_READ; /* came back under a selected name */
		return;
	}
	if (bh_start_is_forced(l, t->source, "forceBeginning")) {
		(void)begin(l, t, t->path, id, 0, BH_ORIGIN_LIVE);
		return;
	}
	if (!to_end) {
		resume(l, t, t->path, id, row, BH_ORIGIN_LIVE);
		return;
	}
	end = bh_start_after_last_line(t, (uint64_t)id->size);
	(void)start(l, &(struct bh_generation_start){
			   .target = t,
			   .open_path = t->path,
			   .id = id,
			   .identifier = row->identifier,
			   .gen = row->gen,
			   .from = BH_MAX(end, row->offset),
			   .handed = row->offset,
			   .state = BH_ORIGIN_LIVE,
		       });
}

static void start_unknown(
    struct bh_logs *l, struct bh_target *t, const struct bh_file_id *id, bool known)
{
	uint64_t from = known ? 0 : bh_start_offset(l, t, id);

	if (!known)
		bh_start_tell_lost(l, t, id, from);
	(void)begin(l, t, t->path, id, from, BH_ORIGIN_LIVE);
}

/* known: the path had a generation before, so whatever is new in it starts at 0 (§4.3, 3). */
static void start_present(struct bh_logs *l, struct bh_target *t, bool known)
{
	struct bh_file_id id;
	struct bh_generation *open_already;
	struct bh_row *row = NULL;
	int rc = bh_file_identify(t->path, &id), fd;

	if (rc) {
		if (rc != -ENOENT)
			bh_scan_note(l, t->source, t->path, rc);
		t->state = BH_TARGET_ABSENT;
		return;
	}
	open_already = bh_find_open(l, &id);
	if (open_already && open_already->target == t)
		bh_tailing_return(l, open_already); /* renamed and back */
	else if (open_already)
		t->state = BH_TARGET_ALIAS;
	if (open_already)
		return;
	if (bh_file_is_compressed(t->path)) {
		t->state = BH_TARGET_COMPRESSED;
		return;
	}
	fd = bh_file_open(t->path);
	if (fd < 0) {
		bh_scan_note(l, t->source, t->path, fd);
		if (!t->seen && !t->source->scanned)
			t->first_size = (uint64_t)id.size;
		t->seen |= !t->source->scanned;
		return;
	}
	row = bh_rows_of_file(&l->rows, id.dev, id.ino, fd);
	(void)close(fd);
	if (!row && !known)
		bh_shadow_look(l, t);
	if (row)
		start_known(l, t, &id, row);
	else if (bh_find_open(l, &id))
		t->state = BH_TARGET_ALIAS;
	else if (!known && bh_shadow_is(l, t, &id))
		t->state = BH_TARGET_SHADOW;
	else
		start_unknown(l, t, &id, known);
}

/* When the newest generation of a path was read last; 0 when there is none. */
static int64_t last_read(const struct bh_logs *l, const char *identifier)
{
	const struct bh_row *row = NULL;
	int64_t newest = 0;

	while ((row = bh_rows_next(&l->rows, identifier, row)))
		newest = BH_MAX(newest, row->ingestion_ns);
	return newest;
}

void bh_discover(struct bh_logs *l, struct bh_target *t, int64_t since_ns)
{
	struct bh_found *v = calloc(BH_FOUND_MAX, sizeof(*v));
	const struct bh_dirlist *d;
	char identifier[PATH_MAX + 8];
	bool known = false;
	size_t n;

	if (!v)
		return;
	(void)snprintf(identifier, sizeof(identifier), "file:%s", t->path);
	d = bh_find_folder(l, t->path);
	t->listed_ns = (d ? d->listed_ns : bh_wall_ns(&bh_clock_system)) - COARSE_NS;
	n = bh_find_rows(l, t, identifier, v, &known);
	if (known)
		n = bh_find_between(l, t, since_ns ? since_ns : last_read(l, identifier), v, n);
	for (size_t i = 0; i < n; i++)
		v[i].at_path = strcmp(v[i].path, t->path) == 0;
	bh_found_sort(v, n);
	for (size_t i = 0; i < n; i++) {
		struct bh_found *f = &v[i];

		if (f->at_path) {
			start_known(l, t, &f->id, f->row);
			continue;
		}
		if (f->row)
			resume(l, t, f->path, &f->id, f->row, BH_ORIGIN_DRAINING);
		else
			(void)begin(l, t, f->path, &f->id, 0, BH_ORIGIN_DRAINING);
	}
	free(v);
	if (!t->live)
		start_present(l, t, known);
	t->looked_ns = bh_wall_ns(&bh_clock_system);
}

bool bh_discover_knows(const struct bh_logs *l, const char *path)
{
	char identifier[PATH_MAX + 8];

	(void)snprintf(identifier, sizeof(identifier), "file:%s", path);
	return bh_rows_next(&l->rows, identifier, NULL) != NULL;
}

/* --- paths that wait for a place ----------------------------------------------------------------
 */

static struct bh_row *waiting_row(const struct bh_logs *l, const struct bh_target *t)
{
	char identifier[PATH_MAX + 8];
	struct bh_row *row = NULL;

	(void)snprintf(identifier, sizeof(identifier), "file:%s", t->path);
	while ((row = bh_rows_next(&l->rows, identifier, row))) {
		if (!row->open && row->state == BH_ORIGIN_WAITING)
			return row;
	}
	return NULL;
}

/* A row for a file that nobody has opened: its marker is that of the place it will start at. */
static void register_place(struct bh_logs *l, struct bh_target *t, const struct bh_file_id *id,
    uint64_t offset, enum bh_origin_state state)
{
	char identifier[PATH_MAX + 8], at[24];
	struct bh_window before = {.n = (size_t)BH_MIN(offset, (uint64_t)BH_MARKER_MAX)};
	int fd = bh_file_open(t->path);
	struct bh_origin o = {
	    .gen = bh_rng_u64(&l->rng),
	    .path = bh_str_from(t->path),
	    .dev = id->dev,
	    .ino = id->ino,
	    .tailing_mode = bh_str_from(t->source->cfg->start_position),
	    .ingestion_ns = bh_wall_ns(&bh_clock_system),
	    .last_size = (uint64_t)id->size,
	    .state = state,
	};
	struct bh_row *row;

	if (fd < 0)
		return;
	before.n = bh_read_at(fd, before.bytes, before.n, offset - before.n);
	o.marker_len = (uint32_t)before.n;
	o.marker_hash = bh_crc64(0, before.bytes, before.n);
	o.fp_value = bh_fingerprint(fd, &t->source->cfg->fingerprint);
	o.fp_config = bh_str_from(o.fp_value ? t->source->fp_config : "");
	(void)close(fd);
	(void)snprintf(identifier, sizeof(identifier), "file:%s", t->path);
	(void)snprintf(at, sizeof(at), "%llu", (unsigned long long)offset);
	o.identifier = bh_str_from(identifier);
	o.offset_first = o.offset_last = bh_str_from(at);
	row = bh_rows_put(&l->rows, &o, false);
	if (row)
		bh_handover_touch_row(l, row);
}

void bh_discover_waiting(struct bh_logs *l, struct bh_target *t)
{
	struct bh_file_id id;
	int fd;

	if (waiting_row(l, t) || bh_file_identify(t->path, &id) || bh_file_is_compressed(t->path))
		return;
	fd = bh_file_open(t->path);
	if (fd < 0)
		return;
	if (!bh_rows_of_file(&l->rows, id.dev, id.ino, fd))
		register_place(l, t, &id, bh_start_offset(l, t, &id), BH_ORIGIN_WAITING);
	(void)close(fd);
}

void bh_discover_nothing_new(struct bh_logs *l, struct bh_target *t, const struct bh_file_id *id)
{
	register_place(l, t, id, (uint64_t)id->size, BH_ORIGIN_FINISHED);
	t->state = BH_TARGET_READ;
}

bool bh_discover_has_more(const struct bh_logs *l, const struct bh_target *t)
{
	const struct bh_row *row = waiting_row(l, t);
	struct bh_file_id id;

	return bh_file_identify(t->path, &id) == 0 &&
	       (!row || row->ino != id.ino || (uint64_t)id.size != row->offset);
}

/* --- what happens to open ones -------------------------------------------------------------------
 */

/* Rotated files born later are unknown. */
static int64_t unknown_since(const struct bh_target *t)
{
	return BH_MAX(t->looked_ns - BH_NS_PER_S, t->listed_ns);
}

void bh_discover_rotated(struct bh_logs *l, struct bh_generation *g)
{
	struct bh_target *t = g->target;

	l->counts.rotations++;
	bh_shadow_settle(l, g);
	bh_tailing_rotate(l, g);
	t->live = NULL;
	t->state = BH_TARGET_ABSENT;
	bh_dirlists_clear(&l->dirs);
	bh_discover(l, t, unknown_since(t));
	bh_dirlists_clear(&l->dirs);
}

/* What the copy must hold: everything up to the last line that became a message. */
static bool move_to_copy(struct bh_logs *l, struct bh_generation *g)
{
	char first[24], last[24];
	struct bh_origin o;
	struct bh_row want = {.offset = g->done_off};
	struct bh_found *f = calloc(1, sizeof(*f));
	bool moved = false;

	if (!f)
		return false;
	bh_generation_origin(g, &o, first, last);
	want.marker_len = o.marker_len;
	want.marker_hash = o.marker_hash;
	want.fp_value = g->fp_value;
	want.fp_config = g->source->fp_config;
	/* What is read so far also tells other copies of it. */
	g->row = bh_rows_put(&l->rows, &o, true);
	if (bh_find_copy(l, g->target->path, &want, true, f)) {
		moved = bh_generation_move(g, f->path, &f->id) == 0;
		if (moved)
			bh_info(&l->child->log, COMPONENT,
			    "%s was truncated: the rest is read in %s", g->target->path, f->path);
	}
	free(f);
	return moved;
}

/* Copies of contents that came and went between two looks. */
static void drain_between(struct bh_logs *l, struct bh_target *t)
{
	struct bh_found *v = calloc(BH_FOUND_MAX, sizeof(*v));
	size_t n;

	if (!v)
		return; /* they stay unread in their files */
	n = bh_find_between(l, t, unknown_since(t), v, 0);
	bh_found_sort(v, n);
	for (size_t i = 0; i < n; i++)
		(void)begin(l, t, v[i].path, &v[i].id, 0, BH_ORIGIN_DRAINING);
	free(v);
}

void bh_discover_truncated(struct bh_logs *l, struct bh_generation *g)
{
	struct bh_target *t = g->target;
	struct bh_file_id id = {.dev = g->dev, .ino = g->ino};
	bool live = t->live == g;

	l->counts.truncations++;
	bh_info(&l->child->log, COMPONENT, "%s was truncated at or before %llu", t->path,
	    (unsigned long long)g->read_off);
	bh_dirlists_clear(&l->dirs);
	/* Whole lines become messages first: the copy is looked for behind them. */
	if (bh_assembler_flush(&g->assembler) == 0 && move_to_copy(l, g))
		bh_tailing_rotate(l, g);
	else
		bh_tailing_finish(l, g);
	if (!live) {
		bh_dirlists_clear(&l->dirs);
		return;
	}
	t->live = NULL;
	drain_between(l, t);
	bh_dirlists_clear(&l->dirs);
	(void)begin(l, t, t->path, &id, 0, BH_ORIGIN_LIVE);
	t->looked_ns = bh_wall_ns(&bh_clock_system);
}
