#include "logs-agent/joiner.h"

#define KEEP ((size_t)16 << 10) /* of a stream's memory, for each of hundreds of files */

void bh_joiner_init(struct bh_joiner *j, size_t limit)
{
	*j = (struct bh_joiner){.limit = limit};
}

void bh_joiner_release(struct bh_joiner *j)
{
	for (size_t i = 0; i < BH_STREAM__N; i++)
		bh_buf_release(&j->streams[i].text);
}

static struct bh_joiner_stream *oldest(struct bh_joiner *j)
{
	struct bh_joiner_stream *found = NULL;

	for (size_t i = 0; i < BH_STREAM__N; i++) {
		struct bh_joiner_stream *s = &j->streams[i];

		if (s->open && (!found || s->start < found->start))
			found = s;
	}
	return found;
}

bool bh_joiner_waits(const struct bh_joiner *j)
{
	for (size_t i = 0; i < BH_STREAM__N; i++) {
		if (j->streams[i].open)
			return true;
	}
	return false;
}

/* Its pieces wait no longer: the line carries what that sets free. */
static int emit(struct bh_joiner *j, struct bh_line line, bh_line_fn *fn, void *ctx)
{
	const struct bh_joiner_stream *waiting = oldest(j);
	uint64_t safe = waiting ? waiting->start : j->taken;

	line.raw = safe - j->told;
	j->told = safe;
	return fn(ctx, &line);
}

static int emit_stream(
    struct bh_joiner *j, struct bh_joiner_stream *s, bool cut, bh_line_fn *fn, void *ctx)
{
	const struct bh_line line = {bh_buf_view(&s->text), 0, s->status, cut};
	int rc;

	s->open = false;
	rc = emit(j, line, fn, ctx);
	bh_buf_clear(&s->text);
	if (s->text.cap > KEEP)
		bh_buf_release(&s->text);
	return rc;
}

int bh_joiner_put(struct bh_joiner *j, const struct bh_piece *piece, uint64_t raw, bool cut,
    bh_line_fn *fn, void *ctx)
{
	struct bh_joiner_stream *s = &j->streams[piece->stream];
	bool full = s->text.len + piece->content.n >= j->limit;
	int rc;

	if (!s->open)
		s->start = j->taken;
	j->taken += raw;
	cut = cut || (piece->partial && full);
	if (!s->open && (cut || !piece->partial))
		return emit(j, (struct bh_line){piece->content, 0, piece->status, cut}, fn, ctx);
	s->open = true;
	s->status = piece->status;
	rc = bh_buf_append(&s->text, piece->content.p, piece->content.n);
	if (rc || (piece->partial && !cut))
		return rc;
	return emit_stream(j, s, cut, fn, ctx);
}

int bh_joiner_flush(struct bh_joiner *j, bh_line_fn *fn, void *ctx)
{
	struct bh_joiner_stream *s;
	int rc = 0;

	while (!rc && (s = oldest(j)))
		rc = emit_stream(j, s, false, fn, ctx);
	return rc;
}
