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

/* Everything behind the timestamp that is the same for all messages of a tailer. */
struct bh_record_ends {
	struct bh_buf head; /* `,"hostname":…,"service":…,"ddsource":…,"ddtags":"` and group 1 */
	struct bh_buf tail_tags; /* groups 3 and 4 of §10.2, joined by commas */
	bool head_has_tags;
};

struct bh_record_names { /* all borrowed */
	struct bh_str hostname, service, source, sourcecategory;
	struct bh_str tailer_tags;     /* group 1, joined by commas; n = 0: none */
	const struct bh_strlist *tags; /* of the source */
};

/* Makes e anew. -ENOMEM or BH_E_LIMIT: e is empty. */
int bh_record_ends_make(
    struct bh_record_ends *e, const struct bh_record_names *names) BH_MUST_CHECK;
void bh_record_ends_release(struct bh_record_ends *e);

/* `filename:…,dirname:…` of a path as matched. */
int bh_record_file_tags(struct bh_buf *out, const char *path);

struct bh_record {
	struct bh_str content;
	enum bh_log_status status;
	int64_t timestamp_ms;    /* below 0 counts as 0 */
	unsigned tags;           /* enum bh_message_tag */
	struct bh_str host_tags; /* joined by commas; n = 0: none (§10.2, expected_tags_duration) */
	const struct bh_record_ends *ends;
};

/* Appends the object. -ENOMEM or BH_E_LIMIT. */
int bh_record_put(struct bh_buf *out, const struct bh_record *r) BH_MUST_CHECK;

/* Appends s as the inside of a JSON string; each byte that is not UTF-8 becomes U+FFFD. The buffer
 * remembers an error. */
int bh_json_escape(struct bh_buf *out, struct bh_str s);

#endif
