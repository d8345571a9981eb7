/*
 * Joins the pieces of container files to lines, each stream by itself (spec/logs.md §6.4). A line
 * goes out when a piece without partial flag arrives, when the content reaches the limit (then it
 * is flagged cut and what follows begins anew), or at a flush. It has the status of its last piece.
 *
 * Raw lengths are told in the order of the file (§13.4): a line may come out while a piece of
 * another stream, from further up in the file, still waits. So a line carries not the bytes of its
 * own pieces but those by which the start of the oldest waiting piece moved on: with one stream
 * that is the same, with several a line in between carries fewer, down to 0, and the one that frees
 * them carries them all. A reader that adds up the raw lengths of the lines it got, as message.h
 * has it, is therefore never behind the start of a waiting piece, and needs to know nothing else.
 * Sum of raw lengths put in = sum over the lines + bh_joiner_held().
 *
 * Memory: per stream less than the limit plus one piece; that of long lines goes back.
 */
#ifndef BH_LOGS_JOINER_H
#define BH_LOGS_JOINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "logs-agent/message.h"
#include "logs-agent/piece.h"

struct bh_joiner {
	size_t limit;
	uint64_t taken; /* raw lengths of all pieces */
	uint64_t told;  /* raw lengths of all lines that went out */
	struct bh_joiner_stream {
		bool open;          /* pieces wait, possibly without content */
		struct bh_buf text; /* their contents */
		uint64_t start;     /* `taken` before the first of them */
		enum bh_log_status status;
	} streams[BH_STREAM__N];
};

/* limit: L of §6.1. */
void bh_joiner_init(struct bh_joiner *j, size_t limit);
void bh_joiner_release(struct bh_joiner *j);

/* One piece. raw: of its frame; cut: the framer cut that frame, so that it goes out as it is. The
 * line given to fn is borrowed until fn returns. The error of fn, -ENOMEM or BH_E_LIMIT; then the
 * joiner is good for nothing but release. */
int bh_joiner_put(struct bh_joiner *j, const struct bh_piece *piece, uint64_t raw, bool cut,
    bh_line_fn *fn, void *ctx) BH_MUST_CHECK;

/* All that waits, oldest start first: aggregation_timeout after the last piece, and at the end of
 * the file or a stop. Errors as above. */
int bh_joiner_flush(struct bh_joiner *j, bh_line_fn *fn, void *ctx) BH_MUST_CHECK;

/* Something waits: the caller keeps its timer running. */
bool bh_joiner_waits(const struct bh_joiner *j);

/* Raw bytes taken in that no line carried yet: the file position may not move over them. */
static inline uint64_t bh_joiner_held(const struct bh_joiner *j)
{
	return j->taken - j->told;
}

#endif
