/* Where the content of generations is now: spec/logs.md §4.3, §4.4. */
#include "logs-agent/find.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "logs-agent/fingerprint.h"
#include "logs-agent/rotation.h"
#include "proto/fingerprint_text.h"

#define COMPONENT  "discovery"
#define COPIES_MAX 64 /* candidates looked at for a copy */

const struct bh_dirlist *bh_find_folder(struct bh_logs *l, const char *path)
{
	const char *slash = strrchr(path, '/');

	return bh_dirlists_get(&l->dirs, (struct bh_str){path, slash ? (size_t)(slash - path) : 0});
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

struct bh_generation *bh_find_open(const struct bh_logs *l, const struct bh_file_id *id)
{
	for (struct bh_generation *g = l->head; g; g = g->next) {
		if (g->ino == id->ino && g->dev == id->dev && g->state != BH_ORIGIN_FINISHED)
			return g;
	}
	return NULL;
}

static bool is_open(const struct bh_logs *l, const struct bh_file_id *id)
{
	return bh_find_open(l, id) != NULL;
}

static bool fingerprint_is(int fd, const struct bh_row *row)
{
	struct bh_fingerprint_config cfg;

	return row->fp_config && bh_fp_text_parse(bh_str_from(row->fp_config), &cfg) &&
	       bh_fingerprint(fd, &cfg) == row->fp_value;
}

/* Whether the file holds what the row describes, surely enough to take it under another inode. */
static bool is_surely(const char *path, const struct bh_row *row)
{
	int fd = bh_file_open(path);
	bool same = fd >= 0 &&
		    bh_same_content(fd, row->offset, row->marker_len, row->marker_hash) &&
		    (!row->fp_value || fingerprint_is(fd, row)) &&
		    (row->marker_len == BH_MARKER_MAX || row->fp_value);

	if (fd >= 0)
		(void)close(fd);
	return same;
}

static bool find_by_inode(
    struct bh_logs *l, const struct bh_dirlist *d, const struct bh_row *row, struct bh_found *f)
{
	const struct bh_dirent *e = d ? bh_dirlist_find(d, row->ino) : NULL;
	bool same;
	int fd;

	if (!e || !identify_in(d, e->name, f->path, &f->id) || f->id.ino != row->ino ||
	    is_open(l, &f->id))
		return false;
	fd = bh_file_open(f->path);
	same = fd >= 0 && bh_rows_of_file(&l->rows, f->id.dev, f->id.ino, fd) == row;
	if (fd >= 0)
		(void)close(fd);
	return same;
}

static int youngest_first(const void *a, const void *b)
{
	const struct bh_found *x = *(struct bh_found *const *)a, *y = *(struct bh_found *const *)b;

	return x->id.birth_ns > y->id.birth_ns ? -1 : x->id.birth_ns < y->id.birth_ns;
}

/* Whether a row tells of this very file: its inode number alone may be that of a file long gone. */
static bool is_of_row(const struct bh_logs *l, const char *path, const struct bh_file_id *id)
{
	const struct bh_row *row = NULL;
	int fd;

	if (!bh_rows_know_inode(&l->rows, id->ino))
		return false;
	fd = bh_file_open(path);
	if (fd >= 0) {
		row = bh_rows_of_file(&l->rows, id->dev, id->ino, fd);
		(void)close(fd);
	}
	return row && (row->state != BH_ORIGIN_FINISHED || row->offset || id->size == 0);
}

/* A marker that a copy must have. One that is short counts when it is all that was read, and the
 * file was truncated in place: then somebody did make a copy. */
static bool proves_copy(const struct bh_row *row, bool truncated)
{
	return row->fp_value && (row->marker_len == BH_MARKER_MAX ||
				    (truncated && row->offset && row->marker_len == row->offset));
}

/* §4.4: a copy that copytruncate or a backup tool made of what the row describes. */
bool bh_find_copy(
    struct bh_logs *l, const char *of, struct bh_row *row, bool truncated, struct bh_found *out)
{
	const struct bh_dirlist *d = bh_find_folder(l, of);
	struct bh_found *v[COPIES_MAX];
	size_t n = 0;
	bool found = false;

	if (!d || !proves_copy(row, truncated))
		return false;
	for (size_t i = 0; i < d->n && n < COPIES_MAX; i++) {
		if (!bh_rotation_is_copy_name(base_of(of), d->v[i].name))
			continue;
		v[n] = calloc(1, sizeof(**v));
		if (!v[n] || !identify_in(d, d->v[i].name, v[n]->path, &v[n]->id) ||
		    (uint64_t)v[n]->id.size < row->offset || is_of_row(l, v[n]->path, &v[n]->id) ||
		    bh_file_is_compressed(v[n]->path))
			free(v[n]);
		else
			n++;
	}
	qsort((void *)v, n, sizeof(struct bh_found *), youngest_first);
	for (size_t i = 0; i < n; i++) {
		if (!found && is_surely(v[i]->path, row)) {
			*out = *v[i];
			out->row = row;
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

	/* One that was away from its path and read to its end has nothing more to give. */
	if (row->told || (row->state == BH_ORIGIN_DRAINING && unread == 0))
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
    struct bh_logs *l, struct bh_target *t, struct bh_row *row, struct bh_found *f)
{
	struct bh_fingerprint_config cfg;
	uint64_t now = 0;
	int fd;

	if (bh_file_identify(t->path, &f->id) || is_open(l, &f->id))
		return false;
	fd = bh_file_open(t->path);
	if (fd < 0)
		return false;
	if (row->fp_value && bh_fp_text_parse(bh_str_from(row->fp_config), &cfg))
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

/* Its place is taken by something else: nobody looks for it again. */
static void end_row(struct bh_logs *l, struct bh_row *row)
{
	row->state = BH_ORIGIN_FINISHED;
	bh_handover_touch_row(l, row);
}

/* Copied or restored: the content is at the path, under an inode of its own. */
static bool find_restored(struct bh_logs *l, const struct bh_target *t,
    const struct bh_file_id *here, const struct bh_row *row, struct bh_found *f)
{
	if (here->ino == row->ino || is_open(l, here) || bh_rows_know_inode(&l->rows, here->ino) ||
	    !is_surely(t->path, row))
		return false;
	(void)snprintf(f->path, sizeof(f->path), "%s", t->path);
	f->id = *here;
	return true;
}

/* Where the content of a row is now: under its inode, at its path under another one, in a copy.
 * here: what is at the path, NULL = nothing. */
static bool find_row(struct bh_logs *l, struct bh_target *t, const struct bh_dirlist *d,
    const struct bh_file_id *here, struct bh_row *row, struct bh_found *f)
{
	if (row->ino == 0)
		return find_imported(l, t, row, f);
	if (find_by_inode(l, d, row, f) || (here && find_restored(l, t, here, row, f)) ||
	    bh_find_copy(l, t->path, row, here && here->ino == row->ino, f))
		return true;
	if (d) {
		report_lost(l, t, row);
		if (here)
			end_row(l, row);
	}
	return false;
}

/* Rows of the path that are not open. Returns how many were found. */
size_t bh_find_rows(
    struct bh_logs *l, struct bh_target *t, const char *identifier, struct bh_found *v, bool *known)
{
	const struct bh_dirlist *d = bh_find_folder(l, t->path);
	struct bh_row *row = NULL;
	struct bh_file_id here;
	size_t n = 0;
	bool present = bh_file_identify(t->path, &here) == 0;

	while ((row = bh_rows_next(&l->rows, identifier, row)) && n < BH_FOUND_MAX) {
		*known = true;
		v[n].row = row;
		if (!row->open && row->state != BH_ORIGIN_FINISHED &&
		    row->state != BH_ORIGIN_FORGOTTEN &&
		    find_row(l, t, d, present ? &here : NULL, row, &v[n]))
			n++;
	}
	return n;
}

/* Whether a file repeats what a generation of the path held: a copy, with nothing new in it. */
static bool is_copy_of_known(
    const struct bh_logs *l, const struct bh_target *t, const struct bh_found *f)
{
	char identifier[PATH_MAX + 8];
	struct bh_row *row = NULL;
	int fd = bh_file_open(f->path);
	bool copy = false;

	(void)snprintf(identifier, sizeof(identifier), "file:%s", t->path);
	while (fd >= 0 && !copy && (row = bh_rows_next(&l->rows, identifier, row)))
		copy = row->offset &&
		       bh_same_content(fd, row->offset, row->marker_len, row->marker_hash) &&
		       (!row->fp_value || fingerprint_is(fd, row)) &&
		       (row->marker_len == BH_MARKER_MAX || (uint64_t)f->id.size == row->offset);
	if (fd >= 0)
		(void)close(fd);
	return copy;
}

static bool is_among(const struct bh_found *v, size_t n, const struct bh_file_id *id)
{
	while (n && (v[n - 1].id.ino != id->ino || v[n - 1].id.dev != id->dev))
		n--;
	return n > 0;
}

/* Rotated files that nobody has seen: two rotations between two looks. */
size_t bh_find_between(
    struct bh_logs *l, struct bh_target *t, int64_t since_ns, struct bh_found *v, size_t n)
{
	const struct bh_dirlist *d = bh_find_folder(l, t->path);

	for (size_t i = 0; d && i < d->n && n < BH_FOUND_MAX; i++) {
		struct bh_found *f = &v[n];

		if (!bh_rotation_is_name(base_of(t->path), d->v[i].name) ||
		    !identify_in(d, d->v[i].name, f->path, &f->id) || f->id.birth_ns <= since_ns ||
		    is_among(v, n, &f->id) || is_open(l, &f->id) ||
		    bh_file_is_compressed(f->path) || is_of_row(l, f->path, &f->id) ||
		    is_copy_of_known(l, t, f))
			continue;
		f->row = NULL;
		n++;
	}
	return n;
}

static int oldest_first(const void *a, const void *b)
{
	const struct bh_found *x = a, *y = b;

	/* A copy is born after what it is a copy of: births do not tell. */
	if (x->at_path != y->at_path)
		return x->at_path ? 1 : -1;
	/* What is known began before what nobody has seen. */
	if ((x->row != NULL) != (y->row != NULL))
		return x->row ? -1 : 1;
	return x->id.birth_ns < y->id.birth_ns ? -1 : x->id.birth_ns > y->id.birth_ns;
}

void bh_found_sort(struct bh_found *v, size_t n)
{
	qsort(v, n, sizeof(*v), oldest_first);
}
