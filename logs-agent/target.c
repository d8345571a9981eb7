#include "logs-agent/target.h"

#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define FIRST_SLOTS 64

static void free_target(struct bh_target *t)
{
	free(t->path);
	free(t);
}

void bh_targets_release(struct bh_targets *t)
{
	while (t->all) {
		struct bh_target *next = t->all->next;

		free_target(t->all);
		t->all = next;
	}
	free((void *)t->slots);
	*t = (struct bh_targets){0};
}

static struct bh_target **slot_of(const struct bh_targets *t, const char *path)
{
	return &t->slots[(size_t)XXH3_64bits(path, strlen(path)) & t->mask];
}

static void link_chain(struct bh_targets *t, struct bh_target *target)
{
	struct bh_target **slot = slot_of(t, target->path);

	target->chain = *slot;
	*slot = target;
}

static bool grow(struct bh_targets *t)
{
	size_t slots = t->slots ? 2 * (t->mask + 1) : FIRST_SLOTS;
	struct bh_target **v = calloc(slots, sizeof(struct bh_target *));

	if (!v)
		return t->slots != NULL; /* longer chains, nothing else */
	free((void *)t->slots);
	t->slots = v;
	t->mask = slots - 1;
	for (struct bh_target *one = t->all; one; one = one->next)
		link_chain(t, one);
	return true;
}

struct bh_target *bh_targets_find(const struct bh_targets *t, const char *path)
{
	struct bh_target *one = t->slots ? *slot_of(t, path) : NULL;

	while (one && strcmp(one->path, path) != 0)
		one = one->chain;
	return one;
}

struct bh_target *bh_targets_put(struct bh_targets *t, const char *path, struct bh_source *source)
{
	struct bh_target *one = bh_targets_find(t, path);

	if (one)
		return one;
	if ((!t->slots || t->n > t->mask) && !grow(t))
		return NULL;
	one = calloc(1, sizeof(*one));
	if (!one)
		return NULL;
	one->path = strdup(path);
	if (!one->path) {
		free(one);
		return NULL;
	}
	one->source = source;
	one->next = t->all;
	if (t->all)
		t->all->prev = one;
	t->all = one;
	t->n++;
	link_chain(t, one);
	return one;
}

void bh_targets_remove(struct bh_targets *t, struct bh_target *target)
{
	struct bh_target **at = slot_of(t, target->path);

	while (*at != target)
		at = &(*at)->chain;
	*at = target->chain;
	if (target->prev)
		target->prev->next = target->next;
	else
		t->all = target->next;
	if (target->next)
		target->next->prev = target->prev;
	t->n--;
	free_target(target);
}
