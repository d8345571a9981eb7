#include "common/percent.h"

#include "common/err.h"
#include "common/utf8.h"

static int put_escaped(struct bh_buf *out, unsigned char c)
{
	static const char hex[] = "0123456789ABCDEF";
	const char text[3] = {'%', hex[c >> 4], hex[c & 15]};

	return bh_buf_append(out, text, sizeof(text));
}

/* C1 controls are two bytes of UTF-8, c2 80 to c2 9f. */
static bool is_c1(const char *p, size_t n)
{
	return n > 1 && (unsigned char)p[0] == 0xc2 && (unsigned char)p[1] < 0xa0;
}

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c != 0x7f && c != '"' && c != '\\' && c != '%';
}

int bh_percent_encode(struct bh_str bytes, struct bh_buf *out)
{
	size_t valid = 0; /* up to here it is UTF-8 */

	for (size_t i = 0; i < bytes.n; i++) {
		if (i >= valid)
			valid = i + bh_utf8_valid_prefix(bytes.p + i, bytes.n - i);
		if (i < valid && is_c1(bytes.p + i, valid - i)) {
			(void)put_escaped(out, (unsigned char)bytes.p[i++]);
			(void)put_escaped(out, (unsigned char)bytes.p[i]);
		} else if (i < valid && is_plain((unsigned char)bytes.p[i])) {
			(void)bh_buf_u8(out, (uint8_t)bytes.p[i]);
		} else {
			(void)put_escaped(out, (unsigned char)bytes.p[i]);
		}
	}
	return bh_buf_failed(out);
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int bh_percent_decode(struct bh_str text, struct bh_buf *out)
{
	for (size_t i = 0; i < text.n; i++) {
		int high, low;

		if (text.p[i] != '%') {
			(void)bh_buf_u8(out, (uint8_t)text.p[i]);
			continue;
		}
		high = text.n - i > 2 ? digit(text.p[i + 1]) : -1;
		low = high >= 0 ? digit(text.p[i + 2]) : -1;
		if (low < 0)
			return BH_E_FORMAT;
		(void)bh_buf_u8(out, (uint8_t)(high << 4 | low));
		i += 2;
	}
	return bh_buf_failed(out);
}
