/*
 * A small JSON writer over a bh_buf: objects, arrays, strings, numbers, in the order of the calls,
 * without a tree. Strings may hold any bytes: what is not UTF-8 becomes U+FFFD byte by byte, and
 * control characters are escaped, so the output is always one valid line of JSON.
 *
 * The buffer is borrowed and only appended to. A failed allocation is remembered by the buffer
 * (bh_buf_failed); the writer goes on without effect. Nesting deeper than BH_JSONW_DEPTH is a bug.
 *
 * `key` is NULL inside an array and at the top, and a member name inside an object.
 */
#ifndef BH_COMMON_JSONW_H
#define BH_COMMON_JSONW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

#define BH_JSONW_DEPTH 16

struct bh_jsonw {
	struct bh_buf *out;
	unsigned depth;
	bool filled[BH_JSONW_DEPTH]; /* this level has an element: the next one needs a comma */
};

void bh_jsonw_init(struct bh_jsonw *w, struct bh_buf *out);
/* The same, and begins what programs read of us: an object with "schema":1, to be closed by the
 * caller. */
void bh_jsonw_document(struct bh_jsonw *w, struct bh_buf *out);

void bh_jsonw_object(struct bh_jsonw *w, const char *key);
void bh_jsonw_array(struct bh_jsonw *w, const char *key);
/* Close the innermost object or array. */
void bh_jsonw_object_end(struct bh_jsonw *w);
void bh_jsonw_array_end(struct bh_jsonw *w);

void bh_jsonw_bytes(struct bh_jsonw *w, const char *key, const char *p, size_t n);
void bh_jsonw_str(struct bh_jsonw *w, const char *key, const char *s); /* NULL writes null */
void bh_jsonw_u64(struct bh_jsonw *w, const char *key, uint64_t v);
void bh_jsonw_i64(struct bh_jsonw *w, const char *key, int64_t v);
void bh_jsonw_bool(struct bh_jsonw *w, const char *key, bool v);
void bh_jsonw_null(struct bh_jsonw *w, const char *key);
/* A value that is JSON already, e.g. an object another writer made. */
void bh_jsonw_raw(struct bh_jsonw *w, const char *key, struct bh_str json);

#endif
