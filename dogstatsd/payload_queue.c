#include "dogstatsd/payload_queue.h"

#include <stdlib.h>

void bh_payload_queue_init(struct bh_payload_queue *q, size_t max_bytes)
{
	*q = (struct bh_payload_queue){.max_bytes = max_bytes};
}

void bh_payload_queue_release(struct bh_payload_queue *q)
{
	struct bh_payload *p;

	while ((p = bh_payload_queue_pop(q)))
		free(p);
}

struct bh_payload *bh_payload_queue_pop(struct bh_payload_queue *q)
{
	struct bh_payload *p = q->head;

	if (!p)
		return NULL;
	q->head = p->next;
	if (!q->head)
		q->tail = NULL;
	p->next = NULL;
	q->bytes -= p->len;
	q->items -= p->items;
	return p;
}

uint64_t bh_payload_queue_push(struct bh_payload_queue *q, struct bh_payload *p)
{
	uint64_t dropped = 0;

	while (q->head && q->bytes + p->len > q->max_bytes) {
		struct bh_payload *oldest = bh_payload_queue_pop(q);

		dropped += oldest->items;
		free(oldest);
	}
	p->next = NULL;
	if (q->tail)
		q->tail->next = p;
	else
		q->head = p;
	q->tail = p;
	q->bytes += p->len;
	q->items += p->items;
	return dropped;
}
