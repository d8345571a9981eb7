/*
 * Where the content of a path's generations is now, in the folder of the path: under its inode,
 * under another one, in a copy (spec/logs.md §4.3, §4.4). Looks and tells; what is read is
 * discovery.c's.
 */
#ifndef BH_LOGS_FIND_H
#define BH_LOGS_FIND_H

#include <limits.h>

#include "logs-agent/logs_internal.h"

#define BH_FOUND_MAX 256 /* generations of one path opened at once */

/* A file that is, or continues, a generation of a path. */
struct bh_found {
	char path[PATH_MAX];
	struct bh_file_id id;
	struct bh_row *row; /* the registry's; NULL: a generation nobody has seen yet */
	bool at_path;       /* the caller's */
};

/* The listing of the folder that holds path, of l->dirs and valid until that is cleared; NULL: it
 * cannot be read. */
const struct bh_dirlist *bh_find_folder(struct bh_logs *l, const char *path);
/* The generation that reads this file now, NULL = none. */
struct bh_generation *bh_find_open(const struct bh_logs *l, const struct bh_file_id *id);

/* Generations of the path that the registry knows and nobody reads. Returns how many v has now.
 * *known: there is a row of it at all. What is found nowhere is counted as lost, once. */
size_t bh_find_rows(struct bh_logs *l, struct bh_target *t, const char *identifier,
    struct bh_found *v, bool *known);
/* Adds rotated files born after since_ns (wall time) that nobody has seen to the n of v: there were
 * two rotations between two looks. Returns how many v has now. */
size_t bh_find_between(
    struct bh_logs *l, struct bh_target *t, int64_t since_ns, struct bh_found *v, size_t n);
/* A copy of what row describes, that copytruncate or a backup tool made beside the path `of`.
 * truncated: the file was, so somebody did make one. The youngest one, in *out. */
bool bh_find_copy(
    struct bh_logs *l, const char *of, struct bh_row *row, bool truncated, struct bh_found *out);
/* In the order they are to be read: what is at the path last, at_path being set. */
void bh_found_sort(struct bh_found *v, size_t n);

#endif
