#include "dogstatsd/hosttags.h"

#include <string.h>

#include "common/err.h"
#include "dogstatsd/pbwriter.h"

int bh_host_tags_init(struct bh_host_tags *h, const struct bh_strlist *tags, int64_t until_ns)
{
	*h = (struct bh_host_tags){.packed = BH_BUF_INIT, .until_ns = until_ns};
	for (size_t i = 0; i < tags->n; i++) {
		struct bh_str tag = bh_str_from(tags->v[i]);
		uint8_t head[BH_PB_VARINT_MAX];

		(void)bh_buf_append(&h->packed, head, (size_t)(bh_pb_varint(head, tag.n) - head));
		(void)bh_buf_append(&h->packed, tag.p, tag.n);
	}
	if (bh_buf_failed(&h->packed))
		return bh_buf_failed(&h->packed);
	if (h->packed.len > BH_TAGS_BYTES_MAX)
		return BH_E_LIMIT;
	h->list = bh_tags_from_packed(bh_buf_view(&h->packed));
	return 0;
}

void bh_host_tags_release(struct bh_host_tags *h)
{
	bh_buf_release(&h->packed);
	h->list = (struct bh_tags){.n = 0};
}
