/*
 * The registry as this process knows it: rows of RESUME, updated by what is handed over since
 * (spec/logs.md §16.1). Tells which file is which generation (§4.2, §4.4).
 *
 * Rows stay at one address until they are removed.
 */
#ifndef BH_LOGS_ROWS_H
#define BH_LOGS_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attrs.h"
#include "proto/origin.h"

struct bh_row {
	struct bh_row *next_name, *next_ino; /* hash chains */
	struct bh_row *prev_all, *next_all;
	char *identifier;    /* owned */
	char *path;          /* owned; last known */
	char *cursor;        /* owned; the position of a journal, else NULL … */
	char *cursor_handed; /* … and what was handed over of it */
	uint64_t gen, dev, ino;
	uint64_t offset; /* safe */
	uint32_t marker_len;
	uint64_t marker_hash;
	uint64_t fp_value;
	char *fp_config; /* owned; what fp_value was made with */
	uint64_t handed; /* end of what was handed over: offset_first of the next part */
	uint64_t last_size;
	int64_t ingestion_ns; /* wall */
	enum bh_origin_state state;
	bool from_beginning; /* the tailing mode was beginning */
	bool open;           /* a generation of this process */
	bool told;           /* its loss has been reported */
	bool dirty;          /* to be told to the registry; in the list of its owner */
	struct bh_row *next_dirty;
	int64_t missing_since_ns; /* mono: neither path nor inode was found; 0 = found */
};

struct bh_rows {
	struct bh_row **by_name, **by_ino;
	size_t mask; /* slots - 1 of both */
	size_t n;
	struct bh_row *all; /* latest first */
};

/* A zeroed struct is empty. */
void bh_rows_release(struct bh_rows *r);

/* Adds or replaces by (identifier, gen). NULL when memory is short. */
struct bh_row *bh_rows_put(struct bh_rows *r, const struct bh_origin *o, bool open);
void bh_rows_remove(struct bh_rows *r, struct bh_row *row);

/* The row with this inode whose content is in fd; NULL = none. Finished ones count, where no other
 * fits; of several the one that was read farthest. */
struct bh_row *bh_rows_of_file(const struct bh_rows *r, uint64_t dev, uint64_t ino, int fd);
/* Whether any row has that inode number, whatever its content. */
bool bh_rows_know_inode(const struct bh_rows *r, uint64_t ino);

/* Whether the inode held another generation than gen before. */
bool bh_rows_had_before(const struct bh_rows *r, uint64_t dev, uint64_t ino, uint64_t gen);

/* Rows of an identifier, one after the other: begin with row = NULL. */
struct bh_row *bh_rows_next(
    const struct bh_rows *r, const char *identifier, const struct bh_row *row);

/* The position of a journal moves; and all of it has been handed over. -ENOMEM. */
int bh_row_cursor_set(struct bh_row *row, const char *cursor) BH_MUST_CHECK;
int bh_row_cursor_handed(struct bh_row *row) BH_MUST_CHECK;

/* The row as an origin: the part from handed to offset. The texts are written to the two buffers;
 * the rest borrows from the row. */
void bh_row_origin(const struct bh_row *row, struct bh_origin *o, char first[24], char last[24]);

#endif
