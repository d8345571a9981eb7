#include "forwarder/dest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "forwarder/urls.h"

#define CUT_BYTES ((uint64_t)32 << 20) /* of bodies unpacked to be sent in parts */

#define LIVE_IN_A_ROW 3 /* before a row has its turn */

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
	return d->cut_bytes == 0 || d->cut_bytes + p->content->raw_len <= CUT_BYTES;
}

static bool ready(const struct bh_dest *d, const struct bh_payload *p)
{
	if (p->sending || p->settled)
		return false;
	return !p->too_large || p->cut || bh_dest_may_cut(d, p);
}

/* Rows that were not claimed yet are older than anything in memory that is not a row. */
static bool is_behind_rows(const struct bh_dest *d, const struct bh_payload *p)
{
	return !p->row && d->rows > d->active_rows;
}

/* What is live goes first, but a row has a turn now and then: the spool does not starve. */
static struct bh_payload *newest(const struct bh_dest *d)
{
	struct bh_payload *found = NULL;

	for (struct bh_payload *p = d->tail; p; p = p->prev) {
		if (!ready(d, p))
			continue;
		if (d->live_n < BH_DEST_LIVE_RUN || p->row)
			return p;
		if (!found)
			found = p;
	}
	return found;
}

struct bh_payload *bh_dest_next(const struct bh_dest *d)
{
	unsigned open = 0;

	if (d->sending_n >= d->pace.slots)
		return NULL;
	if (d->newest_first)
		return newest(d);
	/* The window counts from the oldest open one: what a crash may repeat stays within it. */
	for (struct bh_payload *p = d->head; p && open < d->pace.slots; p = p->next) {
		if (is_behind_rows(d, p))
			return NULL;
		if (ready(d, p))
			return p;
		open += !p->settled;
	}
	return NULL;
}

/* Those that were answered wait for the next commit only: they keep nobody from his place. */
static unsigned open_rows(const struct bh_dest *d)
{
	unsigned n = 0;

	for (const struct bh_payload *p = d->head; p; p = p->next)
		n += p->row && !p->settled;
	return n;
}

bool bh_dest_wants_claim(const struct bh_dest *d, uint64_t claimed_bytes)
{
	if (d->rows <= d->active_rows || open_rows(d) >= d->pace.slots)
		return false;
	return d->active_rows == 0 || claimed_bytes < BH_DEST_CLAIMS_MAX;
}

bool bh_dest_owes_a_turn(const struct bh_dest *d)
{
	return d->newest_first && d->live_n >= BH_DEST_LIVE_RUN && d->rows > d->active_rows;
}

bool bh_dest_has_place(const struct bh_dest *d, size_t body)
{
	unsigned waiting = d->active_n - d->sending_n;

	return waiting == 0 || (waiting < d->queue_max && d->mem_bytes + body <= BH_DEST_QUEUE_MAX);
}

bool bh_dest_rests(const struct bh_dest *d, int64_t now_ns)
{
	switch (d->backoff.state) {
	case BH_BREAKER_OPEN:
		return false;
	case BH_BREAKER_BLOCKED:
		return now_ns < d->backoff.until_ns;
	case BH_BREAKER_PROBING:
		return d->sending_n > 0;
	}
	return false;
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
	bool worker = d->worker_url && bh_url_is_workers(kind);
	const char *path = bh_url_path(kind), *base = worker ? d->worker_url : d->url;
	int n = (int)strlen(base);

	while (worker && n && base[n - 1] == '/')
		n--;
	n = snprintf(out, cap, "%.*s%s", n, base, path ? path : "");

	return n < 0 || (size_t)n >= cap ? -ENAMETOOLONG : 0;
}
