#include "common/crc.h"

#include <stdbool.h>
#include <string.h>

#include "common/crc_tables.h"

/* Eight table look-ups for eight bytes: bodies are megabytes, this runs for each of them. */
static uint32_t crc32c_tables(uint32_t c, const uint8_t *p, size_t n)
{
	while (n >= 8) {
		uint64_t w;

		memcpy(&w, p, 8);
		w ^= c;
		c = crc32c_table[7][w & 255] ^ crc32c_table[6][w >> 8 & 255] ^
		    crc32c_table[5][w >> 16 & 255] ^ crc32c_table[4][w >> 24 & 255] ^
		    crc32c_table[3][w >> 32 & 255] ^ crc32c_table[2][w >> 40 & 255] ^
		    crc32c_table[1][w >> 48 & 255] ^ crc32c_table[0][w >> 56];
		p += 8;
		n -= 8;
	}
	while (n--)
		c = crc32c_table[0][(c ^ *p++) & 255] ^ (c >> 8);
	return c;
}

#ifdef __x86_64__
/* The processor's own instruction for this polynomial. */
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(
    uint32_t c, const uint8_t *p, size_t n)
{
	uint64_t wide = c;

	for (; n >= 8; p += 8, n -= 8) {
		uint64_t w;

		memcpy(&w, p, 8);
		wide = __builtin_ia32_crc32di(wide, w);
	}
	c = (uint32_t)wide;
	while (n--)
		c = __builtin_ia32_crc32qi(c, *p++);
	return c;
}

static bool has_sse42(void)
{
	return __builtin_cpu_supports("sse4.2");
}
#else
static uint32_t crc32c_sse42(uint32_t c, const uint8_t *p, size_t n)
{
	return crc32c_tables(c, p, n);
}

static bool has_sse42(void)
{
	return false;
}
#endif

uint32_t bh_crc32c(uint32_t crc, const void *data, size_t n)
{
	return ~(has_sse42() ? crc32c_sse42(~crc, data, n) : crc32c_tables(~crc, data, n));
}

uint32_t bh_crc32c_plain(uint32_t crc, const void *data, size_t n)
{
	return ~crc32c_tables(~crc, data, n);
}

uint64_t bh_crc64(uint64_t crc, const void *data, size_t n)
{
	const uint8_t *p = data;
	uint64_t c = ~crc;

	while (n--)
		c = crc64_table[(c ^ *p++) & 255] ^ (c >> 8);
	return ~c;
}
