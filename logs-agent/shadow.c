/* Copies of live files that a pattern selects as well: spec/logs.md §4.4. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "logs-agent/logs_internal.h"
#include "logs-agent/rotation.h"

/* The live files whose rotated name t has, one a call; NULL when there are no more. at is 0 first.
 */
static struct bh_generation *next_original(
    const struct bh_logs *l, const struct bh_target *t, size_t *at)
{
	const char *slash = strrchr(t->path, '/');
	const char *name = slash ? slash + 1 : t->path;
	char base[NAME_MAX + 1], path[PATH_MAX];

	while (bh_rotation_next_base(name, at, base, sizeof(base))) {
		int n =
		    snprintf(path, sizeof(path), "%.*s%s", (int)(name - t->path), t->path, base);
		const struct bh_target *of =
		    n > 0 && n < (int)sizeof(path) ? bh_targets_find(&l->targets, path) : NULL;

		if (of && of->live)
			return of->live;
	}
	return NULL;
}

void bh_shadow_look(struct bh_logs *l, const struct bh_target *t)
{
	struct bh_generation *g;
	size_t at = 0;

	while ((g = next_original(l, t, &at)))
		bh_tailing_look(l, g);
}

/* Whether the whole of a file, at least 256 bytes, is how another one begins. */
static bool is_beginning_of(const char *path, uint64_t size, int live_fd)
{
	char a[BH_MARKER_MAX * 16], b[sizeof(a)];
	int fd = size >= BH_MARKER_MAX ? bh_file_open(path) : -1;
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

bool bh_shadow_is(const struct bh_logs *l, const struct bh_target *t, const struct bh_file_id *id)
{
	const struct bh_generation *g;
	size_t at = 0;

	while ((g = next_original(l, t, &at))) {
		/* A copy begins as an empty file: there is nothing to read in it yet. */
		if (id->size == 0 || is_beginning_of(t->path, (uint64_t)id->size, g->fd))
			return true;
	}
	return false;
}

void bh_shadow_settle(struct bh_logs *l, const struct bh_generation *g)
{
	for (struct bh_target *t = l->targets.all; t; t = t->next) {
		struct bh_file_id id;

		if (t->state == BH_TARGET_SHADOW && bh_file_identify(t->path, &id) == 0 &&
		    is_beginning_of(t->path, (uint64_t)id.size, g->fd))
			bh_discover_nothing_new(l, t, &id);
	}
}
