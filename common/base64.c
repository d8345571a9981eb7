#include "common/base64.h"

static void put_group(const uint8_t *p, size_t n, struct bh_buf *out)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
	uint32_t v = (uint32_t)p[0] << 16 | (n > 1 ? (uint32_t)p[1] << 8 : 0) | (n > 2 ? p[2] : 0);
	char text[4];

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = digits[i <= n ? (v >> (18 - 6 * i) & 63) : 64];
	(void)bh_buf_append(out, text, sizeof(text));
}

int bh_base64_encode(struct bh_str bytes, struct bh_buf *out)
{
	const uint8_t *p = (const uint8_t *)bytes.p;

	if (bh_buf_reserve(out, (bytes.n + 2) / 3 * 4))
		return bh_buf_failed(out);
	for (size_t i = 0; i < bytes.n; i += 3)
		put_group(p + i, bytes.n - i < 3 ? bytes.n - i : 3, out);
	return bh_buf_failed(out);
}
