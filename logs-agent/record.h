/*
 * The JSON object of one message (spec/logs.md §10, intake.md §9): seven keys in a fixed order,
 * every byte of input gives valid JSON. What is the same for all lines of a tailer is made once.
 */
#ifndef BH_LOGS_RECORD_H
#define BH_LOGS_RECORD_H

#include <stdint.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "common/config.h"
#include "common/str.h"
#include "logs-agent/message.h"

/* `,"hostname":…,"service":…,"ddsource":…,"ddtags":…}` for a path of a source. */
int bh_record_tail(struct bh_buf *out, const char *hostname, const struct bh_log_source *src,
    const char *path) BH_MUST_CHECK;

struct bh_record {
	struct bh_str content;         /* trimmed */
	bool head_marker, tail_marker; /* BH_TRUNCATED before and behind */
	int64_t timestamp_ms;
	struct bh_str tail;
};

/* Appends the object. -ENOMEM or BH_E_LIMIT. */
int bh_record_put(struct bh_buf *out, const struct bh_record *r) BH_MUST_CHECK;

/* Appends s as the inside of a JSON string; each byte that is not UTF-8 becomes U+FFFD. The buffer
 * remembers an error. */
int bh_json_escape(struct bh_buf *out, struct bh_str s);

#endif
