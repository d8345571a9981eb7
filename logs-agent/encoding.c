#include "logs-agent/encoding.h"

#include <errno.h>
#include <iconv.h>
#include <stdint.h>
#include <string.h>

#include "common/err.h"
#include "common/utf8.h"

#define GROWTH 3 /* bytes of UTF-8 at most from one byte of any encoding here */

static const struct {
	const char *word;
	enum bh_unit unit;
} charsets[] = {
    [BH_CHARSET_UTF8] = {"utf-8", BH_UNIT_BYTE},
    [BH_CHARSET_UTF16_LE] = {"utf-16-le", BH_UNIT_UTF16_LE},
    [BH_CHARSET_UTF16_BE] = {"utf-16-be", BH_UNIT_UTF16_BE},
    [BH_CHARSET_SHIFT_JIS] = {"shift-jis", BH_UNIT_BYTE},
};

bool bh_charset_parse(const char *word, enum bh_charset *out)
{
	*out = BH_CHARSET_UTF8;
	for (size_t i = 0; i < BH_ARRAY_LEN(charsets); i++) {
		if (strcmp(charsets[i].word, word) == 0) {
			*out = (enum bh_charset)i;
			return true;
		}
	}
	return word[0] == '\0';
}

enum bh_unit bh_charset_unit(enum bh_charset c)
{
	return charsets[c].unit;
}

int bh_decoder_init(struct bh_decoder *d, enum bh_charset c)
{
	iconv_t cd;

	*d = (struct bh_decoder){.charset = c};
	if (c != BH_CHARSET_SHIFT_JIS)
		return 0;
	cd = iconv_open("UTF-8", "CP932");
	if (cd == (iconv_t)-1)
		return errno == EINVAL ? -ENOENT : -errno;
	d->iconv = cd;
	return 0;
}

void bh_decoder_release(struct bh_decoder *d)
{
	if (d->iconv)
		(void)iconv_close(d->iconv);
	d->iconv = NULL;
	bh_buf_release(&d->out);
}

/* --- UTF-16 ------------------------------------------------------------------------------------
 */

static uint32_t unit_at(const unsigned char *p, bool big)
{
	return big ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

static bool is_high(uint32_t u)
{
	return u >= 0xD800 && u <= 0xDBFF;
}

static bool is_low(uint32_t u)
{
	return u >= 0xDC00 && u <= 0xDFFF;
}

/* The buffer has room for GROWTH bytes per byte of the line. */
static void decode_utf16(struct bh_buf *out, const unsigned char *p, size_t n, bool big)
{
	const unsigned char *end = p + n - n % 2;
	char *o = out->data + out->len;

	if (n >= 2 && (unit_at(p, big) == 0xFEFF || unit_at(p, !big) == 0xFEFF)) {
		big = p[0] == 0xFE;
		p += 2;
	}
	while (p < end) {
		uint32_t c = unit_at(p, big);

		p += 2;
		if (is_high(c) && p < end && is_low(unit_at(p, big))) {
			c = 0x10000 + ((c - 0xD800) << 10) + (unit_at(p, big) - 0xDC00);
			p += 2;
		} else if (is_high(c) || is_low(c)) {
			c = BH_UTF8_REPLACEMENT;
		}
		o += bh_utf8_put(o, c);
	}
	if (n % 2)
		o += bh_utf8_put(o, BH_UTF8_REPLACEMENT);
	out->len = (size_t)(o - out->data);
	*o = '\0';
}

/* --- Shift-JIS ---------------------------------------------------------------------------------
 */

static bool is_lead(unsigned char c)
{
	return (c >= 0x81 && c <= 0x9F) || (c >= 0xE0 && c <= 0xFC);
}

/* What iconv does not take at p: how many bytes one replacement stands for. A byte that cannot be a
 * trail stays: it may be a quote or a blank that the lead byte has no business with. */
static size_t undecodable(const unsigned char *p, size_t n)
{
	return is_lead(p[0]) && n > 1 && p[1] >= 0x40 && p[1] != 0x7F ? 2 : 1;
}

static int decode_shift_jis(iconv_t cd, struct bh_buf *out, struct bh_str line)
{
	union {
		const char *in;
		char *arg; /* iconv wants it so, and does not write there */
	} p = {.in = line.p};
	char *o = out->data;
	size_t left = line.n, room = GROWTH * line.n, skip;

	while (left) {
		if (iconv(cd, &p.arg, &left, &o, &room) != (size_t)-1)
			break;
		if (errno == E2BIG)
			return BH_E_LIMIT; /* cannot be: the room is for the worst case */
		skip = undecodable((const unsigned char *)p.in, left);
		o += bh_utf8_put(o, (unsigned char)*p.in == 0x80 ? 0x80 : BH_UTF8_REPLACEMENT);
		p.in += skip;
		left -= skip;
		room = (size_t)(out->data + GROWTH * line.n - o);
	}
	out->len = (size_t)(o - out->data);
	*o = '\0';
	return 0;
}

int bh_decode(struct bh_decoder *d, struct bh_str line, struct bh_str *out)
{
	int rc;

	*out = line;
	if (d->charset == BH_CHARSET_UTF8 || line.n == 0)
		return 0;
	bh_buf_clear(&d->out);
	if (line.n > BH_BUF_MAX / GROWTH)
		return BH_E_LIMIT;
	rc = bh_buf_reserve(&d->out, GROWTH * line.n);
	if (!rc && d->charset == BH_CHARSET_SHIFT_JIS)
		rc = decode_shift_jis(d->iconv, &d->out, line);
	else if (!rc)
		decode_utf16(&d->out, (const unsigned char *)line.p, line.n,
		    d->charset == BH_CHARSET_UTF16_BE);
	*out = bh_buf_view(&d->out);
	return rc;
}
