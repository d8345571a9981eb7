/*
 * Lines of Docker's json-file driver (spec/logs.md §13.1): one JSON object with log, stream and
 * time, keys without case, the last of equal ones counts. What is no such object, or has another
 * type than a string (or null) there, passes raw. Other members are checked to be JSON and skipped.
 *
 * The whole line has to be JSON as RFC 8259 has it, but for the bytes of strings, which pass as
 * they are (§10.4 repairs them), and for values nested deeper than BH_JSCAN_DEPTH (json_scan.h),
 * which no driver writes: such a line passes raw too.
 */
#ifndef BH_LOGS_DOCKER_H
#define BH_LOGS_DOCKER_H

#include "common/attrs.h"
#include "common/buf.h"
#include "logs-agent/piece.h"

/* text: memory of the parser, decoded content that could not be borrowed from the line; starts
 * zeroed, grows to the longest line, the caller releases it. One serves all files of a thread.
 * The piece borrows the line or text. -ENOMEM or BH_E_LIMIT. */
int bh_docker_parse(struct bh_buf *text, struct bh_str line, struct bh_piece *out) BH_MUST_CHECK;

#endif
