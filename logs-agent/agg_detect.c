/*
 * Nothing is joined, but the start of what would be a group is tagged (spec/logs.md §8.6). Such a
 * line waits for its neighbour; it has been through §7.2 already, so what is held is a message.
 */
#include "logs-agent/agg_internal.h"

static int emit_waiting(struct bh_aggregator *a, unsigned tag)
{
	struct bh_held *g = &a->group;
	struct bh_held_walk w = bh_held_walk(g, 0);
	struct bh_held_line l;
	struct bh_message m;
	int rc;

	if (!bh_held_next(&w, &l))
		return 0;
	m = (struct bh_message){
	    .content = l.line.content,
	    .raw = l.line.raw,
	    .status = l.line.status,
	    .cut = l.line.cut,
	    .tags = l.tags | tag,
	};
	if (m.cut && a->shared->tag_truncated)
		m.tags |= BH_TAG_TRUNCATED_SINGLE;
	rc = bh_agg_emit(a, &m);
	bh_held_clear(g, &a->work->spares);
	return rc;
}

int bh_agg_detect_flush(struct bh_aggregator *a)
{
	return emit_waiting(a, 0);
}

int bh_agg_detect_line(struct bh_aggregator *a, const struct bh_line *line)
{
	const enum bh_line_label label = bh_agg_label(a, line->content);
	const struct bh_held_line l = {*line, 0};
	struct bh_held_line done;
	struct bh_message m;
	int rc;

	rc = emit_waiting(a, label == BH_LABEL_AGGREGATE ? BH_TAG_AUTO_DETECTED : 0);
	if (!rc)
		rc = bh_agg_single(a, &l, &m);
	if (rc)
		return rc;
	if (label != BH_LABEL_START_GROUP)
		return bh_agg_emit(a, &m);
	done = (struct bh_held_line){.line = {m.content, m.raw, m.status, m.cut}};
	return bh_held_add(&a->group, &a->work->spares, (struct bh_str){"", 0}, &done);
}
