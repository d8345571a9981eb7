/*
 * The paths that the sources select, each with the generation that is tailed there (spec/logs.md
 * §3, §4). A target stays as long as its path is selected or one of its generations is open.
 */
#ifndef BH_LOGS_TARGET_H
#define BH_LOGS_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attrs.h"

struct bh_source;
struct bh_generation;

/* Why the file at the path is not tailed although the path is selected. */
enum bh_target_state {
	BH_TARGET_ABSENT,     /* nothing there, or it cannot be opened */
	BH_TARGET_TAILED,     /* live is set */
	BH_TARGET_WAITING,    /* beyond open_files_limit; its row keeps its place */
	BH_TARGET_ALIAS,      /* its file is tailed under another path */
	BH_TARGET_SHADOW,     /* a copy of a live file under way (§4.4) */
	BH_TARGET_COMPRESSED, /* skipped */
	BH_TARGET_READ,       /* a finished generation came back: nothing in it is new */
};

struct bh_target {
	struct bh_target *chain; /* hash chain */
	struct bh_target *prev, *next;
	struct bh_source *source;
	char *path; /* owned */
	enum bh_target_state state;
	struct bh_generation *live; /* tailed at the path now; NULL = none */
	struct bh_generation *last; /* opened last and not finished: the next one reads after it */
	unsigned open;              /* generations that point here */
	uint64_t scan;              /* number of the scan that selected it last */
	uint64_t first_size;        /* of the file when it could be seen and not opened */
	bool seen;                  /* first_size is set */
	int64_t listed_ns;          /* wall: every rotated file that was there then is known */
	int64_t looked_ns; /* wall: at that time the path held the live generation, or nothing */
};

struct bh_targets {
	struct bh_target **slots;
	size_t mask, n;
	struct bh_target *all;
};

/* A zeroed struct is empty. */
void bh_targets_release(struct bh_targets *t);
struct bh_target *bh_targets_find(const struct bh_targets *t, const char *path);
/* Finds or adds; NULL when memory is short. */
struct bh_target *bh_targets_put(struct bh_targets *t, const char *path, struct bh_source *source);
void bh_targets_remove(struct bh_targets *t, struct bh_target *target);

#endif
