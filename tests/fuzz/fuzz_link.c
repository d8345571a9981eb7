/* Whatever decodes must encode, and encode to the same bytes; its origins are read to their end. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/crc.h"
#include "proto/link.h"
#include "proto/origin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_origins(struct bh_str set)
{
	struct bh_origins_reader r;
	struct bh_buf again = BH_BUF_INIT;
	struct bh_origin o;

	if (bh_origins_begin(&r, set.p, set.n) == 0) {
		while (bh_origins_next(&r, &o) == 1) {
			struct bh_origin back;

			bh_buf_clear(&again);
			if (bh_origin_encode(&o, &again) || again.len > 4 + BH_ORIGIN_RECORD_MAX)
				abort();
			if (bh_origin_decode(
				(struct bh_str){again.data + 4, again.len - 4}, &back) ||
			    back.state != o.state || !bh_str_eq(back.identifier, o.identifier))
				abort();
			(void)bh_origin_is_source(o.identifier, NULL);
		}
	}
	bh_buf_release(&again);
}

/* The same bytes under a right checksum: what is refused may still have origins. */
static void decode_checked(const uint8_t *data, size_t size)
{
	struct bh_link_msg m;
	uint32_t crc;
	uint8_t *p;

	if (size < sizeof(crc) || !(p = malloc(size)))
		return;
	memcpy(p, data, size);
	crc = bh_crc32c(0, p, size - sizeof(crc));
	memcpy(p + size - sizeof(crc), &crc, sizeof(crc));
	(void)bh_link_decode(p, size, &m);
	if (m.head.type == BH_LINK_DATA)
		read_origins(m.u.data.origins);
	free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bh_buf out = BH_BUF_INIT;
	struct bh_link_msg m;

	/* The payload of an input is also tried as a set of origins by itself: the checksum of DATA
	 * would keep most of them out. */
	read_origins((struct bh_str){(const char *)data, size});
	decode_checked(data, size);
	if (bh_link_decode(data, size, &m) == 0) {
		if (bh_link_encode(&m, &out) || out.len != size ||
		    memcmp(out.data, data, size) != 0)
			abort();
		if (m.head.type == BH_LINK_DATA)
			read_origins(m.u.data.origins);
		else if (m.head.type == BH_LINK_RESUME)
			read_origins(m.u.resume.rows);
	}
	bh_buf_release(&out);
	return 0;
}
