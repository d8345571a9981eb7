/* Whatever a body is, opening it ends; and what opens comes apart into bodies that hold the same
 * items, byte for byte, in order. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "forwarder/split.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Are the items of part those of whole from `first` on? */
static void compare(const struct bh_split *whole, size_t first, size_t n, struct bh_str body)
{
	struct bh_split part;

	if (bh_split_open(&part, whole->kind, whole->encoding, body) || part.n != n)
		abort();
	for (size_t i = 0; i < n; i++) {
		const struct bh_split_item *a = &whole->items[first + i], *b = &part.items[i];

		if (a->n != b->n || a->weight != b->weight ||
		    memcmp(whole->raw.data + a->at, part.raw.data + b->at, a->n) != 0)
			abort();
	}
	bh_split_release(&part);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bh_buf part = BH_BUF_INIT;
	struct bh_split s;
	enum bh_kind kind;
	enum bh_encoding encoding;
	size_t half;

	if (size < 2)
		return 0;
	kind = (enum bh_kind)(data[0] % BH_KIND__END);
	encoding = (enum bh_encoding)(data[1] % (2 * BH_ENC__N));
	if (encoding >= BH_ENC__N)
		encoding = BH_ENC_IDENTITY; /* more often than the others: it reaches the walk */
	if (bh_split_open(&s, kind, encoding, (struct bh_str){(const char *)data + 2, size - 2}))
		return 0;
	half = s.n / 2;
	if (kind != BH_KIND_METADATA) {
		if (half) {
			if (bh_split_part(&s, 0, half, &part))
				abort();
			compare(&s, 0, half, bh_buf_view(&part));
		}
		if (bh_split_part(&s, half, s.n - half, &part))
			abort();
		compare(&s, half, s.n - half, bh_buf_view(&part));
	}
	bh_split_release(&s);
	bh_buf_release(&part);
	return 0;
}
