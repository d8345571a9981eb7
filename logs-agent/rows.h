/*
 * The registry as this process knows it: rows of RESUME, updated by what is handed over since.
 * Tells which file is which generation (spec/logs.md §4.2, §4.4).
 */
#ifndef BH_LOGS_ROWS_H
#define BH_LOGS_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attrs.h"
#include "proto/origin.h"

struct bh_row {
	char *identifier; /* owned */
	char *path;       /* owned */
	uint64_t gen, dev, ino;
	uint64_t offset; /* safe */
	uint32_t marker_len;
	uint64_t marker_hash;
	int64_t ingestion_ns;
	enum bh_origin_state state;
	bool open; /* a generation of this process */
};

struct bh_rows {
	struct bh_row *v;
	size_t n, cap;
};

void bh_rows_release(struct bh_rows *r);
/* Adds or replaces by (identifier, gen). -ENOMEM. */
int bh_rows_put(struct bh_rows *r, const struct bh_origin *o, bool open) BH_MUST_CHECK;
/* The row with this inode whose content is in fd; NULL = none. Finished ones count. */
struct bh_row *bh_rows_find_file(struct bh_rows *r, uint64_t dev, uint64_t ino, int fd);
bool bh_rows_know_identifier(const struct bh_rows *r, const char *identifier);

#endif
