/*
 * What a reload changes among the log sources (spec/logs.md §2.1): they are compared by content.
 * Where a source is written is no part of it, so that lines that move in a file change nothing.
 */
#ifndef BH_COMMON_CONFIG_DIFF_H
#define BH_COMMON_CONFIG_DIFF_H

#include "common/config.h"

#define BH_SOURCE_NEW SIZE_MAX

struct bh_sources_change {
	uint32_t added, removed;
	uint32_t changed; /* one of the same type and name went, another came */
	uint32_t unchanged;
};

/* For each of the n sources of `now` the index of the one of `old` with the same content, each old
 * one at most once, or BH_SOURCE_NEW. same has room for n. -ENOMEM. */
int bh_log_sources_compare(const struct bh_log_source *const *old, size_t old_n,
    const struct bh_log_source *now, size_t n, size_t *same,
    struct bh_sources_change *change) BH_MUST_CHECK;

#endif
