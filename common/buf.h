/*
 * A growable byte buffer and a bounded reader over bytes.
 *
 * Invariants of struct bh_buf: len <= cap; data is NULL only when cap is 0; when cap > 0 a NUL
 * stands at data[len], so the content of a text buffer can be handed to C functions. A zeroed
 * struct is an empty buffer. Appends grow by doubling, up to BH_BUF_MAX bytes.
 *
 * Errors: -ENOMEM when memory is short, BH_E_LIMIT beyond BH_BUF_MAX. After an error the content is
 * as before the call and the buffer remembers the failure: a sequence of puts may be checked once
 * at its end with bh_buf_failed().
 *
 * Integers are little-endian, the byte order of everything bulkhead stores or sends (proto/).
 */
#ifndef BH_COMMON_BUF_H
#define BH_COMMON_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/str.h"

#define BH_BUF_MAX ((size_t)1 << 30)

struct bh_buf {
	char *data;
	size_t len; /* bytes in use */
	size_t cap; /* bytes allocated, one kept for the NUL */
	int failed; /* first error since init or clear, 0 when none */
};

#define BH_BUF_INIT \
	{ \
		NULL, 0, 0, 0 \
	}

void bh_buf_release(struct bh_buf *b); /* frees; b is empty again */
void bh_buf_clear(struct bh_buf *b);   /* forgets content, keeps memory */
int bh_buf_reserve(struct bh_buf *b, size_t extra) BH_MUST_CHECK; /* room for extra more bytes */

/* Appends return 0 or the error; ignoring one is allowed when bh_buf_failed() is asked later. */
int bh_buf_append(struct bh_buf *b, const void *p, size_t n);
int bh_buf_str(struct bh_buf *b, const char *s);
int bh_buf_printf(struct bh_buf *b, const char *fmt, ...) BH_PRINTF(2, 3);
int bh_buf_u8(struct bh_buf *b, uint8_t v);
int bh_buf_u16(struct bh_buf *b, uint16_t v);
int bh_buf_u32(struct bh_buf *b, uint32_t v);
int bh_buf_u64(struct bh_buf *b, uint64_t v);
int bh_buf_blob(struct bh_buf *b, const void *p, size_t n); /* u32 length, then the bytes */

static inline int bh_buf_failed(const struct bh_buf *b)
{
	return b->failed;
}

static inline struct bh_str bh_buf_view(const struct bh_buf *b)
{
	return (struct bh_str){b->data, b->len};
}

/* Memory leaves the buffer: the caller frees the returned pointer with free(). */
char *bh_buf_detach(struct bh_buf *b, size_t *len);

/*
 * Cursor: reads from bytes it does not own and cannot leave them. A get beyond the end sets
 * `failed` and returns zero values from then on, so a decoder checks once, with bh_cur_end().
 */
struct bh_cur {
	const uint8_t *p;
	size_t left; /* bytes not yet read */
	bool failed;
};

static inline struct bh_cur bh_cur_init(const void *p, size_t n)
{
	return (struct bh_cur){p, n, false};
}

uint8_t bh_cur_u8(struct bh_cur *c);
uint16_t bh_cur_u16(struct bh_cur *c);
uint32_t bh_cur_u32(struct bh_cur *c);
uint64_t bh_cur_u64(struct bh_cur *c);
struct bh_str bh_cur_take(struct bh_cur *c, size_t n); /* borrows from the input */
struct bh_str bh_cur_blob(struct bh_cur *c);           /* u32 length, then that many bytes */

/* 0 when everything was read and nothing was missing, else BH_E_FORMAT. */
int bh_cur_end(const struct bh_cur *c) BH_MUST_CHECK;

#endif
