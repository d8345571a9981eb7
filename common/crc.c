#include "common/crc.h"

#include <string.h>

#include "common/crc_tables.h"

uint32_t bh_crc32c(uint32_t crc, const void *data, size_t n)
{
	const uint8_t *p = data;
	uint32_t c = ~crc;

	/* Eight table look-ups for eight bytes: bodies are megabytes, this runs for each of them.
	 */
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
	return ~c;
}

uint64_t bh_crc64(uint64_t crc, const void *data, size_t n)
{
	const uint8_t *p = data;
	uint64_t c = ~crc;

	while (n--)
		c = crc64_table[(c ^ *p++) & 255] ^ (c >> 8);
	return ~c;
}
