#include "proto/capture.h"

#include <string.h>

#include "common/err.h"

#define VERSION 3

static const unsigned char head[8] = {0xD4, 0x74, 0xD0, 0x60, 0xF0, 0xFF, 0, 0};

enum field { F_TIMESTAMP = 1, F_SIZE = 2, F_PAYLOAD = 3, F_PID = 4 };
enum wire { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

int bh_capture_put_head(struct bh_buf *out)
{
	(void)bh_buf_append(out, head, 4);
	(void)bh_buf_u8(out, head[4] | VERSION);
	return bh_buf_append(out, head + 5, 3);
}

static int put_varint(struct bh_buf *out, uint64_t v)
{
	while (v >= 128) {
		(void)bh_buf_u8(out, (uint8_t)(v | 128));
		v >>= 7;
	}
	return bh_buf_u8(out, (uint8_t)v);
}

int bh_capture_put_packet(struct bh_buf *out, int64_t wall_ns, int32_t pid, struct bh_str payload)
{
	size_t at = out->len, n;
	int rc;

	(void)bh_buf_u32(out, 0);
	(void)bh_buf_u8(out, F_TIMESTAMP << 3 | WIRE_VARINT);
	(void)put_varint(out, (uint64_t)wall_ns);
	(void)bh_buf_u8(out, F_SIZE << 3 | WIRE_VARINT);
	(void)put_varint(out, payload.n);
	(void)bh_buf_u8(out, F_PAYLOAD << 3 | WIRE_BYTES);
	(void)put_varint(out, payload.n);
	(void)bh_buf_append(out, payload.p, payload.n);
	if (pid > 0) {
		(void)bh_buf_u8(out, F_PID << 3 | WIRE_VARINT);
		(void)put_varint(out, (uint64_t)pid);
	}
	rc = bh_buf_failed(out);
	if (rc)
		return rc;
	n = out->len - at - 4;
	for (size_t i = 0; i < 4; i++)
		out->data[at + i] = (char)(n >> (8 * i) & 255);
	return 0;
}

int bh_capture_put_end(struct bh_buf *out)
{
	(void)bh_buf_u32(out, 0);
	return bh_buf_u32(out, 0); /* the length of an empty state */
}

/* --- reading -----------------------------------------------------------------------------------
 */

int bh_capture_begin(struct bh_capture_reader *r, const void *p, size_t n)
{
	struct bh_str got;

	r->cur = bh_cur_init(p, n);
	got = bh_cur_take(&r->cur, sizeof(head));
	if (r->cur.failed || memcmp(got.p, head, 4) != 0 ||
	    ((unsigned char)got.p[4] & 0xF0) != head[4] || memcmp(got.p + 5, head + 5, 3) != 0)
		return BH_E_FORMAT;
	r->version = (unsigned char)got.p[4] & 0x0F;
	return r->version <= VERSION ? 0 : BH_E_FORMAT;
}

static uint64_t take_varint(struct bh_cur *c)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t byte = bh_cur_u8(c);

		v |= (uint64_t)(byte & 127) << shift;
		if (byte < 128 || c->failed)
			return v;
	}
	c->failed = true;
	return 0;
}

/* One field: known ones are kept, others skipped. */
static void take_field(struct bh_cur *c, uint64_t *stamp, struct bh_captured *p)
{
	uint64_t key = take_varint(c), v;
	struct bh_str bytes;

	switch ((enum wire)(key & 7)) {
	case WIRE_VARINT:
		v = take_varint(c);
		if (key >> 3 == F_TIMESTAMP)
			*stamp = v;
		else if (key >> 3 == F_PID)
			p->pid = v <= INT32_MAX ? (int32_t)v : 0;
		return;
	case WIRE_BYTES:
		v = take_varint(c);
		bytes = bh_cur_take(c, v > c->left ? c->left + 1 : (size_t)v);
		if (key >> 3 == F_PAYLOAD)
			p->payload = bytes;
		return;
	case WIRE_FIXED64:
		(void)bh_cur_take(c, 8);
		return;
	case WIRE_FIXED32:
		(void)bh_cur_take(c, 4);
		return;
	}
	c->failed = true;
}

int bh_capture_next(struct bh_capture_reader *r, struct bh_captured *p)
{
	struct bh_str record;
	struct bh_cur c;
	uint64_t stamp = 0;
	uint32_t n;

	if (r->cur.left < 4)
		return 0;
	n = bh_cur_u32(&r->cur);
	if (n == 0)
		return 0;
	record = bh_cur_take(&r->cur, n);
	if (r->cur.failed)
		return BH_E_FORMAT;
	c = bh_cur_init(record.p, record.n);
	*p = (struct bh_captured){.payload = {"", 0}};
	while (c.left && !c.failed)
		take_field(&c, &stamp, p);
	if (c.failed || p->payload.n > BH_CAPTURE_PACKET_MAX || stamp > INT64_MAX)
		return BH_E_FORMAT;
	p->wall_ns = (int64_t)stamp;
	if (r->version < 3 && __builtin_mul_overflow(p->wall_ns, (int64_t)1000000000, &p->wall_ns))
		return BH_E_FORMAT;
	return 1;
}
