#include "forwarder/cut.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"

static struct bh_cut_range *top(struct bh_cut *c)
{
	return &c->left[c->left_n - 1];
}

static void done_with_top(struct bh_cut *c)
{
	c->left_n--;
	c->requests++;
	c->made = false;
}

int bh_cut_new(
    struct bh_cut **out, enum bh_kind kind, enum bh_encoding encoding, struct bh_str body)
{
	struct bh_cut *c = calloc(1, sizeof(*c));
	int rc = c ? bh_split_open(&c->split, kind, encoding, body) : -ENOMEM;

	if (rc) {
		free(c);
		return rc;
	}
	c->refused_items = calloc(c->split.n, 1);
	if (!c->refused_items) {
		bh_cut_free(c);
		return -ENOMEM;
	}
	c->left[0] = (struct bh_cut_range){0, (uint32_t)c->split.n, 0};
	c->left_n = 1;
	if (!bh_cut_again(c)) {
		bh_cut_free(c);
		return BH_E_LIMIT;
	}
	*out = c;
	return 0;
}

void bh_cut_free(struct bh_cut *c)
{
	if (!c)
		return;
	bh_split_release(&c->split);
	bh_buf_release(&c->part);
	free(c->refused_items);
	free(c);
}

uint64_t bh_cut_bytes(const struct bh_cut *c)
{
	return c->split.raw.cap + c->split.cap * sizeof(*c->split.items) + c->part.cap;
}

bool bh_cut_done(const struct bh_cut *c)
{
	return c->left_n == 0;
}

int bh_cut_body(struct bh_cut *c, struct bh_str *body)
{
	if (!c->made) {
		int rc = bh_split_part(&c->split, top(c)->first, top(c)->n, &c->part);

		if (rc)
			return rc;
		c->made = true;
	}
	*body = bh_buf_view(&c->part);
	return 0;
}

uint64_t bh_cut_weight(const struct bh_cut *c)
{
	const struct bh_cut_range *r = &c->left[c->left_n - 1];

	return bh_split_weight(&c->split, r->first, r->n);
}

void bh_cut_taken(struct bh_cut *c)
{
	c->taken += bh_cut_weight(c);
	done_with_top(c);
}

void bh_cut_lost(struct bh_cut *c, enum bh_drop reason)
{
	c->lost[reason] += bh_cut_weight(c);
	c->lost_items += bh_cut_weight(c);
	memset(c->refused_items + top(c)->first, 1, top(c)->n);
	done_with_top(c);
}

void bh_cut_give_up(struct bh_cut *c, enum bh_drop reason)
{
	c->lost[reason] += bh_cut_rest_weight(c);
	c->left_n = 0;
	c->made = false;
}

uint64_t bh_cut_lost_weight(const struct bh_cut *c)
{
	return c->lost_items;
}

int bh_cut_lost_body(const struct bh_cut *c, struct bh_buf *out)
{
	return bh_split_pick(&c->split, c->refused_items, out);
}

/* The upper half takes the place of the whole, the lower half comes on top: the stack never holds
 * more than one range of each level, and the one being cut. */
bool bh_cut_again(struct bh_cut *c)
{
	struct bh_cut_range whole = *top(c);
	uint32_t half = whole.n / 2;

	c->refused++;
	if (whole.n < 2 || whole.level == BH_CUT_LEVELS)
		return false;
	*top(c) = (struct bh_cut_range){whole.first + half, whole.n - half, whole.level + 1};
	c->left[c->left_n++] = (struct bh_cut_range){whole.first, half, whole.level + 1};
	c->made = false;
	return true;
}

/* Ranges lie behind each other: what is left is everything from the top's first item on. */
static size_t rest_first(const struct bh_cut *c)
{
	return c->left[c->left_n - 1].first;
}

int bh_cut_rest(const struct bh_cut *c, struct bh_buf *out)
{
	return bh_split_part(&c->split, rest_first(c), c->split.n - rest_first(c), out);
}

uint64_t bh_cut_rest_weight(const struct bh_cut *c)
{
	return c->left_n == 0
		   ? 0
		   : bh_split_weight(&c->split, rest_first(c), c->split.n - rest_first(c));
}
