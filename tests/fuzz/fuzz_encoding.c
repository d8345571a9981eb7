/* Any line of any encoding gives UTF-8 of a bounded length; a decoder keeps nothing of a line. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/utf8.h"
#include "logs-agent/encoding.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct bh_decoder old[4]; /* of all inputs */
	enum bh_charset c;
	struct bh_decoder fresh;
	struct bh_str in, a, b;

	if (size < 1)
		return 0;
	c = (enum bh_charset)(data[0] % 4);
	in = (struct bh_str){(const char *)data + 1, size - 1};
	if (old[c].charset != c && bh_decoder_init(&old[c], c))
		abort();
	if (bh_decoder_init(&fresh, c))
		abort();
	if (bh_decode(&old[c], in, &a) || bh_decode(&fresh, in, &b) || !bh_str_eq(a, b))
		abort();
	if (c == BH_CHARSET_UTF8 ? a.p != in.p || a.n != in.n
				 : bh_utf8_valid_prefix(a.p, a.n) != a.n || a.n > 3 * in.n)
		abort();
	bh_decoder_release(&fresh);
	return 0;
}
