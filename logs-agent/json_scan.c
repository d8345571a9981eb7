#include "logs-agent/json_scan.h"

#include <stdint.h>
#include <string.h>

#include "common/utf8.h"

/* Escapes of one letter, and what they stand for. */
static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";

void bh_jscan_blank(struct bh_jscan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
		s->p++;
}

bool bh_jscan_byte(struct bh_jscan *s, char c)
{
	bh_jscan_blank(s);
	if (s->p == s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Bytes of the escape at p, a backslash; 0 when it is none. */
static size_t escape_len(const char *p, const char *end)
{
	if (end - p < 2)
		return 0;
	if (p[1] != 'u')
		return memchr(letters, p[1], sizeof(letters) - 1) ? 2 : 0;
	if (end - p < 6)
		return 0;
	for (int i = 2; i < 6; i++) {
		if (hex(p[i]) < 0)
			return 0;
	}
	return 6;
}

bool bh_jscan_string(struct bh_jscan *s, struct bh_jtext *out)
{
	const char *p, *first = NULL;
	size_t n;

	if (!bh_jscan_byte(s, '"'))
		return false;
	p = s->p;
	while (p < s->end && *p != '"') {
		if ((unsigned char)*p < 0x20)
			return false;
		n = 1;
		if (*p == '\\') {
			n = escape_len(p, s->end);
			first = first ? first : p;
		}
		if (n == 0)
			return false;
		p += n;
	}
	if (p == s->end)
		return false;
	out->raw = (struct bh_str){s->p, (size_t)(p - s->p)};
	out->escape = first ? (size_t)(first - s->p) : out->raw.n;
	s->p = p + 1;
	return true;
}

static bool word(struct bh_jscan *s, struct bh_str w)
{
	if (!bh_str_starts((struct bh_str){s->p, (size_t)(s->end - s->p)}, w))
		return false;
	s->p += w.n;
	return true;
}

static bool digits(struct bh_jscan *s)
{
	const char *from = s->p;

	while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
		s->p++;
	return s->p > from;
}

static bool number(struct bh_jscan *s)
{
	(void)word(s, BH_STR_LIT("-"));
	if (!word(s, BH_STR_LIT("0")) && !digits(s))
		return false;
	if (word(s, BH_STR_LIT(".")) && !digits(s))
		return false;
	if (word(s, BH_STR_LIT("e")) || word(s, BH_STR_LIT("E"))) {
		if (!word(s, BH_STR_LIT("+")))
			(void)word(s, BH_STR_LIT("-"));
		return digits(s);
	}
	return true;
}

static bool scalar(struct bh_jscan *s)
{
	struct bh_jtext t;

	switch (*s->p) {
	case '"':
		return bh_jscan_string(s, &t);
	case 't':
		return word(s, BH_STR_LIT("true"));
	case 'f':
		return word(s, BH_STR_LIT("false"));
	case 'n':
		return word(s, BH_STR_LIT("null"));
	default:
		return number(s);
	}
}

/* What may come next inside of a value that is skipped. */
enum expect { VALUE, VALUE_OR_END, KEY, KEY_OR_END, NEXT };

struct nest {
	uint64_t objects; /* a bit for each open level: it is an object, else an array */
	unsigned depth;
};

static bool in_object(const struct nest *n)
{
	return n->objects >> (n->depth - 1) & 1;
}

static bool open_level(struct bh_jscan *s, struct nest *n, enum expect *e)
{
	bool object = *s->p++ == '{';
	uint64_t bit = (uint64_t)1 << n->depth;

	n->objects = object ? n->objects | bit : n->objects & ~bit;
	*e = object ? KEY_OR_END : VALUE_OR_END;
	return ++n->depth < BH_JSCAN_DEPTH;
}

static bool at_end_of_level(const struct bh_jscan *s, const struct nest *n, enum expect e)
{
	return (e == NEXT || e == VALUE_OR_END || e == KEY_OR_END) && n->depth &&
	       *s->p == (in_object(n) ? '}' : ']');
}

static bool step(struct bh_jscan *s, struct nest *n, enum expect *e)
{
	struct bh_jtext key;

	if (at_end_of_level(s, n, *e)) {
		s->p++;
		n->depth--;
		*e = NEXT;
		return true;
	}
	switch (*e) {
	case VALUE:
	case VALUE_OR_END:
		if (*s->p == '{' || *s->p == '[')
			return open_level(s, n, e);
		*e = NEXT;
		return scalar(s);
	case KEY:
	case KEY_OR_END:
		*e = VALUE;
		return bh_jscan_string(s, &key) && bh_jscan_byte(s, ':');
	case NEXT:
		*e = in_object(n) ? KEY : VALUE;
		return bh_jscan_byte(s, ',');
	}
	return false;
}

bool bh_jscan_skip(struct bh_jscan *s)
{
	struct nest n = {0, 0};
	enum expect e = VALUE;

	do {
		bh_jscan_blank(s);
		if (s->p == s->end || !step(s, &n, &e))
			return false;
	} while (n.depth || e != NEXT);
	return true;
}

static uint32_t hex4(const char *p)
{
	uint32_t v = 0;

	for (int i = 0; i < 4; i++)
		v = v << 4 | ((uint32_t)hex(p[i]) & 0xF);
	return v;
}

static void put_char(struct bh_buf *out, uint32_t c)
{
	char b[4];

	(void)bh_buf_append(out, b, bh_utf8_put(b, c));
}

/* The \u escape at p, and the one behind it when they are a pair. Returns the bytes it took. */
static size_t put_unicode(const char *p, const char *end, struct bh_buf *out)
{
	uint32_t c = hex4(p + 2), low;

	if (c < 0xD800 || c > 0xDFFF) {
		put_char(out, c);
		return 6;
	}
	low = end - p >= 12 && p[6] == '\\' && p[7] == 'u' ? hex4(p + 8) : 0;
	if (c <= 0xDBFF && low >= 0xDC00 && low <= 0xDFFF) {
		put_char(out, 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00));
		return 12;
	}
	put_char(out, BH_UTF8_REPLACEMENT);
	return 6;
}

static size_t put_escape(const char *p, const char *end, struct bh_buf *out)
{
	const char *at;

	if (p[1] == 'u')
		return put_unicode(p, end, out);
	at = memchr(letters, p[1], sizeof(letters) - 1);
	if (at) /* the scan has seen to it */
		(void)bh_buf_u8(out, (uint8_t)meanings[at - letters]);
	return 2;
}

int bh_jtext_decode(struct bh_jtext t, struct bh_buf *out)
{
	const char *p = t.raw.p, *end = p + t.raw.n, *next = p + t.escape;

	while (p < end && !bh_buf_failed(out)) {
		(void)bh_buf_append(out, p, (size_t)(next - p));
		p = next;
		if (p < end)
			p += put_escape(p, end, out);
		next = p < end ? memchr(p, '\\', (size_t)(end - p)) : NULL;
		if (!next)
			next = end;
	}
	return bh_buf_failed(out);
}
