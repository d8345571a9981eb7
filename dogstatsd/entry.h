/*
 * The frame that series and sketches share: one entry of field 1 of the payload message, whose
 * length is known only behind its content. Room for the frame is left in front.
 */
#ifndef BH_DOGSTATSD_ENTRY_H
#define BH_DOGSTATSD_ENTRY_H

#include "common/attrs.h"
#include "common/buf.h"
#include "dogstatsd/pbwriter.h"

#define BH_ENTRY_HEAD (1 + BH_PB_VARINT_MAX)

/* Clears scratch and makes room for `bound` bytes of content at *start. 0, -ENOMEM or BH_E_LIMIT.
 */
static inline int bh_entry_begin(struct bh_buf *scratch, size_t bound, uint8_t **start)
{
	int rc;

	bh_buf_clear(scratch);
	rc = bh_buf_reserve(scratch, BH_ENTRY_HEAD + bound);
	if (rc == 0)
		*start = (uint8_t *)scratch->data + BH_ENTRY_HEAD;
	return rc;
}

/* The content is start..end: returns the entry with its frame, borrowed from scratch. */
static inline struct bh_str bh_entry_end(struct bh_buf *scratch, uint8_t *start, uint8_t *end)
{
	size_t n = (size_t)(end - start);
	uint8_t *head = start - 1 - bh_pb_varint_size(n);

	(void)bh_pb_varint(bh_pb_tag(head, 1, BH_PB_BYTES), n);
	scratch->len = (size_t)(end - (uint8_t *)scratch->data);
	return (struct bh_str){(const char *)head, (size_t)(end - head)};
}

/* Metadata { Origin { product 10, category } }: at most 8 bytes. */
static inline uint8_t *bh_entry_metadata(uint8_t *w, unsigned field, uint32_t category)
{
	size_t origin = category ? 4 : 2;

	w = bh_pb_varint(bh_pb_tag(w, field, BH_PB_BYTES), origin + 2);
	w = bh_pb_varint(bh_pb_tag(w, 1, BH_PB_BYTES), origin);
	w = bh_pb_u64(w, 4, 10);
	return category ? bh_pb_u64(w, 5, category) : w;
}

#endif
