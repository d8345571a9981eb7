#include "proto/control.h"

#include <math.h>
#include <string.h>

#include "common/err.h"
#include "proto/control_rights.h"

static int put_text(struct bh_buf *out, const char *s, size_t max)
{
	size_t n = strnlen(s, max);

	(void)bh_buf_u8(out, (uint8_t)n);
	return bh_buf_append(out, s, n);
}

static int put_stat(struct bh_buf *out, const struct bh_stat *s)
{
	(void)bh_buf_u8(out, (uint8_t)s->type);
	switch (s->type) {
	case BH_STAT_LEDGER:
	case BH_STAT_KEPT:
		return bh_ledger_row_encode(&s->row, out);
	case BH_STAT_NUMBER:
		(void)put_text(out, s->name, BH_LEDGER_NAME_MAX);
		return bh_buf_u64(out, s->number);
	case BH_STAT_NOTE:
		(void)put_text(out, s->name, BH_LEDGER_NAME_MAX);
		return put_text(out, s->text, BH_CTL_TEXT_MAX);
	case BH_STAT_END:
		return 0;
	}
	return BH_E_FORMAT;
}

static void put_drained(struct bh_buf *out, const struct bh_ctl_drained *d)
{
	(void)bh_buf_u8(out, d->complete);
	(void)bh_buf_u64(out, d->durable);
	(void)bh_buf_u64(out, d->delivered);
	(void)bh_buf_u64(out, d->spooled);
	(void)bh_buf_u64(out, d->left);
	(void)bh_buf_u64(out, d->dropped);
	(void)bh_buf_u8(out, (uint8_t)d->streams_n);
	for (uint32_t i = 0; i < d->streams_n && i < BH_CTL_STREAMS_MAX; i++) {
		(void)bh_buf_u8(out, (uint8_t)d->streams[i].producer);
		(void)bh_buf_u64(out, d->streams[i].epoch);
		(void)bh_buf_u64(out, d->streams[i].seq);
	}
}

static int put_reloaded(struct bh_buf *out, const struct bh_ctl_reloaded *r)
{
	(void)bh_buf_u8(out, r->restart);
	(void)bh_buf_u32(out, r->sources.added);
	(void)bh_buf_u32(out, r->sources.removed);
	(void)bh_buf_u32(out, r->sources.changed);
	return bh_buf_u32(out, r->sources.unchanged);
}

static int put_part(struct bh_buf *out, const struct bh_ctl_msg *m)
{
	switch (m->type) {
	case BH_CTL_HELLO:
		(void)bh_buf_u8(out, (uint8_t)m->u.hello.role);
		return bh_buf_u32(out, m->u.hello.pid);
	case BH_CTL_HEARTBEAT:
	case BH_CTL_DRAIN_PROGRESS:
		(void)bh_buf_u64(out, m->u.heartbeat.pending_items);
		(void)bh_buf_u64(out, m->u.heartbeat.pending_bytes);
		(void)bh_buf_u64(out, m->u.heartbeat.rss_kib);
		(void)bh_buf_u8(out, m->u.heartbeat.link_up);
		return bh_buf_u8(out, m->u.heartbeat.keys_refused);
	case BH_CTL_DRAIN_ACK:
		put_drained(out, &m->u.drained);
		return 0;
	case BH_CTL_STATS_REPLY:
		return put_stat(out, &m->u.stat);
	case BH_CTL_QUERY_ROW:
		(void)bh_buf_u8(out, (uint8_t)m->u.row.kind);
		(void)put_text(out, m->u.row.name, BH_LEDGER_NAME_MAX);
		(void)put_text(out, m->u.row.text, BH_CTL_TEXT_MAX);
		(void)bh_buf_u64(out, m->u.row.count);
		return bh_buf_u64(out, (uint64_t)m->u.row.at);
	case BH_CTL_QUERY_PART:
	case BH_CTL_QUERY_ARG:
	case BH_CTL_LEDGER:
	case BH_CTL_FIGURES:
		if (m->u.part.n == 0 || m->u.part.n > BH_CTL_PART_MAX)
			return BH_E_LIMIT;
		return bh_buf_append(out, m->u.part.p, m->u.part.n);
	case BH_CTL_CAPTURE:
		return bh_buf_u32(out, m->u.capture_seconds);
	case BH_CTL_STREAM:
		(void)put_text(out, m->u.stream.source, BH_STREAM_NAME_MAX);
		return put_text(out, m->u.stream.service, BH_STREAM_NAME_MAX);
	case BH_CTL_QUERY:
		(void)bh_buf_u8(out, (uint8_t)m->u.query.what);
		return bh_buf_u32(out, m->u.query.limit);
	case BH_CTL_RELOADED:
		return put_reloaded(out, &m->u.reloaded);
	case BH_CTL_DRAIN:
		(void)bh_buf_u32(out, m->u.drain.deadline_ms);
		return bh_buf_u8(out, (uint8_t)m->u.drain.mode);
	case BH_CTL_PEER_STATE:
		(void)bh_buf_u8(out, (uint8_t)m->u.peer.role);
		return bh_buf_u8(out, m->u.peer.running);
	case BH_CTL_READY:
		return bh_ctl_put_rights(out, &m->u.rights);
	case BH_CTL_AGAIN:
	case BH_CTL_EXIT:
	case BH_CTL_STATS:
	case BH_CTL_RELOAD:
	case BH_CTL_KEY_REFUSED:
	case BH_CTL_LOG:
		return 0;
	}
	return BH_E_FORMAT;
}

int bh_figure_encode(const struct bh_figure *f, struct bh_buf *out)
{
	uint64_t bits;

	(void)bh_buf_u8(out, f->is_count);
	(void)put_text(out, f->name, BH_LEDGER_NAME_MAX);
	(void)put_text(out, f->tags, BH_CTL_TEXT_MAX);
	memcpy(&bits, &f->value, sizeof(bits));
	return bh_buf_u64(out, bits);
}

int bh_ctl_encode(const struct bh_ctl_msg *m, struct bh_buf *out)
{
	uint32_t part;
	int rc;

	bh_buf_clear(out);
	(void)bh_buf_u16(out, (uint16_t)m->type);
	(void)bh_buf_u16(out, BH_CTL_VERSION);
	(void)bh_buf_u32(out, m->generation);
	(void)bh_buf_u32(out, m->id);
	(void)bh_buf_u32(out, 0);
	rc = put_part(out, m);
	if (rc || bh_buf_failed(out))
		return rc ? rc : bh_buf_failed(out);
	if (out->len > BH_CTL_MSG_MAX)
		return BH_E_LIMIT;
	part = (uint32_t)(out->len - BH_CTL_HEAD);
	for (size_t i = 0; i < 4; i++)
		out->data[12 + i] = (char)(part >> (8 * i));
	return 0;
}

static int get_bool(struct bh_cur *c, bool *out)
{
	uint8_t v = bh_cur_u8(c);

	*out = v == 1;
	return v > 1 ? BH_E_FORMAT : 0;
}

static int get_role(struct bh_cur *c, enum bh_role *out)
{
	uint8_t v = bh_cur_u8(c);

	*out = (enum bh_role)v;
	return v >= BH_ROLE__N ? BH_E_FORMAT : 0;
}

/* Text from a child ends up in terminals and logs: no control bytes get past this point. */
static void make_printable(char *s)
{
	for (; *s; s++) {
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
	}
}

static int get_text(struct bh_cur *c, char *out, size_t max)
{
	uint8_t n = bh_cur_u8(c);
	struct bh_str s = bh_cur_take(c, n);

	if (c->failed || n > max)
		return BH_E_FORMAT;
	if (s.n)
		memcpy(out, s.p, s.n);
	out[s.n] = '\0';
	if (memchr(out, '\0', s.n))
		return BH_E_FORMAT;
	make_printable(out);
	return 0;
}

int bh_figure_decode(struct bh_cur *in, struct bh_figure *f)
{
	int rc = get_bool(in, &f->is_count);
	uint64_t bits;

	if (!rc)
		rc = get_text(in, f->name, BH_LEDGER_NAME_MAX);
	if (!rc)
		rc = get_text(in, f->tags, BH_CTL_TEXT_MAX);
	bits = bh_cur_u64(in);
	memcpy(&f->value, &bits, sizeof(bits));
	return rc || in->failed || !isfinite(f->value) || signbit(f->value) ? BH_E_FORMAT : 0;
}

static int get_stat(struct bh_cur *c, struct bh_stat *s)
{
	uint8_t type = bh_cur_u8(c);
	int rc;

	s->type = (enum bh_stat_type)type;
	switch (type) {
	case BH_STAT_LEDGER:
	case BH_STAT_KEPT:
		rc = bh_ledger_row_decode(c, &s->row);
		make_printable(s->row.name);
		return rc;
	case BH_STAT_NUMBER:
		rc = get_text(c, s->name, BH_LEDGER_NAME_MAX);
		s->number = bh_cur_u64(c);
		return rc;
	case BH_STAT_NOTE:
		rc = get_text(c, s->name, BH_LEDGER_NAME_MAX);
		return rc ? rc : get_text(c, s->text, BH_CTL_TEXT_MAX);
	case BH_STAT_END:
		return 0;
	default:
		return BH_E_FORMAT;
	}
}

static int get_drained(struct bh_cur *c, struct bh_ctl_drained *d)
{
	int rc = get_bool(c, &d->complete);

	d->durable = bh_cur_u64(c);
	d->delivered = bh_cur_u64(c);
	d->spooled = bh_cur_u64(c);
	d->left = bh_cur_u64(c);
	d->dropped = bh_cur_u64(c);
	d->streams_n = bh_cur_u8(c);
	if (rc || d->streams_n > BH_CTL_STREAMS_MAX)
		return BH_E_FORMAT;
	for (uint32_t i = 0; i < d->streams_n && !rc; i++) {
		rc = get_role(c, &d->streams[i].producer);
		d->streams[i].epoch = bh_cur_u64(c);
		d->streams[i].seq = bh_cur_u64(c);
	}
	return rc;
}

static int get_row(struct bh_cur *c, struct bh_query_row *r)
{
	uint8_t kind = bh_cur_u8(c);
	int rc = get_text(c, r->name, BH_LEDGER_NAME_MAX);

	r->kind = (enum bh_query_row_kind)kind;
	if (!rc)
		rc = get_text(c, r->text, BH_CTL_TEXT_MAX);
	r->count = bh_cur_u64(c);
	r->at = (int64_t)bh_cur_u64(c);
	return rc ? rc : kind >= BH_ROW__N ? BH_E_FORMAT : 0;
}

static int get_reloaded(struct bh_cur *c, struct bh_ctl_reloaded *r)
{
	int rc = get_bool(c, &r->restart);

	r->sources.added = bh_cur_u32(c);
	r->sources.removed = bh_cur_u32(c);
	r->sources.changed = bh_cur_u32(c);
	r->sources.unchanged = bh_cur_u32(c);
	return rc;
}

static int get_part(struct bh_cur *c, struct bh_ctl_msg *m)
{
	uint8_t mode, kind;
	int rc;

	switch (m->type) {
	case BH_CTL_HELLO:
		rc = get_role(c, &m->u.hello.role);
		m->u.hello.pid = bh_cur_u32(c);
		return rc;
	case BH_CTL_HEARTBEAT:
	case BH_CTL_DRAIN_PROGRESS:
		m->u.heartbeat.pending_items = bh_cur_u64(c);
		m->u.heartbeat.pending_bytes = bh_cur_u64(c);
		m->u.heartbeat.rss_kib = bh_cur_u64(c);
		rc = get_bool(c, &m->u.heartbeat.link_up);
		return rc ? rc : get_bool(c, &m->u.heartbeat.keys_refused);
	case BH_CTL_DRAIN_ACK:
		return get_drained(c, &m->u.drained);
	case BH_CTL_STATS_REPLY:
		return get_stat(c, &m->u.stat);
	case BH_CTL_QUERY_ROW:
		return get_row(c, &m->u.row);
	case BH_CTL_QUERY_PART:
	case BH_CTL_QUERY_ARG:
	case BH_CTL_LEDGER:
	case BH_CTL_FIGURES:
		m->u.part = bh_cur_take(c, c->left);
		return m->u.part.n == 0 || m->u.part.n > BH_CTL_PART_MAX ? BH_E_FORMAT : 0;
	case BH_CTL_CAPTURE:
		m->u.capture_seconds = bh_cur_u32(c);
		return 0;
	case BH_CTL_STREAM:
		rc = get_text(c, m->u.stream.source, BH_STREAM_NAME_MAX);
		return rc ? rc : get_text(c, m->u.stream.service, BH_STREAM_NAME_MAX);
	case BH_CTL_QUERY:
		kind = bh_cur_u8(c);
		m->u.query.what = (enum bh_query_what)kind;
		m->u.query.limit = bh_cur_u32(c);
		return kind > BH_QUERY_DIAGNOSE ? BH_E_FORMAT : 0;
	case BH_CTL_RELOADED:
		return get_reloaded(c, &m->u.reloaded);
	case BH_CTL_DRAIN:
		m->u.drain.deadline_ms = bh_cur_u32(c);
		mode = bh_cur_u8(c);
		m->u.drain.mode = (enum bh_drain_mode)mode;
		return mode > BH_DRAIN_HANDOVER ? BH_E_FORMAT : 0;
	case BH_CTL_PEER_STATE:
		rc = get_role(c, &m->u.peer.role);
		return rc ? rc : get_bool(c, &m->u.peer.running);
	case BH_CTL_READY:
		return bh_ctl_get_rights(c, &m->u.rights);
	case BH_CTL_AGAIN:
	case BH_CTL_EXIT:
	case BH_CTL_STATS:
	case BH_CTL_RELOAD:
	case BH_CTL_KEY_REFUSED:
	case BH_CTL_LOG:
		return 0;
	}
	return BH_E_FORMAT;
}

int bh_ctl_decode(const void *p, size_t n, struct bh_ctl_msg *m)
{
	struct bh_cur c = bh_cur_init(p, n);
	uint16_t type = bh_cur_u16(&c);
	uint16_t version = bh_cur_u16(&c);
	uint32_t length;
	int rc;

	memset(m, 0, sizeof(*m));
	m->generation = bh_cur_u32(&c);
	m->id = bh_cur_u32(&c);
	length = bh_cur_u32(&c);
	if (c.failed || version != BH_CTL_VERSION || n > BH_CTL_MSG_MAX || length != c.left)
		return BH_E_FORMAT;
	m->type = (enum bh_ctl_type)type;
	rc = get_part(&c, m);
	return rc ? rc : bh_cur_end(&c);
}
