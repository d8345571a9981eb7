/*
 * bulkheadctl stream-logs: the messages of a stream as they come (proto/CONTROL.md). Text has the
 * form of the Agent's command of that name. What the messages hold never reaches the terminal as
 * anything but characters: controls and marks that turn the direction of text are written out.
 */
#ifndef BH_CTL_STREAM_H
#define BH_CTL_STREAM_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "common/err.h"

struct bh_stream_show {
	uint32_t seconds; /* 0 = until the end */
	uint64_t count;   /* messages; 0 = until the end */
	bool json;        /* one object a line, as it came */
};

/* Writes to stdout, and what is no message to stderr, until a limit is reached (0) or the stream
 * ends (BH_E_CLOSED). BH_E_FORMAT for what is no stream, -errno. Takes fd. Blocks. */
int bh_stream_show(int fd, const struct bh_stream_show *show, struct bh_err *err) BH_MUST_CHECK;

/* A message as one line with its newline. */
void bh_stream_line(const json_t *message, struct bh_buf *out);
/* s with "\n", "\r", "\x1b", "\u202e" … for what a terminal might obey; a tab stays. */
void bh_stream_printable(struct bh_buf *out, const char *s, size_t n);

#endif
