/* Bodies of spooled payloads while their answers are awaited: what was sent whole leaves memory,
 * and comes back out of the spool when it has to be sent again, cut, or kept for the quarantine. */
#include <stdlib.h>

#include "forwarder/custody_internal.h"

#define COMPONENT "delivery"

/* Its row can give the body back, and nobody reads the one in memory. */
void bh_custody_rest(struct bh_custody *c, struct bh_payload *p)
{
	struct bh_content *content = p->content;

	if (!p->row || !p->uploaded || p->resting)
		return;
	p->resting = true;
	content->resting++;
	if (content->resting == content->holders)
		bh_content_let_go(&c->contents, content);
}

void bh_custody_wake(struct bh_payload *p)
{
	p->content->resting -= p->resting;
	p->uploaded = p->resting = false;
}

int bh_custody_bring_back(struct bh_custody *c, struct bh_content *content)
{
	struct bh_spool_row row;
	void *block = NULL;
	int rc;

	if (!content->gone)
		return 0;
	rc = bh_store_load(c->cfg.store, content->ord, &row, &block);
	if (rc)
		free(block);
	else
		bh_content_bring_back(&c->contents, content, &row, block);
	return rc;
}

static void returned(void *ctx, void *token)
{
	struct bh_payload *p = token;

	p->uploaded = true;
	bh_custody_rest(ctx, p);
}

static bool lend(void *ctx, void *token, struct bh_str *body)
{
	struct bh_custody *c = ctx;
	struct bh_payload *p = token;
	int rc = bh_custody_bring_back(c, p->content);

	if (rc) {
		bh_log_limited(c->cfg.log, &p->dest->limit, BH_LOG_ERROR, COMPONENT,
		    "row %llu, to be sent again: %s", (unsigned long long)p->ord, bh_err_name(rc));
		return false;
	}
	bh_custody_wake(p);
	*body = bh_payload_body(p);
	return true;
}

const struct bh_http_lender bh_custody_lender = {.returned = returned, .lend = lend};
