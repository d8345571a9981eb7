#include "common/utf8.h"

#include <string.h>

/* Length of the sequence at p (1..4), or 0 when it is not valid within n bytes. */
static size_t sequence(const unsigned char *p, size_t n)
{
	size_t len;
	unsigned char lo = 0x80, hi = 0xBF; /* bounds of the second byte */

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xC2 || p[0] > 0xF4)
		return 0;
	len = p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
	if (len > n)
		return 0;
	if (p[0] == 0xE0)
		lo = 0xA0;
	else if (p[0] == 0xED)
		hi = 0x9F;
	else if (p[0] == 0xF0)
		lo = 0x90;
	else if (p[0] == 0xF4)
		hi = 0x8F;
	if (p[1] < lo || p[1] > hi)
		return 0;
	for (size_t i = 2; i < len; i++) {
		if ((p[i] & 0xC0) != 0x80)
			return 0;
	}
	return len;
}

size_t bh_utf8_valid_prefix(const char *text, size_t n)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t i = 0, len;
	uint64_t w;

	while (i < n) {
		/* Nearly all text is ASCII: eight bytes at a time. */
		if (n - i >= 8) {
			memcpy(&w, p + i, 8);
			if (!(w & 0x8080808080808080u)) {
				i += 8;
				continue;
			}
		}
		len = sequence(p + i, n - i);
		if (!len)
			return i;
		i += len;
	}
	return i;
}

size_t bh_utf8_put(char *out, uint32_t c)
{
	/* Marks of the first byte by length; the others carry six bits each. */
	static const unsigned char marks[] = {0, 0, 0xC0, 0xE0, 0xF0};
	size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	for (size_t i = len - 1; i > 0; i--) {
		out[i] = (char)(0x80 | (c & 0x3F));
		c >>= 6;
	}
	out[0] = (char)(marks[len] | c);
	return len;
}
