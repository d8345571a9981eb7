/*
 * Payloads that wait for credit on the link: first in, first out, bounded in bytes. When a new one
 * would pass the bound the oldest go, because old metrics are worth least (DESIGN.md §3).
 */
#ifndef BH_DOGSTATSD_PAYLOAD_QUEUE_H
#define BH_DOGSTATSD_PAYLOAD_QUEUE_H

#include "dogstatsd/payload.h"

struct bh_payload_queue {
	struct bh_payload *head, *tail;
	size_t bytes; /* bodies */
	size_t max_bytes;
	uint64_t items;
};

void bh_payload_queue_init(struct bh_payload_queue *q, size_t max_bytes);
void bh_payload_queue_release(struct bh_payload_queue *q);

/* Takes p. Returns the items that had to go for it. The newest payload always stays. */
uint64_t bh_payload_queue_push(struct bh_payload_queue *q, struct bh_payload *p);
/* Takes the oldest out; NULL when empty. The caller frees it. */
struct bh_payload *bh_payload_queue_pop(struct bh_payload_queue *q);

#endif
