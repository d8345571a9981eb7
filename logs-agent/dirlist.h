/*
 * What a directory held when it was listed: names and inode numbers, nothing else was looked at.
 * A scan lists each directory once, however many of its files it asks for.
 */
#ifndef BH_LOGS_DIRLIST_H
#define BH_LOGS_DIRLIST_H

#include <stddef.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/str.h"

#define BH_DIRLIST_MAX 200000 /* entries; what is beyond is not seen */

struct bh_dirent {
	const char *name; /* owned by the list */
	uint64_t ino;
};

struct bh_dirlist {
	struct bh_dirlist *next;
	char *path;        /* owned */
	int64_t listed_ns; /* wall: what was there before is in it */
	struct bh_dirent *v;
	size_t n, cap;
	uint64_t *by_ino; /* open addressing: index + 1; NULL when the list is empty */
	size_t mask;
};

struct bh_dirlists {
	struct bh_dirlist *head;
};

/* The list of that directory, made when there is none; NULL when it cannot be read or memory is
 * short. Valid until clear. Only regular files and what may be one (links, unknown) are in it. */
const struct bh_dirlist *bh_dirlists_get(struct bh_dirlists *l, struct bh_str dir);
void bh_dirlists_clear(struct bh_dirlists *l);

/* First entry with that inode number, or NULL. */
const struct bh_dirent *bh_dirlist_find(const struct bh_dirlist *d, uint64_t ino);

#endif
