/*
 * What a parser of container files makes of one line (spec/logs.md §6.4, §13): the wrapper is gone,
 * what belongs together is joined behind it (joiner.h).
 */
#ifndef BH_LOGS_PIECE_H
#define BH_LOGS_PIECE_H

#include <stdbool.h>

#include "common/str.h"
#include "logs-agent/message.h"

/* Pieces are joined within one of them. OTHER: the line names no stream we know, or is no line of
 * the format at all. */
enum bh_std_stream { BH_STREAM_STDOUT, BH_STREAM_STDERR, BH_STREAM_OTHER, BH_STREAM__N };

struct bh_piece {
	struct bh_str content;
	enum bh_std_stream stream;
	enum bh_log_status status; /* stderr: error; everything else: info */
	bool partial;              /* the next piece of its stream continues it */
};

static inline enum bh_std_stream bh_stream_from(struct bh_str name)
{
	if (bh_str_eq(name, BH_STR_LIT("stdout")))
		return BH_STREAM_STDOUT;
	return bh_str_eq(name, BH_STR_LIT("stderr")) ? BH_STREAM_STDERR : BH_STREAM_OTHER;
}

static inline enum bh_log_status bh_stream_status(enum bh_std_stream s)
{
	return s == BH_STREAM_STDERR ? BH_STATUS_ERROR : BH_STATUS_INFO;
}

/* A line that does not follow its format passes as it is. */
static inline struct bh_piece bh_piece_raw(struct bh_str line)
{
	return (struct bh_piece){line, BH_STREAM_OTHER, BH_STATUS_INFO, false};
}

#endif
