/*
 * Objects that are printed over several lines become one line (spec/logs.md §8.4). What is held is
 * valid so far: a.scan has seen it all. Whatever ends the wait otherwise lets the lines go on as
 * they came.
 */
#include "logs-agent/agg_internal.h"

static const struct bh_str no_joint = {"", 0};

/* White space as in JSON: a line that begins with any other byte cannot be an object. */
static bool begins_object(struct bh_str s)
{
	size_t i = 0;

	while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\t' || s.p[i] == '\n' || s.p[i] == '\r'))
		i++;
	return i < s.n && s.p[i] == '{';
}

/* The lines held go on, one by one. */
int bh_agg_json_flush(struct bh_aggregator *a)
{
	struct bh_held_walk w = bh_held_walk(&a->json, no_joint.n);
	struct bh_held_line l;
	int rc = 0;

	while (!rc && bh_held_next(&w, &l))
		rc = bh_agg_combine_line(a, &l);
	bh_held_clear(&a->json, &a->work->spares);
	return rc;
}

static int hold(struct bh_aggregator *a, const struct bh_line *line)
{
	return bh_held_add(&a->json, &a->work->spares, no_joint, &(struct bh_held_line){*line, 0});
}

/* The line completes the object. */
static int complete(struct bh_aggregator *a, const struct bh_line *line)
{
	struct bh_held *h = &a->json;
	struct bh_held_line whole = {.line = *line};
	int rc = hold(a, line);

	if (rc)
		return rc;
	whole.line.content =
	    (struct bh_str){h->text.data, bh_json_compact(h->text.data, h->text.len)};
	whole.line.raw = h->raw;
	whole.tags = a->shared->tag_json ? BH_TAG_AGGREGATED_JSON : 0;
	rc = bh_agg_combine_line(a, &whole);
	bh_held_clear(h, &a->work->spares);
	return rc;
}

static int first_line(struct bh_aggregator *a, const struct bh_line *line)
{
	/* An array can never become an object, valid or not it passes. */
	if (begins_object(line->content) && line->raw <= a->shared->limit) {
		bh_json_pieces_init(&a->scan);
		if (bh_json_pieces_feed(&a->scan, line->content) == BH_JSON_INCOMPLETE)
			return hold(a, line);
	}
	return bh_agg_combine_line(a, &(struct bh_held_line){*line, 0});
}

int bh_agg_json_line(struct bh_aggregator *a, const struct bh_line *line)
{
	enum bh_json_verdict verdict = BH_JSON_INVALID;
	int rc;

	if (!a->shared->json)
		return bh_agg_combine_line(a, &(struct bh_held_line){*line, 0});
	if (!a->json.lines)
		return first_line(a, line);
	if (a->json.raw + line->raw <= a->shared->limit)
		verdict = bh_json_pieces_feed(&a->scan, line->content);
	if (verdict == BH_JSON_INCOMPLETE)
		return hold(a, line);
	if (verdict == BH_JSON_COMPLETE)
		return complete(a, line);
	rc = bh_agg_json_flush(a);
	return rc ? rc : bh_agg_combine_line(a, &(struct bh_held_line){*line, 0});
}
