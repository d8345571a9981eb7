/* Reading answers without trusting them: what is missing or of another type is "" or 0. */
#ifndef BH_CTL_VIEW_JSON_H
#define BH_CTL_VIEW_JSON_H

#include <jansson.h>
#include <stdint.h>

#include "common/buf.h"

static inline const char *bh_json_text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static inline int64_t bh_json_int(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static inline uint64_t bh_json_count(const json_t *o, const char *key)
{
	int64_t n = bh_json_int(o, key);

	return n > 0 ? (uint64_t)n : 0;
}

/* What a ledger row is about: "dogstatsd udp:127.0.0.1:8125", "logs hand-over logs", "forwarder
 * destination metrics". Cut or filled to width. */
void bh_put_row_name(struct bh_buf *out, const json_t *row, size_t width);

/* "parse error: malformed line" for "parse_error": the reason, and what it means. */
const char *bh_reason_words(const char *reason);

#endif
