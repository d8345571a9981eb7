#include "proto/link.h"

#include <string.h>

#include "common/crc.h"
#include "common/err.h"

#define CRC_SIZE      4
#define DATA_PART     42 /* kind, encoding, items, raw_len, two times, two lengths */
#define ORIGINS_LIMIT (BH_LINK_MSG_MAX - BH_LINK_BODY_MAX - BH_LINK_HEAD - DATA_PART - CRC_SIZE)

const char *bh_encoding_name(enum bh_encoding e)
{
	static const char *const names[BH_ENC__N] = {"", "zstd", "deflate", "gzip"};

	return names[e];
}

int bh_encoding_parse(struct bh_str name, enum bh_encoding *e)
{
	for (unsigned i = 0; i < BH_ENC__N; i++) {
		if (bh_str_eq(name, bh_str_from(bh_encoding_name((enum bh_encoding)i)))) {
			*e = (enum bh_encoding)i;
			return 0;
		}
	}
	return BH_E_FORMAT;
}

const char *bh_refuse_name(enum bh_refuse_cause cause)
{
	switch (cause) {
	case BH_REFUSE_TOO_BIG:
		return "too big";
	case BH_REFUSE_BAD_CRC:
		return "bad checksum";
	case BH_REFUSE_NONE:
	case BH_REFUSE_UNREADABLE:
		break;
	}
	return "not readable";
}

/* Writer into exactly sized memory: the size was computed by bh_link_encoded_size(). */
struct writer {
	uint8_t *p;
	size_t left;
	bool overflow;
};

static void put(struct writer *w, const void *p, size_t n)
{
	if (n > w->left) {
		w->overflow = true;
		return;
	}
	if (n)
		memcpy(w->p, p, n);
	w->p += n;
	w->left -= n;
}

static void put_le(struct writer *w, uint64_t v, size_t n)
{
	uint8_t raw[8];

	for (size_t i = 0; i < n; i++)
		raw[i] = (uint8_t)(v >> (8 * i));
	put(w, raw, n);
}

static size_t part_size(const struct bh_link_msg *m)
{
	switch (m->head.type) {
	case BH_LINK_HELLO:
		return 1 + 8 + 4;
	case BH_LINK_WELCOME:
		return 16 + 8 + 1;
	case BH_LINK_RESUME:
		return 1 + 4 + m->u.resume.rows.n;
	case BH_LINK_DATA:
		return DATA_PART + m->u.data.origins.n + m->u.data.body.n + CRC_SIZE;
	case BH_LINK_ACK:
	case BH_LINK_REFUSE:
		return 1;
	case BH_LINK_STALE:
	case BH_LINK_FENCE:
	case BH_LINK_FENCE_ACK:
		return 0;
	}
	return 0;
}

size_t bh_link_encoded_size(const struct bh_link_msg *m)
{
	return BH_LINK_HEAD + part_size(m);
}

static void put_head(struct writer *w, const struct bh_link_head *h)
{
	put_le(w, BH_LINK_MAGIC, 4);
	put_le(w, (uint64_t)h->type, 2);
	put_le(w, BH_LINK_VERSION, 2);
	put_le(w, h->epoch, 8);
	put_le(w, h->seq, 8);
	put_le(w, h->base_seq, 8);
	put_le(w, h->mask, 8);
	put_le(w, h->credit_msgs, 4);
	put_le(w, h->credit_kib, 4);
}

static void put_data(struct writer *w, const struct bh_link_data *d)
{
	put_le(w, (uint64_t)d->kind, 1);
	put_le(w, (uint64_t)d->encoding, 1);
	put_le(w, d->items, 4);
	put_le(w, d->raw_len, 8);
	put_le(w, (uint64_t)d->first_ts_ms, 8);
	put_le(w, (uint64_t)d->last_ts_ms, 8);
	put_le(w, d->origins.n, 4);
	put_le(w, d->body.n, 8);
	put(w, d->origins.p, d->origins.n);
	put(w, d->body.p, d->body.n);
}

static void put_part(struct writer *w, const struct bh_link_msg *m)
{
	switch (m->head.type) {
	case BH_LINK_HELLO:
		put_le(w, m->u.hello.role, 1);
		put_le(w, m->u.hello.token, 8);
		put_le(w, m->u.hello.generation, 4);
		break;
	case BH_LINK_WELCOME:
		put(w, m->u.welcome.store_id, sizeof(m->u.welcome.store_id));
		put_le(w, m->u.welcome.run_id, 8);
		put_le(w, m->u.welcome.resume_follows, 1);
		break;
	case BH_LINK_RESUME:
		put_le(w, m->u.resume.last, 1);
		put_le(w, m->u.resume.rows.n, 4);
		put(w, m->u.resume.rows.p, m->u.resume.rows.n);
		break;
	case BH_LINK_DATA:
		put_data(w, &m->u.data);
		break;
	case BH_LINK_ACK:
		put_le(w, (uint64_t)m->u.ack.store, 1);
		break;
	case BH_LINK_REFUSE:
		put_le(w, (uint64_t)m->u.refuse.cause, 1);
		break;
	case BH_LINK_STALE:
	case BH_LINK_FENCE:
	case BH_LINK_FENCE_ACK:
		break;
	}
}

int bh_link_encode_into(const struct bh_link_msg *m, void *p, size_t n)
{
	struct writer w = {p, n, false};

	if (m->head.type == BH_LINK_DATA &&
	    (m->u.data.body.n > BH_LINK_BODY_MAX || m->u.data.origins.n > ORIGINS_LIMIT))
		return BH_E_LIMIT;
	if (n != bh_link_encoded_size(m) || n > BH_LINK_MSG_MAX)
		return BH_E_LIMIT;
	put_head(&w, &m->head);
	put_part(&w, m);
	if (m->head.type == BH_LINK_DATA)
		put_le(&w, bh_crc32c(0, p, n - CRC_SIZE), CRC_SIZE);
	return w.overflow || w.left ? BH_E_LIMIT : 0;
}

int bh_link_encode(const struct bh_link_msg *m, struct bh_buf *out)
{
	size_t n = bh_link_encoded_size(m);
	int rc = bh_buf_reserve(out, n);

	if (rc)
		return rc;
	rc = bh_link_encode_into(m, out->data + out->len, n);
	if (rc)
		return rc;
	out->len += n;
	out->data[out->len] = '\0';
	return 0;
}

static void get_head(struct bh_cur *c, struct bh_link_head *h)
{
	h->epoch = bh_cur_u64(c);
	h->seq = bh_cur_u64(c);
	h->base_seq = bh_cur_u64(c);
	h->mask = bh_cur_u64(c);
	h->credit_msgs = bh_cur_u32(c);
	h->credit_kib = bh_cur_u32(c);
}

static int get_flag(struct bh_cur *c, bool *flag)
{
	uint8_t v = bh_cur_u8(c);

	*flag = v == 1;
	return v > 1 ? BH_E_FORMAT : 0;
}

static int get_data(struct bh_cur *c, struct bh_link_data *d)
{
	uint8_t kind = bh_cur_u8(c);
	uint8_t encoding = bh_cur_u8(c);
	uint32_t origins;
	uint64_t body;

	d->items = bh_cur_u32(c);
	d->raw_len = bh_cur_u64(c);
	d->first_ts_ms = (int64_t)bh_cur_u64(c);
	d->last_ts_ms = (int64_t)bh_cur_u64(c);
	origins = bh_cur_u32(c);
	body = bh_cur_u64(c);
	d->origins = bh_cur_take(c, origins);
	if (body > BH_LINK_BODY_MAX || origins > ORIGINS_LIMIT)
		return BH_E_LIMIT;
	if (kind == 0 || kind >= BH_KIND__END || encoding >= BH_ENC__N)
		return BH_E_FORMAT;
	d->kind = (enum bh_kind)kind;
	d->encoding = (enum bh_encoding)encoding;
	d->body = bh_cur_take(c, (size_t)body);
	return 0;
}

static int get_part(struct bh_cur *c, struct bh_link_msg *m)
{
	struct bh_str id;
	uint8_t v;
	int rc = 0;

	switch (m->head.type) {
	case BH_LINK_HELLO:
		m->u.hello.role = bh_cur_u8(c);
		m->u.hello.token = bh_cur_u64(c);
		m->u.hello.generation = bh_cur_u32(c);
		return 0;
	case BH_LINK_WELCOME:
		id = bh_cur_take(c, sizeof(m->u.welcome.store_id));
		if (id.p)
			memcpy(m->u.welcome.store_id, id.p, id.n);
		m->u.welcome.run_id = bh_cur_u64(c);
		return get_flag(c, &m->u.welcome.resume_follows);
	case BH_LINK_RESUME:
		rc = get_flag(c, &m->u.resume.last);
		m->u.resume.rows = bh_cur_blob(c);
		return rc;
	case BH_LINK_DATA:
		return get_data(c, &m->u.data);
	case BH_LINK_ACK:
		v = bh_cur_u8(c);
		m->u.ack.store = (enum bh_store_state)v;
		return v > BH_STORE_REPLACED ? BH_E_FORMAT : 0;
	case BH_LINK_REFUSE:
		v = bh_cur_u8(c);
		m->u.refuse.cause = (enum bh_refuse_cause)v;
		return v < BH_REFUSE_TOO_BIG || v > BH_REFUSE_UNREADABLE ? BH_E_FORMAT : 0;
	case BH_LINK_STALE:
	case BH_LINK_FENCE:
	case BH_LINK_FENCE_ACK:
		return 0;
	}
	return BH_E_FORMAT;
}

int bh_link_decode(const void *p, size_t n, struct bh_link_msg *m)
{
	struct bh_cur c = bh_cur_init(p, n);
	uint32_t magic = bh_cur_u32(&c);
	uint16_t type = bh_cur_u16(&c);
	uint16_t version = bh_cur_u16(&c);
	int rc;

	memset(m, 0, sizeof(*m));
	if (magic != BH_LINK_MAGIC || version != BH_LINK_VERSION || type < BH_LINK_HELLO ||
	    type > BH_LINK_FENCE_ACK || n > BH_LINK_MSG_MAX)
		return BH_E_FORMAT;
	m->head.type = (enum bh_link_type)type;
	get_head(&c, &m->head);
	if (c.failed)
		return BH_E_FORMAT;
	if (type == BH_LINK_DATA) {
		struct bh_cur tail;

		if (c.left < CRC_SIZE)
			return BH_E_FORMAT;
		c.left -= CRC_SIZE;
		tail = bh_cur_init(c.p + c.left, CRC_SIZE);
		if (bh_cur_u32(&tail) != bh_crc32c(0, p, n - CRC_SIZE))
			return BH_E_CORRUPT;
	}
	rc = get_part(&c, m);
	return rc ? rc : bh_cur_end(&c);
}
