#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "logs-agent/glob.h"
#include "logs-agent/logs_internal.h"

#define COMPONENT  "tailing"
#define TURN_BYTES ((size_t)1 << 20) /* then the next file has its turn */
#define STEP_BACK  ((size_t)256 << 10)
#define FOUND_MAX  256 /* generations of one path found at once */

/* A file of a path's directory that is, or may be, a generation of it. */
struct found {
	char path[PATH_MAX];
	struct bh_file_id id;
	struct bh_row row; /* a copy: rows move in memory when one is added */
	bool known;        /* row is filled */
};

bool bh_logs_may_read(const struct bh_logs *l)
{
	return l->link_ready && !l->draining && l->queue_n < BH_QUEUE_MAX;
}

static void note(struct bh_logs *l, struct bh_source *s, const char *path, int rc)
{
	char text[BH_NOTE_MAX];

	(void)snprintf(text, sizeof(text), "cannot read file %.140s: %.60s", path, bh_err_name(rc));
	if (strcmp(text, s->note) != 0)
		bh_warn(&l->child->log, COMPONENT, "%s; it is tried again at every scan", text);
	memcpy(s->note, text, sizeof(text));
}

static void append(struct bh_logs *l, struct bh_generation *g)
{
	g->prev = l->tail;
	if (l->tail)
		l->tail->next = g;
	else
		l->head = g;
	l->tail = g;
}

static void forget(struct bh_logs *l, struct bh_generation *g)
{
	for (struct bh_generation *o = l->head; o; o = o->next) {
		if (o->before == g)
			o->before = NULL;
	}
	if (g->prev)
		g->prev->next = g->next;
	else
		l->head = g->next;
	if (g->next)
		g->next->prev = g->prev;
	else
		l->tail = g->prev;
	bh_generation_free(g);
}

static struct bh_generation *last_of_path(const struct bh_logs *l, const char *path)
{
	for (struct bh_generation *g = l->tail; g; g = g->prev) {
		if (strcmp(g->path, path) == 0 && g->state != BH_ORIGIN_FINISHED)
			return g;
	}
	return NULL;
}

static bool is_open(const struct bh_logs *l, const struct bh_file_id *id)
{
	for (const struct bh_generation *g = l->head; g; g = g->next) {
		if (g->ino == id->ino && g->dev == id->dev && g->state != BH_ORIGIN_FINISHED)
			return true;
	}
	return false;
}

/* Opens a generation behind what is open of the same path, and notes it in the rows at once. */
static struct bh_generation *start(struct bh_logs *l, struct bh_source *s, const char *path,
    const char *open_path, const struct bh_file_id *id, const struct bh_row *row, uint64_t offset,
    enum bh_origin_state state)
{
	struct bh_generation *before = last_of_path(l, path), *g = NULL;
	char first[24], last[24];
	struct bh_origin o;
	int rc = bh_generation_open(&g, s, path, open_path, id,
	    row ? row->gen : bh_rng_u64(&l->rng), offset, &l->child->config, s->cfg);

	if (rc) {
		note(l, s, open_path, rc);
		return NULL;
	}
	g->logs = l;
	g->state = state;
	g->before = before;
	g->last_byte_ns = bh_mono_ns(&bh_clock_system);
	g->ingestion_ns = row ? row->ingestion_ns : bh_wall_ns(&bh_clock_system);
	append(l, g);
	bh_generation_origin(g, &o, first, last, s->cfg->start_position);
	if (bh_rows_put(&l->rows, &o, true))
		bh_warn(&l->child->log, COMPONENT, "%s: out of memory for its row", path);
	bh_handover_dirty(l);
	bh_info(&l->child->log, COMPONENT, "reading %s from %llu state=%d gen=%016llx", open_path,
	    (unsigned long long)offset, (int)state, (unsigned long long)g->gen);
	return g;
}

/* Where a file without a row starts (spec/logs.md §4.3); in mode end after the last whole line. */
static uint64_t start_offset(const struct bh_logs *l, const struct bh_source *s, const char *path,
    const struct bh_file_id *id)
{
	const char *mode = s->cfg->start_position;
	uint64_t size = (uint64_t)id->size, from = size > STEP_BACK ? size - STEP_BACK : 0;
	char *bytes;
	ssize_t n = 0;
	int fd;

	if (s->scanned || strcmp(mode, "beginning") == 0 || strcmp(mode, "forceBeginning") == 0)
		return 0;
	/* A process that came back: what was born in this run was created while it was away. */
	if (l->child->generation > 1 && id->birth_ns > l->run_started_ns &&
	    strcmp(mode, "forceEnd") != 0)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	bytes = malloc(STEP_BACK);
	if (fd >= 0 && bytes)
		n = pread(fd, bytes, (size_t)(size - from), (off_t)from);
	if (n > 0) {
		const char *nl = memrchr(bytes, '\n', (size_t)n);

		if (nl)
			size = from + (uint64_t)(nl - bytes) + 1;
	}
	if (fd >= 0)
		(void)close(fd);
	free(bytes);
	return size;
}

/* `app.log` + separator + stamp, or `app` + separator + stamp + `.log` (spec/logs.md §4.5). */
static bool is_stamp(const char *s, size_t n)
{
	if (n < 2 || !strchr(".-_", s[0]) || s[1] < '0' || s[1] > '9')
		return false;
	for (size_t i = 1; i < n; i++) {
		if (!s[i] || !strchr("0123456789.-_:T", s[i]))
			return false;
	}
	return true;
}

static bool is_rotated_name(const char *base, const char *name)
{
	size_t nb = strlen(base), nn = strlen(name);
	const char *dot = strrchr(base, '.');
	size_t stem = dot ? (size_t)(dot - base) : nb, ext = nb - stem;

	if (nn > nb && strncmp(name, base, nb) == 0 && is_stamp(name + nb, nn - nb))
		return true;
	return dot && nn > nb && strncmp(name, base, stem) == 0 &&
	       strcmp(name + nn - ext, dot) == 0 && is_stamp(name + stem, nn - nb);
}

static struct bh_row *row_of_file(struct bh_logs *l, const char *path, const struct bh_file_id *id)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct bh_row *row = fd >= 0 ? bh_rows_find_file(&l->rows, id->dev, id->ino, fd) : NULL;

	if (fd >= 0)
		(void)close(fd);
	return row;
}

static int by_birth(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return x->id.birth_ns < y->id.birth_ns ? -1 : x->id.birth_ns > y->id.birth_ns;
}

/* When the newest generation of a path was last read; INT64_MAX when there is none. */
static int64_t newest_ingestion(const struct bh_logs *l, const char *identifier)
{
	int64_t newest = INT64_MAX;

	for (size_t i = 0; i < l->rows.n; i++) {
		const struct bh_row *row = &l->rows.v[i];

		if (strcmp(row->identifier, identifier) == 0 &&
		    (newest == INT64_MAX || row->ingestion_ns > newest))
			newest = row->ingestion_ns;
	}
	return newest;
}

/* Files of the directory that belong to the path: known by their rows, or with a rotated name and
 * no row. newest_birth rises to that of the youngest file a row describes, finished ones included.
 */
static size_t look_around(struct bh_logs *l, const char *path, const char *identifier,
    struct found *out, int64_t *newest_birth)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash + 1;
	char dir_path[PATH_MAX];
	struct dirent *e;
	size_t n = 0;
	DIR *dir;

	(void)snprintf(dir_path, sizeof(dir_path), "%.*s", (int)BH_MAX(slash - path, 1), path);
	dir = opendir(dir_path);
	while (dir && n < FOUND_MAX && (e = readdir(dir))) {
		struct found *f = &out[n];
		bool here = strcmp(e->d_name, base) == 0;
		int len = snprintf(f->path, sizeof(f->path), "%s/%s", dir_path, e->d_name);
		const struct bh_row *row;

		if (len < 0 || (size_t)len >= sizeof(f->path) ||
		    bh_file_identify(f->path, &f->id) || is_open(l, &f->id))
			continue;
		row = row_of_file(l, f->path, &f->id);
		f->known = row && strcmp(row->identifier, identifier) == 0;
		if (row && !f->known)
			continue; /* another path's generation */
		if (f->known) {
			f->row = *row;
			*newest_birth = BH_MAX(*newest_birth, f->id.birth_ns);
		}
		if (f->known ? row->state != BH_ORIGIN_FINISHED
			     : (!here && is_rotated_name(base, e->d_name)))
			n++;
	}
	if (dir)
		(void)closedir(dir);
	return n;
}

/* Rotated files without a row count only when they are younger than the newest generation we know.
 */
static size_t drop_strangers(struct found *v, size_t n, int64_t born_after)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (v[i].known || v[i].id.birth_ns > born_after)
			v[kept++] = v[i];
	}
	return kept;
}

static unsigned tailed(const struct bh_logs *l)
{
	unsigned n = 0;

	for (const struct bh_generation *g = l->head; g; g = g->next)
		n += g->state == BH_ORIGIN_LIVE;
	return n;
}

/* The file at the path itself, as the newest generation. */
static void start_present(struct bh_logs *l, struct bh_source *s, const char *path, bool known)
{
	struct bh_file_id id;
	const struct bh_row *row;
	int rc = bh_file_identify(path, &id);

	if (rc) {
		if (rc != -ENOENT && rc != -EINVAL)
			note(l, s, path, rc);
		return;
	}
	if (is_open(l, &id))
		return;
	row = row_of_file(l, path, &id);
	if (row && row->state == BH_ORIGIN_FINISHED && row->offset == 0)
		row = NULL;
	if (row && row->state == BH_ORIGIN_FINISHED && (uint64_t)id.size == row->offset)
		return; /* came back under its old name: nothing in it is new */
	(void)start(l, s, path, path, &id, row,
	    row ? row->offset : (known ? 0 : start_offset(l, s, path, &id)), BH_ORIGIN_LIVE);
}

/* Everything of one path that is not open yet, oldest first: generations found again, generations
 * in between, the file at the path. birth_ns: of the generation that was read until now; 0 = none
 * is open. */
static void discover(struct bh_logs *l, struct bh_source *s, const char *path, int64_t birth_ns)
{
	struct found *v = calloc(FOUND_MAX, sizeof(*v));
	char identifier[PATH_MAX + 8];
	struct bh_file_id present;
	bool known;
	size_t n;

	if (!v)
		return;
	(void)snprintf(identifier, sizeof(identifier), "file:%s", path);
	known = bh_rows_know_identifier(&l->rows, identifier);
	n = known ? look_around(l, path, identifier, v, &birth_ns) : 0;
	n = drop_strangers(v, n, birth_ns ? birth_ns : newest_ingestion(l, identifier));
	qsort(v, n, sizeof(*v), by_birth);
	for (size_t i = 0; i < n; i++) {
		const struct found *f = &v[i];
		bool here = bh_file_identify(path, &present) == 0 && present.ino == f->id.ino &&
			    present.dev == f->id.dev;

		if (!here)
			(void)start(l, s, path, f->path, &f->id, f->known ? &f->row : NULL,
			    f->known ? f->row.offset : 0, BH_ORIGIN_DRAINING);
	}
	free(v);
	start_present(l, s, path, known);
}

static void finish(struct bh_logs *l, struct bh_generation *g)
{
	/* No longer live at its path: the unfinished last line counts now. */
	if (bh_framer_end(&g->framer, bh_handover_frame, g))
		bh_warn(
		    &l->child->log, COMPONENT, "%s: its last line is lost: out of memory", g->path);
	g->state = BH_ORIGIN_FINISHED;
	g->read_once = true;
	g->dirty = true;
	bh_handover_dirty(l);
}

static void truncated(struct bh_logs *l, struct bh_generation *g)
{
	struct bh_file_id id = {.dev = g->dev, .ino = g->ino, .birth_ns = g->birth_ns};

	l->truncations++;
	bh_info(&l->child->log, COMPONENT, "%s was truncated at or before %llu: reading it from 0",
	    g->path, (unsigned long long)g->read_off);
	finish(l, g);
	(void)start(l, g->source, g->path, g->path, &id, NULL, 0, BH_ORIGIN_LIVE);
}

static void rotated(struct bh_logs *l, struct bh_generation *g)
{
	l->rotations++;
	g->state = BH_ORIGIN_DRAINING;
	/* A writer may still have it open: it is read to its end once more before its successor
	 * begins. */
	g->at_end = g->read_once = false;
	g->dirty = true;
	bh_handover_dirty(l);
	discover(l, g->source, g->path, g->birth_ns);
}

static void look(struct bh_logs *l, struct bh_generation *g)
{
	int64_t now = bh_mono_ns(&bh_clock_system);
	struct bh_file_id id;
	int rc;

	switch (bh_generation_look(g)) {
	case BH_FILE_TRUNCATED:
		truncated(l, g);
		return;
	case BH_FILE_GREW:
		g->at_end = false;
		break;
	case BH_FILE_SAME:
		break;
	}
	if (g->state == BH_ORIGIN_DRAINING) {
		if (g->at_end &&
		    now - g->last_byte_ns >= l->child->config.logs_close_timeout_ms * BH_NS_PER_MS)
			finish(l, g);
		return;
	}
	rc = bh_file_identify(g->path, &id);
	if (rc == -ENOENT || (rc == 0 && (id.ino != g->ino || id.dev != g->dev)))
		rotated(l, g);
}

void bh_tailing_poll(struct bh_logs *l)
{
	struct bh_generation *g = l->head;

	/* What look() opens is appended behind, and is looked at as well. */
	while (g) {
		struct bh_generation *next;

		if (g->state != BH_ORIGIN_FINISHED)
			look(l, g);
		next = g->next;
		if (g->state == BH_ORIGIN_FINISHED && !g->dirty && !g->batched)
			forget(l, g);
		g = next;
	}
}

static void watch_dir(struct bh_logs *l, const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];

	if (l->inotify.fd < 0 || !slash)
		return;
	(void)snprintf(dir, sizeof(dir), "%.*s", (int)BH_MAX(slash - path, 1), path);
	/* Only a hint that shortens the wait: polling is what correctness rests on. */
	(void)inotify_add_watch(
	    l->inotify.fd, dir, IN_MODIFY | IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO);
}

static bool covers(const struct bh_source *s, const char *path)
{
	const char *a = strrchr(s->cfg->path, '/'), *b = strrchr(path, '/');

	return a && b && a - s->cfg->path == b - path &&
	       memcmp(s->cfg->path, path, (size_t)(b - path)) == 0 && bh_glob_match(a + 1, b + 1);
}

/* Generations whose path has no file any more: they may live on under a rotated name. */
static void discover_gone(struct bh_logs *l, struct bh_source *s)
{
	for (size_t i = 0; i < l->rows.n; i++) {
		char path[PATH_MAX];

		if (l->rows.v[i].open || l->rows.v[i].state == BH_ORIGIN_FINISHED ||
		    strncmp(l->rows.v[i].identifier, "file:", 5) != 0)
			continue;
		(void)snprintf(path, sizeof(path), "%s", l->rows.v[i].identifier + 5);
		if (covers(s, path) && !last_of_path(l, path))
			discover(l, s, path, 0);
	}
}

static bool excluded(const struct bh_source *s, const char *path)
{
	for (size_t i = 0; i < s->cfg->exclude_paths.n; i++) {
		const char *p = s->cfg->exclude_paths.v[i];
		const char *a = strrchr(p, '/'), *b = strrchr(path, '/');

		if (strcmp(p, path) == 0 ||
		    (a && b && a - p == b - path && memcmp(p, path, (size_t)(b - path)) == 0 &&
			bh_glob_match(a + 1, b + 1)))
			return true;
	}
	return false;
}

static void scan_source(struct bh_logs *l, struct bh_source *s)
{
	struct bh_strlist paths = {NULL, 0};
	int rc = bh_glob_expand(s->cfg->path, &paths);
	struct stat st;

	if (rc || paths.n)
		s->note[0] = '\0';
	s->matched = (unsigned)paths.n;
	for (size_t i = 0; i < paths.n; i++) {
		const struct bh_generation *g = last_of_path(l, paths.v[i]);

		if (excluded(s, paths.v[i]) || (g && g->state == BH_ORIGIN_LIVE))
			continue;
		if (tailed(l) >= (unsigned)l->child->config.logs_open_files_limit) {
			(void)snprintf(s->note, sizeof(s->note),
			    "logs_config.open_files_limit was reached: %zu files match", paths.n);
			break;
		}
		watch_dir(l, paths.v[i]);
		discover(l, s, paths.v[i], 0);
	}
	watch_dir(l, s->cfg->path);
	if (!s->scanned)
		discover_gone(l, s);
	if (paths.n == 0 && stat(s->cfg->path, &st) < 0)
		(void)snprintf(s->note, sizeof(s->note),
		    bh_glob_is_pattern(s->cfg->path)
			? "could not find any file matching pattern %.100s, check that all its "
			  "subdirectories are executable"
			: "cannot read file %.100s: it does not exist or a directory above it "
			  "cannot be entered",
		    s->cfg->path);
	s->scanned = true;
	bh_strlist_release(&paths);
}

void bh_tailing_scan(struct bh_logs *l)
{
	for (size_t i = 0; i < l->sources_n; i++) {
		if (l->sources[i].runs && strcmp(l->sources[i].cfg->type, "file") == 0)
			scan_source(l, &l->sources[i]);
	}
}

static bool readable(const struct bh_generation *g)
{
	return g->state != BH_ORIGIN_FINISHED && !g->at_end && (!g->before || g->before->read_once);
}

static void read_one(struct bh_logs *l, struct bh_generation *g)
{
	size_t left = TURN_BYTES;

	while (left && bh_logs_may_read(l)) {
		ssize_t n = pread(g->fd, l->chunk.data, BH_CHUNK, (off_t)g->read_off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			if (n < 0)
				note(l, g->source, g->path, -errno);
			g->at_end = g->read_once = true;
			return;
		}
		bh_window_add(&g->read_window, l->chunk.data, (size_t)n);
		g->read_off += (uint64_t)n;
		g->last_byte_ns = bh_mono_ns(&bh_clock_system);
		g->ingestion_ns = bh_wall_ns(&bh_clock_system);
		if (bh_framer_feed(&g->framer, l->chunk.data, (size_t)n, bh_handover_frame, g)) {
			bh_child_fail(l->child,
			    BH_EXIT_INTERNAL); /* out of memory: read again from the mark */
			return;
		}
		left -= BH_MIN(left, (size_t)n);
	}
}

static void on_work(struct bh_timer *t)
{
	bh_tailing_read(BH_CONTAINER(t, struct bh_logs, work));
}

void bh_tailing_read(struct bh_logs *l)
{
	bool more = false;

	for (struct bh_generation *g = l->head; g && bh_logs_may_read(l); g = g->next) {
		if (readable(g))
			read_one(l, g);
	}
	for (struct bh_generation *g = l->head; g; g = g->next)
		more |= readable(g);
	if (more && bh_logs_may_read(l))
		bh_timer_in(&l->child->loop, &l->work, 0, on_work);
}
