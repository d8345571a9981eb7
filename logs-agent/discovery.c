/* Which file is which generation: spec/logs.md §4.3 to §4.5. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/crc.h"
#include "logs-agent/fingerprint.h"
#include "logs-agent/logs_internal.h"
#include "logs-agent/read_at.h"
#include "logs-agent/rotation.h"

#define COMPONENT  "discovery"
#define STEP_BACK  ((size_t)256 << 10) /* how far an unfinished last line is looked for */
#define FOUND_MAX  256                 /* generations of one path opened at once */
#define COPIES_MAX 64                  /* candidates looked at for a copy */

/* A file that is, or continues, a generation of a path. */
struct found {
	char path[PATH_MAX];
	struct bh_file_id id;
	struct bh_row *row; /* NULL: a generation nobody has seen yet */
};

static struct bh_str dir_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return (struct bh_str){path, slash ? (size_t)(slash - path) : 0};
}

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* false: too long, or no regular file. */
static bool identify_in(
    const struct bh_dirlist *d, const char *name, char path[PATH_MAX], struct bh_file_id *id)
{
	int n = snprintf(path, PATH_MAX, "%s/%s", strcmp(d->path, "/") == 0 ? "" : d->path, name);

	return n > 0 && n < PATH_MAX && bh_file_identify(path, id) == 0;
}

static int open_quietly(const char *path)
{
	return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

static bool is_open(const struct bh_logs *l, const struct bh_file_id *id)
{
	for (const struct bh_generation *g = l->head; g; g = g->next) {
		if (g->ino == id->ino && g->dev == id->dev && g->state != BH_ORIGIN_FINISHED)
			return true;
	}
	return false;
}

static bool is_compressed(const char *path)
{
	unsigned char head[8];
	bool yes = false;
	int fd;

	if (!bh_rotation_is_compressed_name(path))
		return false;
	fd = open_quietly(path);
	if (fd >= 0) {
		ssize_t n = read(fd, head, sizeof(head));

		yes = n > 0 && bh_rotation_is_compressed(path, head, (size_t)n);
		(void)close(fd);
	}
	return yes;
}

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
	g->before = t->last;
	t->last = g;
	if (g->before)
		bh_tailing_read_again(l, g->before);
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

/* --- where the file at a path starts -------------------------------------------------------------
 */

static bool mode_is(const struct bh_source *s, const char *mode)
{
	return strcmp(s->cfg->start_position, mode) == 0;
}

/* Forced modes act once per start of the product (§4.3, 1). */
static bool is_forced(const struct bh_logs *l, const struct bh_source *s, const char *mode)
{
	return l->child->generation <= 1 && !s->scanned && !s->late && mode_is(s, mode);
}

static bool starts_at_end(const struct bh_source *s)
{
	return !mode_is(s, "beginning") && !mode_is(s, "forceBeginning");
}

/* The size, or what follows the last newline before it: the first message is whole then. In UTF-16
 * the newline is the one byte of its unit that is not zero. */
static uint64_t after_last_line(const struct bh_target *t, uint64_t size)
{
	enum bh_unit unit = bh_charset_unit(t->source->decoder.charset);
	uint64_t behind = unit == BH_UNIT_UTF16_LE ? 2 : 1;
	uint64_t from = size > STEP_BACK ? size - STEP_BACK : 0, at = size;
	int fd = open_quietly(t->path);
	char *bytes = malloc(STEP_BACK);
	ssize_t n = 0;

	if (fd >= 0 && bytes)
		n = pread(fd, bytes, (size_t)(size - from), (off_t)from);
	if (n > 0) {
		const char *nl = memrchr(bytes, '\n', (size_t)n);

		if (nl)
			at = from + (uint64_t)(nl - bytes) + behind;
	}
	if (fd >= 0)
		(void)close(fd);
	free(bytes);
	return BH_MIN(at, size) - (unit == BH_UNIT_BYTE ? 0 : at % 2);
}

/* Of a file without a row, at a path of which nothing is known (§4.3, 4). */
static uint64_t first_offset(
    const struct bh_logs *l, const struct bh_target *t, const struct bh_file_id *id)
{
	const struct bh_source *s = t->source;

	if (is_forced(l, s, "forceEnd"))
		return after_last_line(t, (uint64_t)id->size);
	if (t->seen && starts_at_end(s))
		return t->first_size;
	if (s->scanned || !starts_at_end(s))
		return 0;
	/* Created while this process, or the whole agent, was away. */
	if (l->child->generation > 1 && !s->late && id->birth_ns > l->run_started_ns)
		return 0;
	if (s->last_scan_ns && id->birth_ns > s->last_scan_ns)
		return 0;
	return after_last_line(t, (uint64_t)id->size);
}

/* A file whose row says where to go on, unless the configuration says otherwise. */
static void start_known(
    struct bh_logs *l, struct bh_target *t, const struct bh_file_id *id, struct bh_row *row)
{
	bool to_end = is_forced(l, t->source, "forceEnd") ||
		      (row->from_beginning && starts_at_end(t->source) && !t->source->scanned &&
			  row->state != BH_ORIGIN_FINISHED);
	uint64_t end;

	if (row->state == BH_ORIGIN_FINISHED && (uint64_t)id->size == row->offset) {
		t->state = BH_TARGET_READ; /* came back under a selected name */
		return;
	}
	if (is_forced(l, t->source, "forceBeginning")) {
		(void)begin(l, t, t->path, id, 0, BH_ORIGIN_LIVE);
		return;
	}
	if (!to_end) {
		resume(l, t, t->path, id, row, BH_ORIGIN_LIVE);
		return;
	}
	end = after_last_line(t, (uint64_t)id->size);
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

/* Whether the whole of a file, at least 256 bytes, is how another one begins. */
static bool is_beginning_of(const char *path, uint64_t size, int live_fd)
{
	char a[BH_MARKER_MAX * 16], b[sizeof(a)];
	int fd = size >= BH_MARKER_MAX ? open_quietly(path) : -1;
	bool same = fd >= 0;

	for (uint64_t at = 0; same && at < size;) {
		size_t want = (size_t)BH_MIN(size - at, (uint64_t)sizeof(a));
		ssize_t n = pread(fd, a, want, (off_t)at);

		same = n > 0 && pread(live_fd, b, (size_t)n, (off_t)at) == n &&
		       memcmp(a, b, (size_t)n) == 0;
		at += n > 0 ? (uint64_t)n : 0;
	}
	if (fd >= 0)
		(void)close(fd);
	return same;
}

/* A copy of a live file that is being made, or waits for the truncation (§4.4). */
static bool is_shadow(
    const struct bh_logs *l, const struct bh_target *t, const struct bh_file_id *id)
{
	struct bh_str dir = dir_of(t->path);
	char base[NAME_MAX + 1], path[PATH_MAX];

	for (size_t at = 0; bh_rotation_next_base(base_of(t->path), &at, base, sizeof(base));) {
		int n = snprintf(path, sizeof(path), "%.*s/%s", (int)dir.n, dir.p, base);
		const struct bh_target *live =
		    n > 0 && n < (int)sizeof(path) ? bh_targets_find(&l->targets, path) : NULL;

		if (live && live->live &&
		    is_beginning_of(t->path, (uint64_t)id->size, live->live->fd))
			return true;
	}
	return false;
}

/* known: the path had a generation before, so whatever is new in it starts at 0 (§4.3, 3). */
static void start_present(struct bh_logs *l, struct bh_target *t, bool known)
{
	struct bh_file_id id;
	struct bh_row *row = NULL;
	int rc = bh_file_identify(t->path, &id), fd;

	if (rc) {
		if (rc != -ENOENT)
			bh_scan_note(l, t->source, t->path, rc);
		t->state = BH_TARGET_ABSENT;
		return;
	}
	if (is_open(l, &id)) {
		t->state = BH_TARGET_ALIAS;
		return;
	}
	if (is_compressed(t->path)) {
		t->state = BH_TARGET_COMPRESSED;
		return;
	}
	fd = open_quietly(t->path);
	if (fd < 0) {
		bh_scan_note(l, t->source, t->path, -errno);
		if (!t->seen && !t->source->scanned)
			t->first_size = (uint64_t)id.size;
		t->seen |= !t->source->scanned;
		return;
	}
	row = bh_rows_of_file(&l->rows, id.dev, id.ino, fd);
	(void)close(fd);
	if (row)
		start_known(l, t, &id, row);
	else if (!known && is_shadow(l, t, &id))
		t->state = BH_TARGET_SHADOW;
	else
		(void)begin(
		    l, t, t->path, &id, known ? 0 : first_offset(l, t, &id), BH_ORIGIN_LIVE);
}

/* --- finding generations again -------------------------------------------------------------------
 */

static bool fingerprint_is(int fd, const struct bh_row *row)
{
	struct bh_fingerprint_config cfg;

	return row->fp_config && bh_fingerprint_config_parse(bh_str_from(row->fp_config), &cfg) &&
	       bh_fingerprint(fd, &cfg) == row->fp_value;
}

/* Whether the file holds what the row describes, surely enough to take it under another inode. */
static bool is_surely(const char *path, const struct bh_row *row)
{
	int fd = open_quietly(path);
	bool same = fd >= 0 &&
		    bh_same_content(fd, row->offset, row->marker_len, row->marker_hash) &&
		    (!row->fp_value || fingerprint_is(fd, row)) &&
		    (row->marker_len == BH_MARKER_MAX || row->fp_value);

	if (fd >= 0)
		(void)close(fd);
	return same;
}

static bool find_by_inode(
    struct bh_logs *l, const struct bh_dirlist *d, const struct bh_row *row, struct found *f)
{
	const struct bh_dirent *e = d ? bh_dirlist_find(d, row->ino) : NULL;
	bool same;
	int fd;

	if (!e || !identify_in(d, e->name, f->path, &f->id) || f->id.ino != row->ino ||
	    is_open(l, &f->id))
		return false;
	fd = open_quietly(f->path);
	same = fd >= 0 && bh_rows_of_file(&l->rows, f->id.dev, f->id.ino, fd) == row;
	if (fd >= 0)
		(void)close(fd);
	return same;
}

static int youngest_first(const void *a, const void *b)
{
	const struct found *x = *(struct found *const *)a, *y = *(struct found *const *)b;

	return x->id.birth_ns > y->id.birth_ns ? -1 : x->id.birth_ns < y->id.birth_ns;
}

/* §4.4: a copy that copytruncate or a backup tool made of what the row describes. */
static bool find_copy(
    struct bh_logs *l, const char *of, const struct bh_row *row, struct found *out)
{
	const struct bh_dirlist *d = bh_dirlists_get(&l->dirs, dir_of(of));
	struct found *v[COPIES_MAX];
	size_t n = 0;
	bool found = false;

	if (!d || row->marker_len != BH_MARKER_MAX || !row->fp_value)
		return false;
	for (size_t i = 0; i < d->n && n < COPIES_MAX; i++) {
		if (!bh_rotation_is_copy_name(base_of(of), d->v[i].name) ||
		    bh_rows_know_inode(&l->rows, d->v[i].ino))
			continue;
		v[n] = calloc(1, sizeof(**v));
		if (!v[n] || !identify_in(d, d->v[i].name, v[n]->path, &v[n]->id) ||
		    (uint64_t)v[n]->id.size < row->offset || is_compressed(v[n]->path))
			free(v[n]);
		else
			n++;
	}
	qsort((void *)v, n, sizeof(struct found *), youngest_first);
	for (size_t i = 0; i < n; i++) {
		if (!found && is_surely(v[i]->path, row)) {
			*out = *v[i];
			found = true;
		}
		free(v[i]);
	}
	if (found)
		l->counts.copies_recognised++;
	return found;
}

/* Nothing is left of it where it could be: said once, and counted with the bytes it still had. */
static void report_lost(struct bh_logs *l, struct bh_target *t, struct bh_row *row)
{
	uint64_t unread = row->last_size > row->offset ? row->last_size - row->offset : 0;

	if (row->told)
		return;
	row->told = true;
	l->counts.generations_lost++;
	l->counts.bytes_lost += unread;
	bh_warn(&l->child->log, COMPONENT,
	    "%s: the generation that was read to %llu is not there any more, nor a copy of it; at"
	    " least %llu bytes of it were not read",
	    t->path, (unsigned long long)row->offset, (unsigned long long)unread);
}

/* A row of the Agent's registry, which knows paths only (§4.4, last line). One that does not fit is
 * over: its path begins anew. */
static bool find_imported(
    struct bh_logs *l, struct bh_target *t, struct bh_row *row, struct found *f)
{
	struct bh_fingerprint_config cfg;
	uint64_t now = 0;
	int fd;

	if (bh_file_identify(t->path, &f->id) || is_open(l, &f->id))
		return false;
	fd = open_quietly(t->path);
	if (fd < 0)
		return false;
	if (row->fp_value && bh_fingerprint_config_parse(bh_str_from(row->fp_config), &cfg))
		now = bh_fingerprint(fd, &cfg);
	(void)close(fd);
	if ((uint64_t)f->id.size >= row->offset && (now == 0 || now == row->fp_value)) {
		(void)snprintf(f->path, sizeof(f->path), "%s", t->path);
		return true;
	}
	row->state = BH_ORIGIN_FORGOTTEN;
	bh_handover_touch_row(l, row);
	return false;
}

/* Where the content of a row is now: under its inode, at its path under another one, in a copy. */
static bool find_row(struct bh_logs *l, struct bh_target *t, const struct bh_dirlist *d,
    struct bh_row *row, struct found *f)
{
	if (row->ino == 0)
		return find_imported(l, t, row, f);
	if (find_by_inode(l, d, row, f))
		return true;
	if (bh_file_identify(t->path, &f->id) == 0 && f->id.ino != row->ino &&
	    !is_open(l, &f->id) && !bh_rows_know_inode(&l->rows, f->id.ino) &&
	    is_surely(t->path, row)) {
		(void)snprintf(f->path, sizeof(f->path), "%s", t->path);
		return true;
	}
	if (find_copy(l, t->path, row, f))
		return true;
	if (d)
		report_lost(l, t, row);
	return false;
}

/* Rows of the path that are not open. Returns how many were found. */
static size_t find_rows(
    struct bh_logs *l, struct bh_target *t, const char *identifier, struct found *v, bool *known)
{
	const struct bh_dirlist *d = bh_dirlists_get(&l->dirs, dir_of(t->path));
	struct bh_row *row = NULL;
	size_t n = 0;

	while ((row = bh_rows_next(&l->rows, identifier, row)) && n < FOUND_MAX) {
		*known = true;
		v[n].row = row;
		if (!row->open && row->state != BH_ORIGIN_FINISHED &&
		    row->state != BH_ORIGIN_FORGOTTEN && find_row(l, t, d, row, &v[n]))
			n++;
	}
	return n;
}

/* Rotated files that nobody has seen: two rotations between two looks. */
static size_t find_between(
    struct bh_logs *l, struct bh_target *t, int64_t since_ns, struct found *v, size_t n)
{
	const struct bh_dirlist *d = bh_dirlists_get(&l->dirs, dir_of(t->path));

	for (size_t i = 0; d && i < d->n && n < FOUND_MAX; i++) {
		struct found *f = &v[n];

		if (!bh_rotation_is_name(base_of(t->path), d->v[i].name) ||
		    bh_rows_know_inode(&l->rows, d->v[i].ino) ||
		    !identify_in(d, d->v[i].name, f->path, &f->id) || f->id.birth_ns <= since_ns ||
		    is_open(l, &f->id) || is_compressed(f->path))
			continue;
		f->row = NULL;
		n++;
	}
	return n;
}

static int oldest_first(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	/* What is known began before what nobody has seen. */
	if ((x->row != NULL) != (y->row != NULL))
		return x->row ? -1 : 1;
	return x->id.birth_ns < y->id.birth_ns ? -1 : x->id.birth_ns > y->id.birth_ns;
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
	struct found *v = calloc(FOUND_MAX, sizeof(*v));
	char identifier[PATH_MAX + 8];
	bool known = false;
	size_t n;

	if (!v)
		return;
	(void)snprintf(identifier, sizeof(identifier), "file:%s", t->path);
	n = find_rows(l, t, identifier, v, &known);
	if (known)
		n = find_between(l, t, since_ns ? since_ns : last_read(l, identifier), v, n);
	qsort(v, n, sizeof(*v), oldest_first);
	for (size_t i = 0; i < n; i++) {
		struct found *f = &v[i];

		if (strcmp(f->path, t->path) == 0) {
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
static void register_place(struct bh_logs *l, struct bh_target *t, const struct bh_file_id *id)
{
	char identifier[PATH_MAX + 8], at[24];
	uint64_t offset = first_offset(l, t, id);
	struct bh_window before = {.n = (size_t)BH_MIN(offset, (uint64_t)BH_MARKER_MAX)};
	int fd = open_quietly(t->path);
	struct bh_origin o = {
	    .identifier = bh_str_from(identifier),
	    .gen = bh_rng_u64(&l->rng),
	    .path = bh_str_from(t->path),
	    .dev = id->dev,
	    .ino = id->ino,
	    .offset_first = bh_str_from(at),
	    .offset_last = bh_str_from(at),
	    .tailing_mode = bh_str_from(t->source->cfg->start_position),
	    .ingestion_ns = bh_wall_ns(&bh_clock_system),
	    .last_size = (uint64_t)id->size,
	    .state = BH_ORIGIN_WAITING,
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

	if (waiting_row(l, t) || bh_file_identify(t->path, &id) || is_compressed(t->path))
		return;
	fd = open_quietly(t->path);
	if (fd < 0)
		return;
	if (!bh_rows_of_file(&l->rows, id.dev, id.ino, fd))
		register_place(l, t, &id);
	(void)close(fd);
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

void bh_discover_rotated(struct bh_logs *l, struct bh_generation *g)
{
	struct bh_target *t = g->target;
	/* File systems stamp births with a coarse clock. */
	int64_t since = t->looked_ns - BH_NS_PER_S;

	l->counts.rotations++;
	bh_tailing_rotate(l, g);
	t->live = NULL;
	t->state = BH_TARGET_ABSENT;
	bh_dirlists_clear(&l->dirs);
	bh_discover(l, t, BH_MAX(since, g->opened_ns));
	bh_dirlists_clear(&l->dirs);
}

/* What the copy must hold: everything up to the last line that became a message. */
static bool move_to_copy(struct bh_logs *l, struct bh_generation *g)
{
	char first[24], last[24];
	struct bh_origin o;
	struct bh_row want = {.offset = g->done_off};
	struct found *f = calloc(1, sizeof(*f));
	bool moved = false;

	if (!f)
		return false;
	bh_generation_origin(g, &o, first, last);
	want.marker_len = o.marker_len;
	want.marker_hash = o.marker_hash;
	want.fp_value = g->fp_value;
	want.fp_config = g->source->fp_config;
	if (find_copy(l, g->target->path, &want, f)) {
		moved = bh_generation_move(g, f->path, &f->id) == 0;
		if (moved)
			bh_info(&l->child->log, COMPONENT,
			    "%s was truncated: the rest is read in %s", g->target->path, f->path);
	}
	free(f);
	return moved;
}

void bh_discover_truncated(struct bh_logs *l, struct bh_generation *g)
{
	struct bh_target *t = g->target;
	struct bh_file_id id = {.dev = g->dev, .ino = g->ino};
	bool live = t->live == g;
	struct bh_generation *next;

	l->counts.truncations++;
	bh_info(&l->child->log, COMPONENT, "%s was truncated at or before %llu", t->path,
	    (unsigned long long)g->read_off);
	bh_dirlists_clear(&l->dirs);
	/* Whole lines become messages first: the copy is looked for behind them. */
	if (bh_assembler_flush(&g->assembler) == 0 && move_to_copy(l, g))
		bh_tailing_rotate(l, g);
	else
		bh_tailing_finish(l, g);
	bh_dirlists_clear(&l->dirs);
	if (!live)
		return;
	t->live = NULL;
	next = begin(l, t, t->path, &id, 0, BH_ORIGIN_LIVE);
	if (next)
		next->after_truncation = true;
	t->looked_ns = bh_wall_ns(&bh_clock_system);
}
