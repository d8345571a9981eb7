#include "common/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"

void bh_buf_release(struct bh_buf *b)
{
	free(b->data);
	*b = (struct bh_buf)BH_BUF_INIT;
}

void bh_buf_clear(struct bh_buf *b)
{
	b->len = 0;
	b->failed = 0;
	if (b->data)
		b->data[0] = '\0';
}

static int fail(struct bh_buf *b, int code)
{
	if (!b->failed)
		b->failed = code;
	return code;
}

int bh_buf_reserve(struct bh_buf *b, size_t extra)
{
	size_t need, cap;
	char *p;

	if (__builtin_add_overflow(b->len, extra, &need) || need >= BH_BUF_MAX)
		return fail(b, BH_E_LIMIT);
	need++;
	if (need <= b->cap)
		return 0;
	cap = b->cap ? b->cap : 64;
	while (cap < need)
		cap *= 2;
	p = realloc(b->data, cap);
	if (!p)
		return fail(b, -ENOMEM);
	b->data = p;
	b->cap = cap;
	b->data[b->len] = '\0';
	return 0;
}

int bh_buf_append(struct bh_buf *b, const void *p, size_t n)
{
	int rc = bh_buf_reserve(b, n);

	if (rc < 0)
		return rc;
	if (n)
		memcpy(b->data + b->len, p, n);
	b->len += n;
	b->data[b->len] = '\0';
	return 0;
}

int bh_buf_str(struct bh_buf *b, const char *s)
{
	return bh_buf_append(b, s, strlen(s));
}

int bh_buf_printf(struct bh_buf *b, const char *fmt, ...)
{
	va_list ap;
	int n, rc;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return fail(b, -EINVAL);
	rc = bh_buf_reserve(b, (size_t)n);
	if (rc < 0)
		return rc;
	va_start(ap, fmt);
	(void)vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
	return 0;
}

static int put_le(struct bh_buf *b, uint64_t v, size_t n)
{
	uint8_t raw[8];

	for (size_t i = 0; i < n; i++)
		raw[i] = (uint8_t)(v >> (8 * i));
	return bh_buf_append(b, raw, n);
}

int bh_buf_u8(struct bh_buf *b, uint8_t v)
{
	return put_le(b, v, 1);
}

int bh_buf_u16(struct bh_buf *b, uint16_t v)
{
	return put_le(b, v, 2);
}

int bh_buf_u32(struct bh_buf *b, uint32_t v)
{
	return put_le(b, v, 4);
}

int bh_buf_u64(struct bh_buf *b, uint64_t v)
{
	return put_le(b, v, 8);
}

int bh_buf_blob(struct bh_buf *b, const void *p, size_t n)
{
	int rc;

	if (n >= BH_BUF_MAX)
		return fail(b, BH_E_LIMIT);
	rc = bh_buf_u32(b, (uint32_t)n);
	if (rc < 0)
		return rc;
	rc = bh_buf_append(b, p, n);
	if (rc < 0)
		b->len -= 4;
	return rc;
}

char *bh_buf_detach(struct bh_buf *b, size_t *len)
{
	char *p = b->data;

	*len = b->len;
	*b = (struct bh_buf)BH_BUF_INIT;
	return p;
}

struct bh_str bh_cur_take(struct bh_cur *c, size_t n)
{
	struct bh_str s = {NULL, 0};

	if (c->failed || n > c->left) {
		c->failed = true;
		return s;
	}
	s.p = (const char *)c->p;
	s.n = n;
	c->p += n;
	c->left -= n;
	return s;
}

static uint64_t get_le(struct bh_cur *c, size_t n)
{
	struct bh_str s = bh_cur_take(c, n);
	uint64_t v = 0;

	for (size_t i = 0; i < s.n; i++)
		v |= (uint64_t)(uint8_t)s.p[i] << (8 * i);
	return v;
}

uint8_t bh_cur_u8(struct bh_cur *c)
{
	return (uint8_t)get_le(c, 1);
}

uint16_t bh_cur_u16(struct bh_cur *c)
{
	return (uint16_t)get_le(c, 2);
}

uint32_t bh_cur_u32(struct bh_cur *c)
{
	return (uint32_t)get_le(c, 4);
}

uint64_t bh_cur_u64(struct bh_cur *c)
{
	return get_le(c, 8);
}

struct bh_str bh_cur_blob(struct bh_cur *c)
{
	uint32_t n = bh_cur_u32(c);

	return bh_cur_take(c, n);
}

int bh_cur_end(const struct bh_cur *c)
{
	return c->failed || c->left ? BH_E_FORMAT : 0;
}
