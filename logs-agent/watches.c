#include "logs-agent/watches.h"

#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

#define EVENTS (IN_MODIFY | IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO)

static int make_room(struct bh_watches *w, size_t wd)
{
	size_t cap = w->cap ? w->cap : 64;
	char **grown;

	while (cap <= wd)
		cap *= 2;
	if (cap == w->cap)
		return 0;
	grown = reallocarray(w->paths, cap, sizeof(char *));
	if (!grown)
		return -1;
	memset(grown + w->cap, 0, (cap - w->cap) * sizeof(char *));
	w->paths = grown;
	w->cap = cap;
	return 0;
}

void bh_watches_add(struct bh_watches *w, int fd, const char *dir)
{
	int wd = inotify_add_watch(fd, dir, EVENTS);

	/* A directory that has a watch gets the same descriptor again. */
	if (wd < 0 || ((size_t)wd < w->cap && w->paths[wd]))
		return;
	if (make_room(w, (size_t)wd) == 0)
		w->paths[wd] = strdup(dir);
}

const char *bh_watches_path(const struct bh_watches *w, int wd)
{
	return wd >= 0 && (size_t)wd < w->cap ? w->paths[wd] : NULL;
}

void bh_watches_drop(struct bh_watches *w, int wd)
{
	if (wd < 0 || (size_t)wd >= w->cap)
		return;
	free(w->paths[wd]);
	w->paths[wd] = NULL;
}

void bh_watches_release(struct bh_watches *w)
{
	for (size_t i = 0; i < w->cap; i++)
		free(w->paths[i]);
	free((void *)w->paths);
	*w = (struct bh_watches){0};
}
