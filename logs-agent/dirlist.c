#include "logs-agent/dirlist.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

#define MIX 0x9E3779B97F4A7C15u

static void free_list(struct bh_dirlist *d)
{
	for (size_t i = 0; i < d->n; i++)
		free((void *)(uintptr_t)d->v[i].name);
	free(d->v);
	free(d->by_ino);
	free(d->path);
	free(d);
}

static int add(struct bh_dirlist *d, const struct dirent *e)
{
	if (d->n == d->cap) {
		size_t cap = d->cap ? 2 * d->cap : 64;
		struct bh_dirent *grown = reallocarray(d->v, cap, sizeof(*grown));

		if (!grown)
			return -1;
		d->v = grown;
		d->cap = cap;
	}
	d->v[d->n] = (struct bh_dirent){strdup(e->d_name), e->d_ino};
	if (!d->v[d->n].name)
		return -1;
	d->n++;
	return 0;
}

static int index_inodes(struct bh_dirlist *d)
{
	size_t slots = 16;

	while (slots < 2 * d->n)
		slots *= 2;
	d->by_ino = calloc(slots, sizeof(*d->by_ino));
	if (!d->by_ino)
		return -1;
	d->mask = slots - 1;
	for (size_t i = 0; i < d->n; i++) {
		size_t at = (d->v[i].ino * MIX >> 32) & d->mask;

		while (d->by_ino[at])
			at = (at + 1) & d->mask;
		d->by_ino[at] = i + 1;
	}
	return 0;
}

const struct bh_dirent *bh_dirlist_find(const struct bh_dirlist *d, uint64_t ino)
{
	size_t at = (ino * MIX >> 32) & d->mask;

	for (; d->by_ino[at]; at = (at + 1) & d->mask) {
		if (d->v[d->by_ino[at] - 1].ino == ino)
			return &d->v[d->by_ino[at] - 1];
	}
	return NULL;
}

static struct bh_dirlist *list(struct bh_str dir)
{
	struct bh_dirlist *d = calloc(1, sizeof(*d));
	struct dirent *e;
	DIR *stream;
	int rc = 0;

	if (!d)
		return NULL;
	d->listed_ns = bh_wall_ns(&bh_clock_system);
	d->path = strndup(dir.n ? dir.p : "/", dir.n ? dir.n : 1);
	stream = d->path ? opendir(d->path) : NULL;
	while (stream && !rc && d->n < BH_DIRLIST_MAX && (e = readdir(stream))) {
		if (e->d_type == DT_REG || e->d_type == DT_LNK || e->d_type == DT_UNKNOWN)
			rc = add(d, e);
	}
	if (!stream || rc || index_inodes(d)) {
		free_list(d);
		d = NULL;
	}
	if (stream)
		(void)closedir(stream);
	return d;
}

const struct bh_dirlist *bh_dirlists_get(struct bh_dirlists *l, struct bh_str dir)
{
	struct bh_str wanted = dir.n ? dir : BH_STR_LIT("/");
	struct bh_dirlist *d = l->head;

	while (d && !bh_str_eq(bh_str_from(d->path), wanted))
		d = d->next;
	if (!d) {
		d = list(wanted);
		if (!d)
			return NULL;
		d->next = l->head;
		l->head = d;
	}
	return d;
}

void bh_dirlists_clear(struct bh_dirlists *l)
{
	while (l->head) {
		struct bh_dirlist *next = l->head->next;

		free_list(l->head);
		l->head = next;
	}
}
