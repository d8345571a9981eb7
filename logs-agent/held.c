#include "logs-agent/held.h"

/* A number of 64 bits, seven a byte, takes at most ten; two of them and a byte of flags. */
#define META_MAX 21

#define FLAG_CUT    0x08u
#define FLAG_TAGS   4 /* bits up to there are status and cut */
#define TAGS_SHIFT  5 /* the tags that can be held: BH_TAG_AUTO_DETECTED and later */
#define STATUS_MASK 0x07u

_Static_assert(BH_STATUS__N <= STATUS_MASK + 1, "a status is three bits");
_Static_assert(BH_TAG_AUTO_DETECTED == 1 << TAGS_SHIFT, "held tags begin with that one");
_Static_assert(BH_MESSAGE_TAGS - TAGS_SHIFT <= 8 - FLAG_TAGS, "held tags fit their byte");

void bh_spares_release(struct bh_spares *s)
{
	while (s->n)
		bh_buf_release(&s->v[--s->n]);
}

void bh_spares_give(struct bh_spares *s, struct bh_buf *b)
{
	if (b->cap == 0 || b->cap > BH_SPARE_SIZE || s->n == BH_SPARES) {
		bh_buf_release(b);
		return;
	}
	bh_buf_clear(b);
	s->v[s->n++] = *b;
	*b = (struct bh_buf)BH_BUF_INIT;
}

void bh_spares_take(struct bh_spares *s, struct bh_buf *b)
{
	if (b->cap == 0 && s->n)
		*b = s->v[--s->n];
}

static size_t put_number(uint8_t *out, uint64_t v)
{
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		out[n++] = (uint8_t)(v | 0x80);
	out[n++] = (uint8_t)v;
	return n;
}

static uint64_t get_number(const struct bh_buf *b, size_t *at)
{
	uint64_t v = 0;
	uint8_t byte;

	for (unsigned shift = 0;; shift += 7) {
		byte = (uint8_t)b->data[(*at)++];
		v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return v;
	}
}

static int append(struct bh_held *h, struct bh_str joint, const struct bh_held_line *l)
{
	const struct bh_line *line = &l->line;
	uint8_t meta[META_MAX];
	size_t n;
	int rc;

	n = put_number(meta, line->content.n);
	n += put_number(meta + n, line->raw);
	meta[n++] = (uint8_t)((unsigned)line->status | (line->cut ? FLAG_CUT : 0) |
			      l->tags >> TAGS_SHIFT << FLAG_TAGS);
	/* Both have room before either grows, so that a failure leaves them as they were. */
	rc = bh_buf_reserve(&h->meta, n);
	if (!rc)
		rc = bh_buf_reserve(&h->text, joint.n + line->content.n);
	if (rc)
		return rc;
	if (h->lines)
		(void)bh_buf_append(&h->text, joint.p, joint.n);
	(void)bh_buf_append(&h->text, line->content.p, line->content.n);
	(void)bh_buf_append(&h->meta, meta, n);
	h->lines++;
	h->raw += line->raw;
	return 0;
}

int bh_held_add(
    struct bh_held *h, struct bh_spares *spares, struct bh_str joint, const struct bh_held_line *l)
{
	int rc;

	if (!h->lines) {
		bh_spares_take(spares, &h->meta);
		bh_spares_take(spares, &h->text);
	}
	rc = append(h, joint, l);
	if (rc && !h->lines)
		bh_held_clear(h, spares);
	return rc;
}

void bh_held_clear(struct bh_held *h, struct bh_spares *spares)
{
	bh_spares_give(spares, &h->text);
	bh_spares_give(spares, &h->meta);
	h->lines = 0;
	h->raw = 0;
}

bool bh_held_next(struct bh_held_walk *w, struct bh_held_line *out)
{
	const struct bh_held *h = w->held;
	unsigned flags;
	size_t n;

	if (w->meta == h->meta.len)
		return false;
	if (w->meta)
		w->text += w->joint;
	n = (size_t)get_number(&h->meta, &w->meta);
	*out = (struct bh_held_line){.line = {.content = {h->text.data + w->text, n}}};
	w->text += n;
	out->line.raw = get_number(&h->meta, &w->meta);
	flags = (uint8_t)h->meta.data[w->meta++];
	out->line.status = (enum bh_log_status)(flags & STATUS_MASK);
	out->line.cut = flags & FLAG_CUT;
	out->tags = flags >> FLAG_TAGS << TAGS_SHIFT;
	return true;
}
