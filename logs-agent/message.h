/*
 * What flows between the stages of this process (spec/logs.md §1): frame (framer.h) -> line ->
 * message -> record. A stage calls the next one through a function of the types below; everything
 * passed is borrowed until that call returns. A callback's error is carried up unchanged and stops
 * the stage.
 *
 * Raw lengths add up: over all messages of a tailer, the lines that are still held, and the
 * unfinished line, their sum is the number of bytes read (§6.1). Nothing may swallow one.
 */
#ifndef BH_LOGS_MESSAGE_H
#define BH_LOGS_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/str.h"

#define BH_TRUNCATED "...TRUNCATED..." /* §6.5: marks a piece that continues, or is continued */

/* §10.3; the values are syslog's severities. */
enum bh_log_status {
	BH_STATUS_EMERGENCY,
	BH_STATUS_ALERT,
	BH_STATUS_CRITICAL,
	BH_STATUS_ERROR,
	BH_STATUS_WARN,
	BH_STATUS_NOTICE,
	BH_STATUS_INFO,
	BH_STATUS_DEBUG,
	BH_STATUS__N,
};

/* "emergency", "alert", "critical", "error", "warn", "notice", "info", "debug". */
const char *bh_log_status_name(enum bh_log_status s);

/* A line behind its parser: wrapper and encoding are gone, nothing is trimmed yet. */
struct bh_line {
	struct bh_str content;
	uint64_t raw; /* bytes of the source it stands for */
	enum bh_log_status status;
	bool cut; /* the framer or a joiner cut it: the next line continues it */
};

typedef int bh_line_fn(void *ctx, const struct bh_line *line);

/* Tags of parsing and aggregation (§10.2, group 2), as a set; sent in this order. */
enum bh_message_tag {
	BH_TAG_TRUNCATED_SINGLE = 1 << 0, /* truncated:single_line */
	BH_TAG_TRUNCATED_REGEX = 1 << 1,  /* truncated:multiline_regex */
	BH_TAG_TRUNCATED_AUTO = 1 << 2,   /* truncated:auto_multiline */
	BH_TAG_MULTILINE_REGEX = 1 << 3,  /* multiline:multi_line */
	BH_TAG_MULTILINE_AUTO = 1 << 4,   /* multiline:auto_multiline */
	BH_TAG_AUTO_DETECTED = 1 << 5,    /* auto_multiline_detected:true */
	BH_TAG_AGGREGATED_JSON = 1 << 6,  /* aggregated_json:true */
};

#define BH_MESSAGE_TAGS 7
/* Text of the tag with bit i (i < BH_MESSAGE_TAGS). */
const char *bh_message_tag_text(unsigned i);

/* One or more lines, ready for the rules. Empty content: not sent, but its raw length counts. */
struct bh_message {
	struct bh_str content; /* trimmed, markers in place */
	uint64_t raw;
	enum bh_log_status status;
	bool cut;      /* it is, or ends, a cut line: what exclude_truncated asks for */
	unsigned tags; /* enum bh_message_tag, or-ed */
};

typedef int bh_message_fn(void *ctx, const struct bh_message *m);

#endif
