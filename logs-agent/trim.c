#include "logs-agent/trim.h"

#include <stdbool.h>

/* Length of the white space at the start of s (0 = none), by §6.5. */
static size_t space_at(const unsigned char *p, size_t n)
{
	if (n >= 1 && ((p[0] >= 0x09 && p[0] <= 0x0d) || p[0] == 0x20))
		return 1;
	if (n >= 2 && p[0] == 0xc2 && (p[1] == 0x85 || p[1] == 0xa0))
		return 2;
	if (n < 3)
		return 0;
	if (p[0] == 0xe1 && p[1] == 0x9a && p[2] == 0x80)
		return 3; /* U+1680 */
	if (p[0] == 0xe2 && p[1] == 0x80 &&
	    (p[2] <= 0x8a || p[2] == 0xa8 || p[2] == 0xa9 || p[2] == 0xaf))
		return 3; /* U+2000–U+200A, U+2028, U+2029, U+202F */
	if (p[0] == 0xe2 && p[1] == 0x81 && p[2] == 0x9f)
		return 3; /* U+205F */
	if (p[0] == 0xe3 && p[1] == 0x80 && p[2] == 0x80)
		return 3; /* U+3000 */
	return 0;
}

struct bh_str bh_trim(struct bh_str s)
{
	size_t n;

	while ((n = space_at((const unsigned char *)s.p, s.n)) > 0) {
		s.p += n;
		s.n -= n;
	}
	for (bool more = true; more && s.n;) {
		more = false;
		for (size_t k = 1; k <= 3 && k <= s.n && !more; k++) {
			if (space_at((const unsigned char *)s.p + s.n - k, k) == k) {
				s.n -= k;
				more = true;
			}
		}
	}
	return s;
}
