/* Which paths the sources select, and which of them are tailed: spec/logs.md §3. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "logs-agent/access.h"
#include "logs-agent/glob.h"
#include "logs-agent/logs_internal.h"

#define COMPONENT "scan"
#define NOTE_PATH 50 /* bytes of a path that a note shows */
#define HURRY_NS  (100 * BH_NS_PER_MS)
#define REST_NS   (60 * BH_NS_PER_S) /* at its end for so long: may give its place away */

/* The log hears of it once, until a scan finds nothing wrong. */
static void note(struct bh_logs *l, struct bh_source *s, const char text[BH_NOTE_MAX])
{
	if (strcmp(text, s->said) != 0)
		bh_warn(&l->child->log, COMPONENT, "%s; it is tried again at every scan", text);
	memcpy(s->note, text, BH_NOTE_MAX);
	memcpy(s->said, text, BH_NOTE_MAX);
}

void bh_scan_note(struct bh_logs *l, struct bh_source *s, const char *path, int rc)
{
	char text[BH_NOTE_MAX] = "", why[140];
	size_t n = strlen(path);
	bool cut = n > NOTE_PATH;

	l->denied |= rc == -EACCES;
	if (rc == -EACCES)
		bh_access_explain(path, why, sizeof(why));
	else
		(void)snprintf(why, sizeof(why), "%s",
		    rc == -EINVAL ? "not a regular file: it is skipped" : bh_err_name(rc));
	/* The end of a long path tells it from its neighbours. */
	(void)snprintf(text, sizeof(text), "cannot read file %s%.*s: %.139s", cut ? "..." : "",
	    (int)NOTE_PATH, path + (cut ? n - NOTE_PATH : 0), why);
	note(l, s, text);
}

static void watch_dir(struct bh_logs *l, const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];

	if (l->inotify.fd < 0 || !slash)
		return;
	(void)snprintf(dir, sizeof(dir), "%.*s", (int)BH_MAX(slash - path, 1), path);
	bh_watches_add(&l->watches, l->inotify.fd, dir);
}

/* --- one selected path ---------------------------------------------------------------------------
 */

/* The place of a file that must wait: where it will be read from (§3.2). */
static void wait_in_line(struct bh_logs *l, struct bh_target *t)
{
	if (t->state != BH_TARGET_WAITING)
		bh_discover_waiting(l, t);
	t->state = BH_TARGET_WAITING;
	l->counts.files_waiting++;
}

static void select_path(struct bh_logs *l, struct bh_source *s, const char *path)
{
	struct bh_target *t = bh_targets_put(&l->targets, path, s);

	if (!t || t->source != s || t->scan == l->scans)
		return; /* of another source, or seen already in this scan */
	t->scan = l->scans;
	if (t->live)
		return;
	if (l->live >= (unsigned)l->child->config.logs_open_files_limit) {
		wait_in_line(l, t);
		return;
	}
	watch_dir(l, path);
	bh_discover(l, t, t->looked_ns ? t->looked_ns - BH_NS_PER_S : s->last_scan_ns);
}

static bool excluded(const struct bh_source *s, const char *path, bool recursive)
{
	for (size_t i = 0; i < s->cfg->exclude_paths.n; i++) {
		if (strcmp(s->cfg->exclude_paths.v[i], path) == 0 ||
		    bh_glob_match_path(s->cfg->exclude_paths.v[i], path, recursive))
			return true;
	}
	return false;
}

static void note_nothing(struct bh_logs *l, struct bh_source *s)
{
	char text[BH_NOTE_MAX] = "";

	if (!bh_glob_is_pattern(s->cfg->path)) {
		bh_scan_note(l, s, s->cfg->path, -ENOENT);
		return;
	}
	(void)snprintf(text, sizeof(text),
	    "could not find any file matching pattern %.100s, check that all its subdirectories are"
	    " executable",
	    s->cfg->path);
	note(l, s, text);
}

/* Paths of a source as of now, without those it excludes. */
static void expand(struct bh_logs *l, struct bh_source *s, struct bh_strlist *out)
{
	bool recursive = l->child->config.logs_enable_recursive_glob, literal;
	struct bh_strlist all = {NULL, 0};
	struct stat st;
	int rc = bh_glob_expand(s->cfg->path, recursive, &all);

	literal = all.n == 1 && strcmp(all.v[0], s->cfg->path) == 0;
	if (rc != BH_E_LIMIT)
		s->note[0] = '\0';
	if (literal && stat(all.v[0], &st) == 0 && S_ISDIR(st.st_mode)) {
		(void)snprintf(s->note, sizeof(s->note), "%.150s is a directory", s->cfg->path);
		bh_strlist_release(&all);
		return;
	}
	for (size_t i = 0; i < all.n && rc != -ENOMEM; i++) {
		if (literal || !excluded(s, all.v[i], recursive))
			rc = bh_strlist_add(out, all.v[i], strlen(all.v[i]));
	}
	bh_strlist_release(&all);
}

/* --- the order of §3.2 ---------------------------------------------------------------------------
 */

struct candidate {
	struct bh_source *source;
	char *path;
	int64_t mtime_ns; /* INT64_MIN: cannot be looked at */
	bool pattern;
};

struct candidates {
	struct candidate *v;
	size_t n, cap;
};

static void add_candidate(struct candidates *c, struct bh_source *s, char *path, bool pattern)
{
	struct stat st;

	if (c->n == c->cap) {
		size_t cap = c->cap ? 2 * c->cap : 256;
		struct candidate *grown = reallocarray(c->v, cap, sizeof(*grown));

		if (!grown) {
			free(path);
			return; /* it has its turn at the next scan */
		}
		c->v = grown;
		c->cap = cap;
	}
	c->v[c->n++] = (struct candidate){s, path, INT64_MIN, pattern};
	if (pattern && stat(path, &st) == 0)
		c->v[c->n - 1].mtime_ns = st.st_mtim.tv_sec * BH_NS_PER_S + st.st_mtim.tv_nsec;
}

/* Plain paths in order, then patterns' matches, the latest modified first. */
static int latest_first(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->pattern != y->pattern)
		return x->pattern ? 1 : -1;
	if (!x->pattern)
		return x < y ? -1 : 1;
	if (x->mtime_ns != y->mtime_ns)
		return x->mtime_ns > y->mtime_ns ? -1 : 1;
	return strcmp(y->path, x->path);
}

static void collect(struct bh_logs *l, struct candidates *c)
{
	for (size_t i = 0; i < l->sources_n; i++) {
		struct bh_source *s = l->sources[i];
		struct bh_strlist paths = {NULL, 0};

		if (s->type != BH_SOURCE_FILE || !s->runs)
			continue;
		expand(l, s, &paths);
		watch_dir(l, s->cfg->path);
		s->matched = (unsigned)paths.n;
		if (paths.n == 0 && !s->note[0])
			note_nothing(l, s);
		for (size_t k = 0; k < paths.n; k++) {
			add_candidate(c, s, paths.v[k], strcmp(paths.v[k], s->cfg->path) != 0);
			paths.v[k] = NULL;
		}
		bh_strlist_release(&paths);
	}
}

/* --- leaving -------------------------------------------------------------------------------------
 */

/* Not selected any more: what is complete is sent, the row stays, the descriptor goes. */
static void deselect(struct bh_logs *l)
{
	struct bh_target *next;

	for (struct bh_target *t = l->targets.all; t; t = next) {
		next = t->next;
		if (t->scan == l->scans || t->open)
			continue;
		bh_targets_remove(&l->targets, t);
	}
}

/* Whether a source selects a path that has no file now. */
static struct bh_source *source_of(struct bh_logs *l, const char *path)
{
	bool recursive = l->child->config.logs_enable_recursive_glob;

	for (size_t i = 0; i < l->sources_n; i++) {
		struct bh_source *s = l->sources[i];

		if (s->type == BH_SOURCE_FILE && s->runs &&
		    (strcmp(s->cfg->path, path) == 0 ||
			(bh_glob_match_path(s->cfg->path, path, recursive) &&
			    !excluded(s, path, recursive))))
			return s;
	}
	return NULL;
}

/* Generations whose path has no file any more: they may live on under a rotated name. */
static void discover_gone(struct bh_logs *l)
{
	for (struct bh_row *row = l->rows.all; row; row = row->next_all) {
		const char *path = row->identifier + 5;
		struct bh_file_id id;
		struct bh_source *s;
		struct bh_target *t;

		if (row->open || row->state == BH_ORIGIN_FINISHED ||
		    strncmp(row->identifier, "file:", 5) != 0)
			continue;
		if (bh_file_identify(path, &id) == 0)
			continue; /* it has its turn with those that are there */
		s = source_of(l, path);
		t = s ? bh_targets_put(&l->targets, path, s) : NULL;
		if (!t || t->scan == l->scans)
			continue;
		t->scan = l->scans;
		bh_discover(l, t, s->last_scan_ns);
	}
}

/* What the registry tells of comes first: a file that is new under its name may be a generation of
 * another path, or a copy of one. */
static void find_known(struct bh_logs *l, const struct candidates *c)
{
	size_t n = BH_MIN(c->n, (size_t)l->child->config.logs_open_files_limit);

	for (size_t i = 0; i < n; i++) {
		if (bh_discover_knows(l, c->v[i].path))
			select_path(l, c->v[i].source, c->v[i].path);
	}
	discover_gone(l);
}

/* --- giving places away --------------------------------------------------------------------------
 */

static bool rests(const struct bh_logs *l, const struct bh_generation *g, int64_t now)
{
	return g->state == BH_ORIGIN_LIVE && g->at_end && !g->dirty &&
	       g->last_batch <= l->durable && bh_assembler_held(&g->assembler) == 0 &&
	       now - g->last_byte_ns >= REST_NS;
}

/* While files wait, those at rest make room (§3.2). */
static void make_room(struct bh_logs *l)
{
	int64_t now = bh_mono_ns(&bh_clock_system);
	struct bh_generation *g = l->head, *next;
	uint64_t wanted = 0;

	for (struct bh_target *t = l->targets.all; t; t = t->next)
		wanted += t->state == BH_TARGET_WAITING && bh_discover_has_more(l, t);
	for (; g && wanted; g = next) {
		next = g->next;
		if (rests(l, g, now)) {
			bh_tailing_set_aside(l, g);
			wanted--;
		}
	}
	for (struct bh_target *t = l->targets.all; t; t = t->next) {
		if (t->state == BH_TARGET_WAITING && bh_discover_has_more(l, t) &&
		    l->live < (unsigned)l->child->config.logs_open_files_limit)
			bh_discover(l, t, 0);
	}
}

/* --- the scan ------------------------------------------------------------------------------------
 */

static void describe(struct bh_logs *l)
{
	for (size_t i = 0; i < l->sources_n; i++) {
		struct bh_source *s = l->sources[i];

		s->tailed = 0;
		if (!s->note[0])
			s->said[0] = '\0';
	}
	for (struct bh_generation *g = l->head; g; g = g->next)
		g->source->tailed += g->state == BH_ORIGIN_LIVE;
	if (l->counts.files_waiting)
		bh_log_limited(&l->child->log, &l->limit, BH_LOG_WARN, COMPONENT,
		    "logs_config.open_files_limit (%lld) was reached: %llu files wait for a place",
		    (long long)l->child->config.logs_open_files_limit,
		    (unsigned long long)l->counts.files_waiting);
}

static void scan_all(struct bh_logs *l)
{
	struct candidates c = {0};
	bool by_time =
	    strcmp(l->child->config.logs_file_wildcard_selection_mode, "by_modification_time") == 0;
	bool first = l->scans == 0 || l->look_for_gone;

	l->scans++;
	l->look_for_gone = l->denied = false;
	l->counts.files_waiting = 0;
	bh_dirlists_clear(&l->dirs);
	collect(l, &c);
	if (by_time && c.n)
		qsort(c.v, c.n, sizeof(*c.v), latest_first);
	if (first)
		find_known(l, &c);
	for (size_t i = 0; i < c.n; i++) {
		select_path(l, c.v[i].source, c.v[i].path);
		free(c.v[i].path);
	}
	free(c.v);
	deselect(l);
	if (l->counts.files_waiting)
		make_room(l);
	bh_dirlists_clear(&l->dirs);
	for (size_t i = 0; i < l->sources_n; i++)
		l->sources[i]->scanned = true;
	describe(l);
	bh_ages_note_scan(l, false);
	bh_ages_expire(l);
}

static void on_scan(struct bh_timer *t)
{
	bh_scan_run(BH_CONTAINER(t, struct bh_logs, scan));
}

void bh_scan_run(struct bh_logs *l)
{
	scan_all(l);
	bh_outgrown_check(l);
	bh_timer_in(&l->child->loop, &l->scan,
	    l->child->config.logs_file_scan_period_ms * BH_NS_PER_MS, on_scan);
}

void bh_scan_hurry(struct bh_logs *l)
{
	int64_t soon = bh_mono_ns(&bh_clock_system) + HURRY_NS;

	if (!bh_timer_armed(&l->scan) || l->scan.at_ns > soon)
		bh_timer_at(&l->child->loop, &l->scan, soon, on_scan);
}
