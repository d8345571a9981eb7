#include "proto/origin.h"

#include <ctype.h>

#include "common/err.h"

#define ORIGINS_VERSION 1

bool bh_origin_is_source(struct bh_str identifier, struct bh_str *hash)
{
	const struct bh_str word = BH_STR_LIT("source:");

	if (!bh_str_starts(identifier, word) || identifier.n == word.n)
		return false;
	for (size_t i = word.n; i < identifier.n; i++) {
		if (!isxdigit((unsigned char)identifier.p[i]))
			return false;
	}
	if (hash)
		*hash = (struct bh_str){identifier.p + word.n, identifier.n - word.n};
	return true;
}

static int put_string(struct bh_buf *out, struct bh_str s)
{
	if (s.n > BH_ORIGIN_STRING_MAX)
		return BH_E_LIMIT;
	(void)bh_buf_u16(out, (uint16_t)s.n);
	return bh_buf_append(out, s.p, s.n);
}

static int put_record(struct bh_buf *out, const struct bh_origin *o)
{
	const struct bh_str strings[] = {
	    o->identifier, o->path, o->offset_first, o->offset_last, o->fp_config, o->tailing_mode};

	for (size_t i = 0; i < BH_ARRAY_LEN(strings); i++) {
		int rc = put_string(out, strings[i]);

		if (rc)
			return rc;
	}
	(void)bh_buf_u64(out, o->gen);
	(void)bh_buf_u64(out, o->dev);
	(void)bh_buf_u64(out, o->ino);
	(void)bh_buf_u32(out, o->marker_len);
	(void)bh_buf_u64(out, o->marker_hash);
	(void)bh_buf_u64(out, o->fp_value);
	(void)bh_buf_u64(out, (uint64_t)o->ingestion_ns);
	(void)bh_buf_u64(out, o->last_size);
	(void)bh_buf_u8(out, (uint8_t)o->state);
	return bh_buf_failed(out);
}

static void patch_u32(char *p, uint32_t v)
{
	for (size_t i = 0; i < 4; i++)
		p[i] = (char)(v >> (8 * i));
}

int bh_origin_encode(const struct bh_origin *o, struct bh_buf *records)
{
	size_t at = records->len;
	int rc;

	(void)bh_buf_u32(records, 0);
	rc = put_record(records, o);
	if (rc) {
		records->len = at; /* no half record stays behind */
		return rc;
	}
	patch_u32(records->data + at, (uint32_t)(records->len - at - 4));
	return 0;
}

static int put_set_head(size_t n, struct bh_buf *out)
{
	if (n > BH_ORIGINS_MAX)
		return BH_E_LIMIT;
	(void)bh_buf_u8(out, ORIGINS_VERSION);
	return bh_buf_u16(out, (uint16_t)n);
}

int bh_origins_encode(const struct bh_origin *v, size_t n, struct bh_buf *out)
{
	size_t at = out->len;
	int rc = put_set_head(n, out);

	for (size_t i = 0; i < n && !rc; i++)
		rc = bh_origin_encode(&v[i], out);
	if (rc)
		out->len = at;
	return rc;
}

int bh_origins_join(const struct bh_buf *records, size_t n, struct bh_buf *out)
{
	int rc = put_set_head(n, out);

	return rc ? rc : bh_buf_append(out, records->data, records->len);
}

int bh_origins_begin(struct bh_origins_reader *r, const void *p, size_t n)
{
	r->cur = bh_cur_init(p, n);
	r->left = 0;
	if (n == 0)
		return 0;
	if (bh_cur_u8(&r->cur) != ORIGINS_VERSION)
		return BH_E_FORMAT;
	r->left = bh_cur_u16(&r->cur);
	return r->cur.failed || r->left > BH_ORIGINS_MAX ? BH_E_FORMAT : 0;
}

static struct bh_str get_string(struct bh_cur *c)
{
	uint16_t n = bh_cur_u16(c);

	if (n > BH_ORIGIN_STRING_MAX)
		c->failed = true;
	return bh_cur_take(c, n);
}

int bh_origin_decode(struct bh_str record, struct bh_origin *o)
{
	struct bh_cur c = bh_cur_init(record.p, record.n);
	uint8_t state;

	o->identifier = get_string(&c);
	o->path = get_string(&c);
	o->offset_first = get_string(&c);
	o->offset_last = get_string(&c);
	o->fp_config = get_string(&c);
	o->tailing_mode = get_string(&c);
	o->gen = bh_cur_u64(&c);
	o->dev = bh_cur_u64(&c);
	o->ino = bh_cur_u64(&c);
	o->marker_len = bh_cur_u32(&c);
	o->marker_hash = bh_cur_u64(&c);
	o->fp_value = bh_cur_u64(&c);
	o->ingestion_ns = (int64_t)bh_cur_u64(&c);
	o->last_size = bh_cur_u64(&c);
	state = bh_cur_u8(&c);
	if (c.failed || state > BH_ORIGIN_FORGOTTEN)
		return BH_E_FORMAT;
	o->state = (enum bh_origin_state)state;
	return 0;
}

int bh_origins_next(struct bh_origins_reader *r, struct bh_origin *o)
{
	struct bh_str record;
	int rc;

	if (r->left == 0)
		return bh_cur_end(&r->cur);
	r->left--;
	record = bh_cur_blob(&r->cur);
	rc = r->cur.failed ? BH_E_FORMAT : bh_origin_decode(record, o);
	return rc ? rc : 1;
}

bool bh_origins_fit(struct bh_str origins)
{
	struct bh_origins_reader r;
	struct bh_origin o;
	int rc = bh_origins_begin(&r, origins.p, origins.n);

	while (!rc && (rc = bh_origins_next(&r, &o)) == 1)
		rc = 0;
	return rc == 0;
}
