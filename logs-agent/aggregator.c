#include "logs-agent/aggregator.h"

#include <errno.h>

#include "logs-agent/agg_internal.h"
#include "logs-agent/trim.h"

/* --- what a source asks for ----------------------------------------------------------------- */

static int compile_pattern(
    struct bh_aggregation *s, const struct bh_aggregation_options *o, struct bh_err *err)
{
	struct bh_buf text = BH_BUF_INIT;
	int rc;

	/* Textually, whatever it does to the first of several alternatives (§7.3). */
	(void)bh_buf_str(&text, "^");
	rc = bh_buf_append(&text, o->regex.p, o->regex.n);
	if (!rc)
		rc = bh_pattern_new(&s->pattern, bh_buf_view(&text), o->match_limit, err);
	bh_buf_release(&text);
	return rc;
}

int bh_aggregation_init(struct bh_aggregation *s, const struct bh_aggregation_options *o,
    bh_sample_fault_fn *fault, void *fault_ctx, struct bh_err *err)
{
	struct bh_label_options label = o->label;

	*s = (struct bh_aggregation){
	    .kind = o->kind,
	    .limit = o->limit,
	    .tag_truncated = o->tag_truncated,
	    .tag_multi_line = o->tag_multi_line,
	    .json = o->json,
	    .tag_json = o->tag_json,
	};
	if (o->kind == BH_AGGREGATE_SINGLE)
		return 0;
	if (o->kind == BH_AGGREGATE_REGEX)
		return compile_pattern(s, o, err);
	label.match_limit = o->match_limit;
	return bh_labeler_init(&s->labeler, &label, fault, fault_ctx);
}

void bh_aggregation_release(struct bh_aggregation *s)
{
	bh_pattern_free(s->pattern);
	bh_labeler_release(&s->labeler);
	s->pattern = NULL;
}

int bh_aggregator_work_init(struct bh_aggregator_work *w)
{
	*w = (struct bh_aggregator_work){.marked = BH_BUF_INIT};
	return bh_pattern_scratch_new(&w->scratch);
}

void bh_aggregator_work_release(struct bh_aggregator_work *w)
{
	bh_pattern_scratch_free(w->scratch);
	bh_buf_release(&w->marked);
	bh_spares_release(&w->spares);
	w->scratch = NULL;
}

/* --- what the kinds share ------------------------------------------------------------------- */

int bh_agg_emit(struct bh_aggregator *a, const struct bh_message *m)
{
	a->pending -= m->raw;
	return a->fn(a->ctx, m);
}

enum bh_line_label bh_agg_label(struct bh_aggregator *a, struct bh_str content)
{
	return bh_labeler_label(
	    &a->shared->labeler, a->work->scratch, content, &a->regex_limit_hits);
}

int bh_agg_mark(struct bh_aggregator *a, bool was, unsigned tag, struct bh_message *m)
{
	struct bh_buf *b = &a->work->marked;

	if (!was && !a->carry)
		return 0;
	m->cut = true;
	if (a->shared->tag_truncated)
		m->tags |= tag;
	bh_buf_clear(b);
	if (was)
		(void)bh_buf_str(b, BH_TRUNCATED);
	(void)bh_buf_append(b, m->content.p, m->content.n);
	if (a->carry)
		(void)bh_buf_str(b, BH_TRUNCATED);
	m->content = bh_buf_view(b);
	return bh_buf_failed(b);
}

int bh_agg_single(struct bh_aggregator *a, const struct bh_held_line *l, struct bh_message *m)
{
	const struct bh_line *line = &l->line;
	const bool was = a->carry;

	a->carry = line->cut || line->content.n > a->shared->limit;
	*m = (struct bh_message){
	    .content = bh_trim(line->content),
	    .raw = line->raw,
	    .status = line->status,
	    .tags = l->tags,
	};
	return bh_agg_mark(a, was, BH_TAG_TRUNCATED_SINGLE, m);
}

/* --- §7.2 ----------------------------------------------------------------------------------- */

static int single_line(struct bh_aggregator *a, const struct bh_line *line)
{
	struct bh_message m;
	int rc = bh_agg_single(a, &(struct bh_held_line){*line, 0}, &m);

	return rc ? rc : bh_agg_emit(a, &m);
}

static int single_flush(struct bh_aggregator *a)
{
	(void)a; /* never holds a line */
	return 0;
}

/* --- one tailer ----------------------------------------------------------------------------- */

static int auto_flush(struct bh_aggregator *a)
{
	int rc = bh_agg_json_flush(a);

	return rc ? rc : bh_agg_combine_flush(a);
}

static const struct kind {
	int (*line)(struct bh_aggregator *a, const struct bh_line *line);
	int (*flush)(struct bh_aggregator *a);
} kinds[BH_AGGREGATE__N] = {
    [BH_AGGREGATE_SINGLE] = {single_line, single_flush},
    [BH_AGGREGATE_REGEX] = {bh_agg_regex_line, bh_agg_regex_flush},
    [BH_AGGREGATE_AUTO] = {bh_agg_json_line, auto_flush},
    [BH_AGGREGATE_DETECT] = {bh_agg_detect_line, bh_agg_detect_flush},
};

void bh_aggregator_init(struct bh_aggregator *a, const struct bh_aggregation *shared,
    struct bh_aggregator_work *work, bh_message_fn *fn, void *ctx)
{
	*a = (struct bh_aggregator){.shared = shared, .work = work, .fn = fn, .ctx = ctx};
}

void bh_aggregator_release(struct bh_aggregator *a)
{
	bh_held_clear(&a->group, &a->work->spares);
	bh_held_clear(&a->json, &a->work->spares);
	a->pending = 0;
}

/* The marker buffer is empty again; one that a cut line of the full limit made large is freed. */
static int done(struct bh_aggregator *a, int rc)
{
	if (a->work->marked.cap > BH_SPARE_SIZE)
		bh_buf_release(&a->work->marked);
	a->failed = rc;
	return rc;
}

int bh_aggregator_line(struct bh_aggregator *a, const struct bh_line *line)
{
	a->pending += line->raw;
	return a->failed ? a->failed : done(a, kinds[a->shared->kind].line(a, line));
}

int bh_aggregator_flush(struct bh_aggregator *a)
{
	return a->failed ? a->failed : done(a, kinds[a->shared->kind].flush(a));
}
