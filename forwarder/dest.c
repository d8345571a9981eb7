#include "forwarder/dest.h"

#include <errno.h>
#include <stdio.h>

#include "forwarder/urls.h"

#define CLAIM_BYTES ((uint64_t)32 << 20) /* of bodies claimed in memory */
#define CUT_BYTES   ((uint64_t)32 << 20) /* of bodies unpacked to be sent in parts */

void bh_dest_insert(struct bh_dest *d, struct bh_payload *p)
{
	struct bh_payload *after = d->tail;

	while (after && after->ord > p->ord)
		after = after->prev;
	p->prev = after;
	p->next = after ? after->next : d->head;
	if (p->next)
		p->next->prev = p;
	else
		d->tail = p;
	if (after)
		after->next = p;
	else
		d->head = p;
	d->active_n++;
	d->active_rows += p->row;
}

void bh_dest_remove(struct bh_dest *d, struct bh_payload *p)
{
	if (p->prev)
		p->prev->next = p->next;
	else
		d->head = p->next;
	if (p->next)
		p->next->prev = p->prev;
	else
		d->tail = p->prev;
	p->prev = p->next = NULL;
	d->active_n--;
	d->active_rows -= p->row;
}

bool bh_dest_holds(void *dest, uint64_t ord)
{
	const struct bh_dest *d = dest;

	for (const struct bh_payload *p = d->head; p; p = p->next) {
		if (p->ord == ord)
			return true;
	}
	return false;
}

bool bh_dest_may_cut(const struct bh_dest *d, const struct bh_payload *p)
{
	return d->cut_bytes == 0 || d->cut_bytes + p->raw_len <= CUT_BYTES;
}

static bool ready(const struct bh_dest *d, const struct bh_payload *p)
{
	if (p->sending || p->settled)
		return false;
	return !p->too_large || p->cut || bh_dest_may_cut(d, p);
}

struct bh_payload *bh_dest_next(const struct bh_dest *d)
{
	unsigned open = 0;

	if (d->sending_n >= d->concurrency)
		return NULL;
	if (d->newest_first) {
		for (struct bh_payload *p = d->tail; p; p = p->prev) {
			if (ready(d, p))
				return p;
		}
		return NULL;
	}
	/* The window counts from the oldest open one: what a crash may repeat stays within it. */
	for (struct bh_payload *p = d->head; p && open < d->concurrency; p = p->next) {
		if (ready(d, p))
			return p;
		open += !p->settled;
	}
	return NULL;
}

bool bh_dest_wants_claim(const struct bh_dest *d)
{
	uint64_t bytes = 0;

	if (d->rows <= d->active_rows || d->active_n >= d->concurrency)
		return false;
	for (const struct bh_payload *p = d->head; p; p = p->next)
		bytes += p->row ? p->body.n : 0;
	return bytes < CLAIM_BYTES;
}

void bh_dest_want_rows(struct bh_dest *d)
{
	if (!d->spool_on)
		return;
	for (struct bh_payload *p = d->head; p; p = p->next)
		p->want_row = !p->row;
}

int bh_dest_url(const struct bh_dest *d, enum bh_kind kind, char *out, size_t cap)
{
	const char *path = bh_url_path(kind);
	int n = snprintf(out, cap, "%s%s", d->url, path ? path : "");

	return n < 0 || (size_t)n >= cap ? -ENAMETOOLONG : 0;
}
