/*
 * Origins: which stretch of which source a payload carries (spec/logs.md §14, durability.md §3).
 *
 * They travel in DATA, are stored beside the body in a spool row, and are what moves the registry;
 * a payload without them could never advance its source after a restart. The same record, read the
 * other way, is a registry row in RESUME: offset_last = safe, offset_first = delivered.
 *
 * Encoding (LINK.md "Origins"): u8 version (1), u16 count, then per origin a u32 length and the
 * record; a reader skips what a longer record of the same version may add at its end.
 */
#ifndef BH_PROTO_ORIGIN_H
#define BH_PROTO_ORIGIN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "common/str.h"

enum bh_origin_state {
	BH_ORIGIN_LIVE = 0,     /* at its path, being tailed */
	BH_ORIGIN_DRAINING = 1, /* rotated or gone, being read to its end */
	BH_ORIGIN_WAITING = 2,  /* matched but beyond the open-files limit */
	BH_ORIGIN_FINISHED = 3, /* read to its end; kept to recognise copies */
	/* Gone for good: its row is deleted once nothing of the generation is outstanding. */
	BH_ORIGIN_FORGOTTEN = 4,
};

/* In RESUME alone, no generation: the store was replaced. offset_last is when the old one was
 * written last, in decimal milliseconds (LINK.md "Lost store"). */
#define BH_ORIGIN_STORE_LOST "store:lost"
#define BH_ORIGIN_SOURCE_GEN 1 /* the generation of every identifier of a source */

struct bh_origin {
	struct bh_str identifier; /* "file:<path>" */
	uint64_t gen;             /* random id of the generation */
	struct bh_str path;       /* where it is now; bytes, not text */
	uint64_t dev, ino;
	struct bh_str
	    offset_first; /* decimal text (a cursor for the journal); end of the part before */
	struct bh_str
	    offset_last;         /* position after the last message of this origin in the payload */
	uint32_t marker_len;     /* 0 = no marker; else min(256, offset) */
	uint64_t marker_hash;    /* CRC-64 of the marker_len bytes before offset_last */
	uint64_t fp_value;       /* 0 = not valid yet */
	struct bh_str fp_config; /* text that names the fingerprint's configuration; "" = none */
	struct bh_str tailing_mode; /* as configured; "" = unset */
	int64_t ingestion_ns;       /* wall time its last line was read */
	uint64_t last_size;         /* bytes, last size seen */
	enum bh_origin_state state;
};

#define BH_ORIGINS_MAX       4096
#define BH_ORIGIN_STRING_MAX 8192
#define BH_ORIGIN_RECORD_MAX (6 * (2 + BH_ORIGIN_STRING_MAX) + 69) /* bytes of one record */

/* Whether this names a source's configuration, "source:" and hex digits, not a generation (LINK.md
 * "Sources"). *hash is the digits, borrowed from it; NULL when they are not wanted. */
bool bh_origin_is_source(struct bh_str identifier, struct bh_str *hash);

/* Appends the encoding of n origins. -ENOMEM or BH_E_LIMIT (more than BH_ORIGINS_MAX, string > 8
 * KiB). */
int bh_origins_encode(const struct bh_origin *v, size_t n, struct bh_buf *out) BH_MUST_CHECK;

/* The same in steps, for a set of unknown size: records one by one, then the head before them. */
int bh_origin_encode(const struct bh_origin *o, struct bh_buf *records) BH_MUST_CHECK;
int bh_origins_join(const struct bh_buf *records, size_t n, struct bh_buf *out) BH_MUST_CHECK;

/* Reads one after the other; strings borrow from the input. An empty input has no origins.
 *   struct bh_origins_reader r;
 *   rc = bh_origins_begin(&r, p, n);
 *   while (rc == 0 && (rc = bh_origins_next(&r, &o)) == 1) { …; rc = 0; }
 * begin: 0 or BH_E_FORMAT. next: 1 = o filled, 0 = end, BH_E_FORMAT = malformed. */
struct bh_origins_reader {
	struct bh_cur cur;
	uint16_t left;
};

/* The record alone, without its length before it. BH_E_FORMAT. Strings borrow from it. */
int bh_origin_decode(struct bh_str record, struct bh_origin *o) BH_MUST_CHECK;
int bh_origins_begin(struct bh_origins_reader *r, const void *p, size_t n) BH_MUST_CHECK;
int bh_origins_next(struct bh_origins_reader *r, struct bh_origin *o) BH_MUST_CHECK;
/* Can all of them be read? */
bool bh_origins_fit(struct bh_str origins);

#endif
