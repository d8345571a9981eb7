#include "dogstatsd/encoder.h"

#include <stdlib.h>

#include "dogstatsd/selfmetrics.h"

struct bh_flush_job *bh_flush_job_new(void)
{
	return calloc(1, sizeof(struct bh_flush_job));
}

void bh_flush_job_free(struct bh_flush_job *job)
{
	if (!job)
		return;
	bh_flush_set_free(job->set);
	bh_late_batch_release(&job->late);
	bh_notice_list_release(&job->events);
	bh_notice_list_release(&job->checks);
	bh_buf_release(&job->figures);
	free(job);
}

static void count_and_emit(void *ctx, struct bh_payload *p)
{
	struct bh_encoder *e = ctx;

	e->emitted += p->items;
	e->emit(e->ctx, p);
}

int bh_encoder_init(
    struct bh_encoder *e, const struct bh_config *cfg, bh_payload_emit_fn *emit, void *ctx)
{
	*e = (struct bh_encoder){
	    .hostname = bh_str_from(cfg->hostname),
	    .series = cfg->enable_series,
	    .sketches = cfg->enable_sketches,
	    .events = cfg->enable_events && cfg->enable_v1_intake,
	    .checks = cfg->enable_service_checks,
	    .interval = cfg->dogstatsd_flush_interval_ms / 1000,
	    .emit = emit,
	    .ctx = ctx,
	};
	bh_hist_outputs_init(&e->hist, &cfg->histogram_aggregates, &cfg->histogram_percentiles);
	bh_payload_writer_init(&e->writer, cfg, count_and_emit, e);
	bh_output_init(&e->output, &e->writer, &e->hist, &e->hist_filter,
	    cfg->use_v2_api_series ? &bh_series_v2 : &bh_series_v1);
	return bh_output_hist_filter(&e->hist_filter, cfg, &e->hist);
}

void bh_encoder_release(struct bh_encoder *e)
{
	bh_output_release(&e->output);
	bh_payload_writer_release(&e->writer);
	bh_filter_release(&e->hist_filter);
}

static void encode_late(struct bh_encoder *e, const struct bh_late_batch *late)
{
	e->consumed += late->points;
	if (e->series)
		bh_late_write(late, e->output.format, &e->writer);
	else
		e->disabled += late->points;
}

static void encode_set(
    struct bh_encoder *e, const struct bh_flush_set *set, const struct bh_buf *figures)
{
	e->output.extra = set->host_tags;
	if (e->series) {
		bh_output_begin_series(&e->output);
		bh_output_set_series(&e->output, set);
		bh_selfmetrics_output(&e->output, e->hostname, set->now);
		bh_selfmetrics_figures(
		    &e->output, bh_buf_view(figures), e->hostname, set->now, e->interval);
		bh_payload_writer_finish(&e->writer);
	}
	if (e->sketches)
		bh_output_set_sketches(&e->output, set);
}

static void encode_notices(struct bh_encoder *e, struct bh_flush_job *job)
{
	e->consumed += job->events.n + job->checks.n;
	if (e->checks)
		bh_notices_write_checks(&job->checks, &e->writer);
	else
		e->disabled += job->checks.n;
	if (e->events)
		bh_notices_write_events(&job->events, &e->writer, e->hostname);
	else
		e->disabled += job->events.n;
}

void bh_encoder_run(struct bh_encoder *e, struct bh_flush_job *job)
{
	encode_late(e, &job->late);
	if (job->set)
		encode_set(e, job->set, &job->figures);
	encode_notices(e, job);
	bh_flush_job_free(job);
}

struct bh_encoder_counts bh_encoder_counts(const struct bh_encoder *e)
{
	return (struct bh_encoder_counts){
	    .received = e->output.received,
	    .consumed = e->consumed,
	    .emitted = e->emitted,
	    .nonfinite = e->output.nonfinite,
	    .filtered = e->output.filtered + e->disabled,
	    .too_big = e->writer.too_big,
	    .lost = e->writer.lost + e->output.lost,
	};
}
