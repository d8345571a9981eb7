/*
 * Lines are joined until one matches (spec/logs.md §7.3). The group is one text with its markers in
 * it; its lines are never taken apart again, so of a struct bh_held only the text, the number of
 * lines and the sum are used.
 */
#include "logs-agent/agg_internal.h"
#include "logs-agent/trim.h"

/* Emits the group, if there is one; in any case the next line does not continue a cut one. */
static int emit_group(struct bh_aggregator *a)
{
	const struct bh_aggregation *s = a->shared;
	struct bh_held *g = &a->group;
	struct bh_message m = {
	    .content = bh_trim(bh_buf_view(&g->text)),
	    .raw = g->raw,
	    .status = a->status,
	    .cut = a->cut,
	};
	int rc = 0;

	if (a->cut && s->tag_truncated)
		m.tags |= BH_TAG_TRUNCATED_REGEX;
	if (g->lines > 1 && s->tag_multi_line)
		m.tags |= BH_TAG_MULTILINE_REGEX;
	if (m.content.n || m.raw)
		rc = bh_agg_emit(a, &m);
	bh_held_clear(g, &a->work->spares);
	a->carry = false;
	a->cut = false;
	return rc;
}

static bool matches(struct bh_aggregator *a, struct bh_str content)
{
	enum bh_match m = bh_pattern_find(a->shared->pattern, a->work->scratch, content);

	a->regex_limit_hits += m == BH_MATCH_LIMIT;
	return m == BH_MATCH_YES;
}

/* Steps 2 to 5: the line joins the group. */
static int add(struct bh_aggregator *a, const struct bh_line *line)
{
	const bool was = a->carry;
	struct bh_held *g = &a->group;
	struct bh_buf *text = &g->text;

	a->carry = false;
	bh_spares_take(&a->work->spares, text);
	g->raw += line->raw;
	g->lines++;
	a->status = line->status;
	if (text->len)
		(void)bh_buf_append(text, BH_JOINT.p, BH_JOINT.n);
	if (was) {
		(void)bh_buf_str(text, BH_TRUNCATED);
		a->cut = true;
	}
	(void)bh_buf_append(text, line->content.p, line->content.n);
	return bh_buf_failed(text);
}

int bh_agg_regex_line(struct bh_aggregator *a, const struct bh_line *line)
{
	int rc = 0;

	if (matches(a, line->content)) {
		a->once = true;
		rc = emit_group(a);
	} else if (!a->once) {
		rc = emit_group(a);
	}
	if (!rc)
		rc = add(a, line);
	if (rc || a->group.text.len < a->shared->limit)
		return rc;
	rc = bh_buf_str(&a->group.text, BH_TRUNCATED);
	if (rc)
		return rc;
	a->cut = true;
	rc = emit_group(a);
	a->carry = true;
	return rc;
}

int bh_agg_regex_flush(struct bh_aggregator *a)
{
	return a->group.lines ? emit_group(a) : 0;
}
