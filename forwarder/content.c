#include "forwarder/content.h"

#include <stdlib.h>
#include <string.h>

void bh_content_insert(struct bh_contents *l, struct bh_content *c)
{
	c->prev = l->tail;
	c->next = NULL;
	if (l->tail)
		l->tail->next = c;
	else
		l->head = c;
	l->tail = c;
	if (c->claimed)
		l->claimed_bytes += c->body.n;
}

struct bh_content *bh_content_find(const struct bh_contents *l, uint64_t ord)
{
	struct bh_content *c = l->head;

	while (c && c->ord != ord)
		c = c->next;
	return c;
}

void bh_content_release(struct bh_contents *l, struct bh_content *c)
{
	if (!c || --c->holders > 0)
		return;
	if (c->claimed)
		l->claimed_bytes -= c->body.n;
	if (c->prev)
		c->prev->next = c->next;
	else
		l->head = c->next;
	if (c->next)
		c->next->prev = c->prev;
	else
		l->tail = c->prev;
	bh_ipc_msg_free(c->msg);
	free(c->block);
	free(c);
}

void bh_content_let_go(struct bh_contents *l, struct bh_content *c)
{
	char *origins = malloc(c->origins.n + 1);

	if (!origins)
		return;
	if (c->origins.n)
		memcpy(origins, c->origins.p, c->origins.n);
	if (c->claimed)
		l->claimed_bytes -= c->body.n;
	bh_ipc_msg_free(c->msg);
	free(c->block);
	c->msg = NULL;
	c->block = origins;
	c->origins.p = origins;
	c->body.p = NULL;
	c->claimed = false;
	c->gone = true;
}

void bh_content_bring_back(
    struct bh_contents *l, struct bh_content *c, const struct bh_spool_row *row, void *block)
{
	free(c->block);
	c->block = block;
	c->origins = row->origins;
	c->body = row->body;
	c->claimed = true;
	c->gone = false;
	l->claimed_bytes += c->body.n;
}

void bh_content_touch(
    struct bh_content *c, bool reliable, bool was_row, enum bh_content_change change)
{
	c->touched = true;
	c->proving += reliable && !was_row;
	c->ending += reliable && change != BH_CONTENT_ROW;
	c->taking |= reliable && change == BH_CONTENT_TAKEN;
}

bool bh_content_lags(const struct bh_content *c)
{
	return c->unproven > 0 && c->ended > 0;
}

bool bh_content_proven(const struct bh_content *c)
{
	return c->unproven <= c->proving;
}

enum bh_part_level bh_content_level(const struct bh_content *c, unsigned owers)
{
	if (!bh_content_proven(c))
		return BH_PART_OPEN;
	if (owers == 0)
		return BH_PART_COMPLETE;
	return c->taken || c->taking ? BH_PART_DELIVERED : BH_PART_DURABLE;
}

void bh_content_committed(struct bh_content *c)
{
	c->unproven -= BH_MIN(c->unproven, c->proving);
	c->taken |= c->taking;
	c->ended += c->ending;
	bh_content_undo(c);
}

void bh_content_undo(struct bh_content *c)
{
	c->touched = c->taking = false;
	c->proving = c->ending = 0;
}
