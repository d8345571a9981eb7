/*
 * Reads a damaged spool.db by key, without writing a byte to it or to its WAL (spec/durability.md
 * §10.2): no locks, read-only, no checkpoint; the WAL is read as SQLite recovers it, as far as its
 * frames check. What cannot be read is stepped over. Every answer is to be doubted: a damaged page
 * may hold values that were never written.
 */
#ifndef BH_FORWARDER_SALVAGE_READ_H
#define BH_FORWARDER_SALVAGE_READ_H

#include <stdbool.h>
#include <stdint.h>

#include "common/attrs.h"
#include "forwarder/store_internal.h"

#define BH_SALVAGE_DESTS   BH_STORE_DESTS_MAX
#define BH_SALVAGE_KEY     BH_STORE_DEST_KEY
#define BH_SALVAGE_ORD_MAX ((uint64_t)1 << 62) /* a higher one is damage */

/* One ascending walk over the ords of spool (dest 0) or of one destination in delivery. */
struct bh_salvage_cursor {
	int64_t dest;
	uint64_t at; /* current ord; 0 = at the end */
	uint64_t n;  /* ords seen */
	bool broken; /* something could not be read */
};

struct bh_salvage_dest {
	int64_t id; /* in the old file */
	char key[BH_SALVAGE_KEY];
	int kind;
	uint64_t pending_rows;
};

struct bh_salvage_reader {
	struct bh_store old; /* what bh_store_load() needs, and no more */
	sqlite3_stmt *spool, *delivery;
	const struct bh_clock *clock;
	int64_t deadline_ns; /* mono */
	struct bh_salvage_dest dests[BH_SALVAGE_DESTS];
	size_t dests_n;
	bool dests_broken, rows_readable;
	uint64_t top_ord; /* no ord was given out above it, as far as the file says */
};

/* 0; BH_E_CORRUPT: nothing of it can be read; others as store.h. Release in any case. */
int bh_salvage_open(struct bh_salvage_reader *r, const char *path, const struct bh_clock *clock,
    int64_t deadline_ns) BH_MUST_CHECK;
void bh_salvage_release(struct bh_salvage_reader *r);
bool bh_salvage_late(const struct bh_salvage_reader *r);

void bh_salvage_first(struct bh_salvage_reader *r, struct bh_salvage_cursor *c, int64_t dest);
void bh_salvage_next(struct bh_salvage_reader *r, struct bh_salvage_cursor *c);

/* A row and its strings in one block (free() it). BH_E_CORRUPT: the body fails its check, or a
 * value cannot be; -ENOENT: not there; others: it cannot be read. */
int bh_salvage_row(struct bh_salvage_reader *r, uint64_t ord, struct bh_spool_row *row,
    void **block) BH_MUST_CHECK;

/* Registry rows whose columns have the types they must have, from both ends of the table;
 * `complete` is the text of that column; row's offset_first is `delivered`, or `complete` where
 * that is behind. *whole: none was missed. Returns fn's first error. */
int bh_salvage_positions(struct bh_salvage_reader *r,
    int (*fn)(void *ctx, const struct bh_origin *row, uint64_t safe_ord, uint64_t delivered_ord,
	struct bh_str complete),
    void *ctx, bool *whole) BH_MUST_CHECK;
/* Sources as rows (proto/LINK.md "Sources"), as far as they can be read. */
int bh_salvage_sources(struct bh_salvage_reader *r,
    int (*fn)(void *ctx, const struct bh_origin *row), void *ctx, bool *whole) BH_MUST_CHECK;

#endif
