#include "tests/unit/dogstatsd/fixture.h"

#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "proto/agent_payload.pb-c.h"

typedef Datadog__Agentpayload__MetricPayload metric_payload;
typedef Datadog__Agentpayload__MetricPayload__MetricSeries metric_series;
typedef Datadog__Agentpayload__SketchPayload sketch_payload;
typedef Datadog__Agentpayload__SketchPayload__Sketch sketch_series;
typedef Datadog__Agentpayload__SketchPayload__Sketch__Dogsketch dogsketch;

static char max[] = "max", median[] = "median", avg[] = "avg", count[] = "count", p95[] = "0.95";
static char *aggregates[] = {max, median, avg, count};
static char *percentiles[] = {p95};

struct bh_strlist fixture_list(char **words, size_t n)
{
	return (struct bh_strlist){words, n};
}

void fixture_defaults(struct fixture *f)
{
	static char hostname[] = "h", kind[] = "none", unset[] = "";

	memset(f, 0, sizeof(*f));
	f->cfg = (struct bh_config){
	    .hostname = hostname,
	    .histogram_aggregates = fixture_list(aggregates, 4),
	    .forwarder_storage_max_size_in_bytes = -1,
	    .histogram_percentiles = fixture_list(percentiles, 1),
	    .dogstatsd_expiry_seconds = 300,
	    .dogstatsd_context_expiry_seconds = 20,
	    .dogstatsd_no_aggregation_pipeline = true,
	    .dogstatsd_context_limit = 1000,
	    .serializer_max_payload_size = 2621440,
	    .serializer_max_uncompressed_payload_size = 4194304,
	    .serializer_max_series_payload_size = 512000,
	    .serializer_max_series_uncompressed_payload_size = 5242880,
	    .serializer_max_series_points_per_payload = 10000,
	    .dogstatsd_no_aggregation_batch_size = 2048,
	    .dogstatsd_mapper_profiles = unset,
	    .dogstatsd_mapper_cache_size = 1000,
	    .statsd_metric_namespace = unset,
	    .histogram_copy_to_distribution_prefix = unset,
	    .use_v2_api_series = true,
	    .enable_series = true,
	    .enable_sketches = true,
	    .enable_events = true,
	    .enable_v1_intake = true,
	    .enable_service_checks = true,
	    .serializer_compressor_kind = kind,
	    .serializer_zstd_compressor_level = 1,
	};
}

static void keep(void *ctx, struct bh_payload *p)
{
	struct fixture *f = ctx;
	struct bh_payload **end = &f->payloads;

	while (*end)
		end = &(*end)->next;
	*end = p;
}

void fixture_open(struct fixture *f)
{
	struct bh_sampler_config cfg = {
	    .seed = 42,
	    .hostname = bh_str_from(f->cfg.hostname),
	    .tags = &f->cfg.dogstatsd_tags,
	    .expiry_s = f->cfg.dogstatsd_expiry_seconds,
	    .context_expiry_s = f->cfg.dogstatsd_context_expiry_seconds,
	    .context_limit = (size_t)f->cfg.dogstatsd_context_limit,
	    .naming = &f->naming,
	    .copy_histograms = f->cfg.histogram_copy_to_distribution,
	};
	const struct bh_series_format *format =
	    f->cfg.use_v2_api_series ? &bh_series_v2 : &bh_series_v1;

	f->mapper_err = (struct bh_err)BH_ERR_INIT;
	cr_assert_eq(bh_naming_init(&f->naming, &f->cfg, 42, &f->mapper_err), 0);
	cr_assert_eq(bh_sampler_init(&f->sampler, &cfg), 0);
	bh_late_init(&f->late, &f->sampler.contexts.resolver, format,
	    (uint32_t)f->cfg.dogstatsd_no_aggregation_batch_size);
	bh_notices_init(&f->notices, &f->sampler.contexts.resolver);
	cr_assert_eq(bh_ingest_init(&f->ingest, &f->sampler, &f->late, &f->notices,
			 f->cfg.dogstatsd_no_aggregation_pipeline),
	    0);
	bh_hist_outputs_init(&f->hist, &f->cfg.histogram_aggregates, &f->cfg.histogram_percentiles);
	bh_payload_writer_init(&f->writer, &f->cfg, keep, f);
	cr_assert_eq(bh_output_hist_filter(&f->hist_filter, &f->cfg, &f->hist), 0);
	bh_output_init(&f->output, &f->writer, &f->hist, &f->hist_filter, format);
}

void fixture_close(struct fixture *f)
{
	(void)fixture_text(f);
	bh_buf_release(&f->text);
	bh_output_release(&f->output);
	bh_payload_writer_release(&f->writer);
	bh_ingest_release(&f->ingest);
	bh_late_release(&f->late);
	bh_notices_release(&f->notices);
	bh_sampler_release(&f->sampler);
	bh_naming_release(&f->naming);
	bh_filter_release(&f->hist_filter);
}

void fixture_send_bytes(struct fixture *f, int64_t now, struct bh_str datagram, unsigned flags)
{
	/* A copy of exactly this size: reading beyond it is seen by AddressSanitizer. */
	char *copy = malloc(datagram.n ? datagram.n : 1);

	cr_assert_not_null(copy);
	if (datagram.n)
		memcpy(copy, datagram.p, datagram.n);
	bh_ingest_datagram(
	    &f->ingest, (struct bh_str){copy, datagram.n}, flags, now, &f->ledger, &f->bad);
	f->bad.line = (struct bh_str){NULL, 0};
	free(copy);
}

void fixture_send(struct fixture *f, int64_t now, const char *datagram)
{
	fixture_send_bytes(f, now, bh_str_from(datagram), 0);
}

static void put_tags(struct bh_buf *out, char **tags, size_t n)
{
	(void)bh_buf_str(out, " tags=");
	for (size_t i = 0; i < n; i++)
		(void)bh_buf_printf(out, "%s%s", i ? "," : "", tags[i]);
}

static void put_series(struct bh_buf *out, const metric_series *s)
{
	static const char *const types[] = {"unspecified", "count", "rate", "gauge"};

	(void)bh_buf_printf(out, "%s %s", s->metric, types[s->type]);
	for (size_t i = 0; i < s->n_resources; i++)
		(void)bh_buf_printf(out, " %s=%s", s->resources[i]->type, s->resources[i]->name);
	put_tags(out, s->tags, s->n_tags);
	(void)bh_buf_printf(out, " interval=%d", (int)s->interval);
	for (size_t i = 0; i < s->n_points; i++)
		(void)bh_buf_printf(
		    out, " %lld:%.10g", (long long)s->points[i]->timestamp, s->points[i]->value);
	(void)bh_buf_str(out, "\n");
}

static void put_dogsketch(struct bh_buf *out, const dogsketch *d)
{
	(void)bh_buf_printf(out,
	    " %lld:cnt=%lld,min=%.10g,max=%.10g,avg=%.10g,sum=%.10g,bins=", (long long)d->ts,
	    (long long)d->cnt, d->min, d->max, d->avg, d->sum);
	cr_assert_eq(d->n_k, d->n_n);
	for (size_t i = 0; i < d->n_k; i++)
		(void)bh_buf_printf(out, "%s%d*%u", i ? "/" : "", d->k[i], d->n[i]);
}

static void put_sketch(struct bh_buf *out, const sketch_series *s)
{
	(void)bh_buf_printf(out, "%s sketch host=%s", s->metric, s->host);
	put_tags(out, s->tags, s->n_tags);
	for (size_t i = 0; i < s->n_dogsketches; i++)
		put_dogsketch(out, s->dogsketches[i]);
	(void)bh_buf_str(out, "\n");
}

static void put_payload(struct bh_buf *out, const struct bh_payload *p)
{
	const uint8_t *body = (const uint8_t *)p->body;

	cr_assert_eq(p->encoding, BH_ENC_IDENTITY);
	cr_assert_eq(p->raw_len, p->len);
	if (p->kind == BH_KIND_CHECKS || p->kind == BH_KIND_EVENTS ||
	    p->kind == BH_KIND_SERIES_V1) {
		(void)bh_buf_append(out, p->body, p->len);
		(void)bh_buf_u8(out, '\n');
	} else if (p->kind == BH_KIND_SERIES_V2) {
		metric_payload *m =
		    datadog__agentpayload__metric_payload__unpack(NULL, p->len, body);

		cr_assert_not_null(m, "series payload does not decode");
		for (size_t i = 0; i < m->n_series; i++)
			put_series(out, m->series[i]);
		datadog__agentpayload__metric_payload__free_unpacked(m, NULL);
	} else {
		sketch_payload *s =
		    datadog__agentpayload__sketch_payload__unpack(NULL, p->len, body);

		cr_assert_not_null(s, "sketch payload does not decode");
		cr_assert_not_null(s->metadata);
		for (size_t i = 0; i < s->n_sketches; i++)
			put_sketch(out, s->sketches[i]);
		datadog__agentpayload__sketch_payload__free_unpacked(s, NULL);
	}
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_lines(struct bh_buf *text)
{
	size_t n = 0, len = 0;
	char **lines, *copy;

	for (size_t i = 0; i < text->len; i++)
		n += text->data[i] == '\n';
	if (n < 2)
		return;
	lines = calloc(n, sizeof(*lines));
	copy = bh_buf_detach(text, &len);
	cr_assert_not_null(lines);
	n = 0;
	for (char *p = copy, *nl; (nl = strchr(p, '\n')); p = nl + 1) {
		*nl = '\0';
		lines[n++] = p;
	}
	qsort(lines, n, sizeof(*lines), compare_lines);
	for (size_t i = 0; i < n; i++)
		(void)bh_buf_printf(text, "%s\n", lines[i]);
	free(lines);
	free(copy);
}

const char *fixture_text(struct fixture *f)
{
	bh_buf_clear(&f->text);
	while (f->payloads) {
		struct bh_payload *p = f->payloads;

		f->payloads = p->next;
		if (p->encoding == BH_ENC_IDENTITY)
			put_payload(&f->text, p);
		free(p);
	}
	sort_lines(&f->text);
	return f->text.len ? f->text.data : "";
}

const char *fixture_flush(struct fixture *f, int64_t now, bool all)
{
	struct bh_flush_set *set;

	/* In small steps: what comes out must not depend on their size. */
	cr_assert_eq(bh_sampler_flush_begin(&f->sampler, now, all), 0);
	do {
		set = bh_sampler_flush_step(&f->sampler, 3);
	} while (!set);
	bh_output_begin_series(&f->output);
	bh_output_set_series(&f->output, set);
	bh_payload_writer_finish(&f->writer);
	bh_output_set_sketches(&f->output, set);
	bh_flush_set_free(set);
	return fixture_text(f);
}

const char *fixture_flush_late(struct fixture *f)
{
	struct bh_late_batch batch = bh_late_take(&f->late);

	bh_late_write(&batch, f->output.format, &f->writer);
	bh_late_batch_release(&batch);
	return fixture_text(f);
}

const char *fixture_flush_notices(struct fixture *f)
{
	struct bh_notice_list checks = bh_notices_take(&f->notices.checks),
			      events = bh_notices_take(&f->notices.events);

	bh_notices_write_checks(&checks, &f->writer);
	bh_notices_write_events(&events, &f->writer, bh_str_from(f->cfg.hostname));
	bh_notice_list_release(&checks);
	bh_notice_list_release(&events);
	return fixture_text(f);
}
