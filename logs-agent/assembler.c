#include "logs-agent/assembler.h"

#include <errno.h>
#include <stdlib.h>

#include "logs-agent/cri.h"
#include "logs-agent/docker.h"
#include "logs-agent/source.h"

int bh_assembler_work_init(struct bh_assembler_work *w)
{
	*w = (struct bh_assembler_work){.docker = BH_BUF_INIT};
	return bh_aggregator_work_init(&w->aggregator);
}

void bh_assembler_work_release(struct bh_assembler_work *w)
{
	bh_aggregator_work_release(&w->aggregator);
	bh_buf_release(&w->docker);
}

int bh_assembler_init(struct bh_assembler *a, struct bh_source *source,
    struct bh_assembler_work *work, bh_message_fn *fn, void *ctx)
{
	*a = (struct bh_assembler){.source = source, .work = work};
	if (source->format == BH_FORMAT_DOCKER || source->format == BH_FORMAT_CRI) {
		a->joiner = malloc(sizeof(*a->joiner));
		if (!a->joiner)
			return -ENOMEM;
		bh_joiner_init(a->joiner, source->limit);
	}
	bh_aggregator_init(&a->aggregator, &source->aggregation, &work->aggregator, fn, ctx);
	return 0;
}

void bh_assembler_release(struct bh_assembler *a)
{
	if (!a->source)
		return;
	bh_aggregator_release(&a->aggregator);
	if (a->joiner)
		bh_joiner_release(a->joiner);
	free(a->joiner);
	*a = (struct bh_assembler){0};
}

static int joined(void *ctx, const struct bh_line *line)
{
	struct bh_assembler *a = ctx;

	return bh_aggregator_line(&a->aggregator, line);
}

/* A line of a container file: what it wraps. */
static int unwrap(struct bh_assembler *a, struct bh_str text, const struct bh_frame *frame)
{
	struct bh_piece piece;
	int rc = 0;

	if (a->source->format == BH_FORMAT_DOCKER)
		rc = bh_docker_parse(&a->work->docker, text, &piece);
	else
		piece = bh_cri_parse(text);
	return rc ? rc : bh_joiner_put(a->joiner, &piece, frame->raw, frame->cut, joined, a);
}

int bh_assembler_frame(
    struct bh_assembler *a, const struct bh_frame *frame, enum bh_log_status status)
{
	struct bh_line line = {.raw = frame->raw, .status = status, .cut = frame->cut};
	int rc = bh_decode(&a->source->decoder, frame->content, &line.content);

	if (rc)
		return rc;
	return a->joiner ? unwrap(a, line.content, frame)
			 : bh_aggregator_line(&a->aggregator, &line);
}

int bh_assembler_flush(struct bh_assembler *a)
{
	int rc = a->joiner ? bh_joiner_flush(a->joiner, joined, a) : 0;

	return rc ? rc : bh_aggregator_flush(&a->aggregator);
}

uint64_t bh_assembler_held(const struct bh_assembler *a)
{
	return bh_aggregator_held(&a->aggregator) + (a->joiner ? bh_joiner_held(a->joiner) : 0);
}
