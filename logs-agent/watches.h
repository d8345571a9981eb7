/*
 * Directories that inotify watches: a hint that something happened to a file, never more
 * (spec/logs.md §3.3). One watch a directory, whatever is tailed in it.
 */
#ifndef BH_LOGS_WATCHES_H
#define BH_LOGS_WATCHES_H

#include <stddef.h>

struct bh_watches {
	char **paths; /* by watch descriptor; owned */
	size_t cap;
};

/* fd: of inotify. A directory that cannot be watched is looked at by polling only. */
void bh_watches_add(struct bh_watches *w, int fd, const char *dir);
/* The directory of an event, or NULL. */
const char *bh_watches_path(const struct bh_watches *w, int wd);
/* The kernel says that it is gone (IN_IGNORED). */
void bh_watches_drop(struct bh_watches *w, int wd);
void bh_watches_release(struct bh_watches *w);

#endif
