/* Lines are joined by their labels (spec/logs.md §8.5). */
#include "logs-agent/agg_internal.h"
#include "logs-agent/trim.h"

/* Emits m, whose content is a joined text of `len` bytes, not yet trimmed; cut: its last line was.
 */
static int emit_joined(struct bh_aggregator *a, struct bh_message *m, size_t lines, bool cut)
{
	const bool was = a->carry;
	int rc;

	a->carry = cut || m->content.n >= a->shared->limit;
	m->content = bh_trim(m->content);
	if (lines > 1 && a->shared->tag_multi_line)
		m->tags |= BH_TAG_MULTILINE_AUTO;
	rc = bh_agg_mark(a, was, lines > 1 ? BH_TAG_TRUNCATED_AUTO : BH_TAG_TRUNCATED_SINGLE, m);
	return rc ? rc : bh_agg_emit(a, m);
}

/* A line that belongs to no group; the bucket is empty. */
static int alone(struct bh_aggregator *a, const struct bh_held_line *l)
{
	struct bh_message m = {
	    .content = l->line.content,
	    .raw = l->line.raw,
	    .status = l->line.status,
	    .tags = l->tags,
	};

	return emit_joined(a, &m, 1, l->line.cut);
}

int bh_agg_combine_flush(struct bh_aggregator *a)
{
	struct bh_held *g = &a->group;
	struct bh_held_walk w = bh_held_walk(g, BH_JOINT.n);
	struct bh_message m = {.content = bh_buf_view(&g->text), .raw = g->raw};
	struct bh_held_line l;
	bool cut = false;
	int rc;

	if (!g->lines)
		return 0;
	for (size_t i = 0; bh_held_next(&w, &l); i++) {
		if (i == 0)
			m.status = l.line.status;
		m.tags |= l.tags;
		cut = l.line.cut;
	}
	rc = emit_joined(a, &m, g->lines, cut);
	bh_held_clear(g, &a->work->spares);
	return rc;
}

static int emit_single(struct bh_aggregator *a, const struct bh_held_line *l)
{
	struct bh_message m;
	int rc = bh_agg_single(a, l, &m);

	return rc ? rc : bh_agg_emit(a, &m);
}

/* The group would be too long with this line: all of it goes out as §7.2 would have it. */
static int dissolve(struct bh_aggregator *a, const struct bh_held_line *last)
{
	struct bh_held_walk w = bh_held_walk(&a->group, BH_JOINT.n);
	struct bh_held_line l;
	int rc = 0;

	while (!rc && bh_held_next(&w, &l))
		rc = emit_single(a, &l);
	bh_held_clear(&a->group, &a->work->spares);
	return rc ? rc : emit_single(a, last);
}

static int hold(struct bh_aggregator *a, const struct bh_held_line *l)
{
	return bh_held_add(&a->group, &a->work->spares, BH_JOINT, l);
}

static int start_group(struct bh_aggregator *a, const struct bh_held_line *l)
{
	int rc = bh_agg_combine_flush(a);

	if (rc)
		return rc;
	return l->line.raw >= a->shared->limit ? alone(a, l) : hold(a, l);
}

static int continue_group(struct bh_aggregator *a, const struct bh_held_line *l)
{
	const struct bh_held *g = &a->group;

	if (!g->lines)
		return alone(a, l);
	if (g->text.len + BH_JOINT.n + l->line.content.n >= a->shared->limit)
		return dissolve(a, l);
	return hold(a, l);
}

static int stand_alone(struct bh_aggregator *a, const struct bh_held_line *l)
{
	int rc = bh_agg_combine_flush(a);

	a->carry = false;
	return rc ? rc : alone(a, l);
}

int bh_agg_combine_line(struct bh_aggregator *a, const struct bh_held_line *l)
{
	switch (bh_agg_label(a, l->line.content)) {
	case BH_LABEL_START_GROUP:
		return start_group(a, l);
	case BH_LABEL_NO_AGGREGATE:
		return stand_alone(a, l);
	case BH_LABEL_AGGREGATE:
	default:
		return continue_group(a, l);
	}
}
