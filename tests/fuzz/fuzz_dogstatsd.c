/*
 * Fuzzes the way of a datagram: lines, parser, identities, sampler, encoders. The first byte
 * chooses flags; bytes 0x01 in the input are places where time moves on and a flush happens.
 * Properties checked beside memory safety: the ledger closes, and every payload is framed as its
 * length says.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "dogstatsd/ingest.h"
#include "dogstatsd/output.h"

#define COPY_HISTOGRAMS 4 /* beside the flags of datagrams */

struct state {
	struct bh_sampler sampler;
	struct bh_late late;
	struct bh_notices notices;
	struct bh_ingest ingest;
	struct bh_payload_writer writer;
	struct bh_output output;
	struct bh_hist_outputs hist;
	struct bh_filter hist_filter; /* empty */
	struct bh_ledger ledger;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Entries of field 1, back to back, and the footer of sketches. */
static void check_payload(void *ctx, struct bh_payload *p)
{
	struct bh_str rest = {p->body, p->len}, entry;

	(void)ctx;
	if (p->kind == BH_KIND_CHECKS || p->kind == BH_KIND_EVENTS)
		rest.n = 0; /* JSON: its writer has tests of its own */
	if (p->kind == BH_KIND_SKETCHES)
		rest.n -= 2;
	while (rest.n) {
		if (rest.p[0] != 0x0a)
			BH_BUG("an entry does not begin with its tag");
		rest = (struct bh_str){rest.p + 1, rest.n - 1};
		if (!bh_packed_next(&rest, &entry))
			BH_BUG("an entry has no length");
	}
	free(p);
}

static void open_state(struct state *s)
{
	static char none[] = "none", host[] = "h";
	static char max[] = "max", median[] = "median", avg[] = "avg", count[] = "count",
		    min[] = "min", sum[] = "sum", p0[] = "0", p95[] = "0.95", p100[] = "1";
	static char *aggregates[] = {max, median, avg, count, min, sum};
	static char *percentiles[] = {p0, p95, p100};
	struct bh_config cfg = {
	    .serializer_compressor_kind = none,
	    .hostname = host,
	    .histogram_aggregates = {aggregates, 6},
	    .histogram_percentiles = {percentiles, 3},
	};
	struct bh_sampler_config sc = {.seed = 1,
	    .hostname = {"h", 1},
	    .expiry_s = 300,
	    .context_expiry_s = 20,
	    .context_limit = 64};

	if (bh_sampler_init(&s->sampler, &sc) < 0)
		BH_BUG("no memory");
	bh_late_init(&s->late, &s->sampler.contexts.resolver, &bh_series_v2, 2048);
	bh_notices_init(&s->notices, &s->sampler.contexts.resolver);
	if (bh_ingest_init(&s->ingest, &s->sampler, &s->late, &s->notices, true) < 0)
		BH_BUG("no memory");
	bh_hist_outputs_init(&s->hist, &cfg.histogram_aggregates, &cfg.histogram_percentiles);
	bh_payload_writer_init(&s->writer, &cfg, check_payload, s);
	bh_output_init(&s->output, &s->writer, &s->hist, &s->hist_filter, &bh_series_v2);
}

static void close_state(struct state *s)
{
	bh_output_release(&s->output);
	bh_payload_writer_release(&s->writer);
	bh_ingest_release(&s->ingest);
	bh_late_release(&s->late);
	bh_notices_release(&s->notices);
	bh_sampler_release(&s->sampler);
}

static void flush(struct state *s, int64_t now, bool all)
{
	struct bh_flush_set *set;

	struct bh_late_batch batch = bh_late_take(&s->late);
	struct bh_notice_list checks = bh_notices_take(&s->notices.checks),
			      events = bh_notices_take(&s->notices.events);

	bh_late_write(&batch, &bh_series_v2, &s->writer);
	bh_late_batch_release(&batch);
	if (bh_sampler_flush(&s->sampler, now, all, &set) < 0)
		BH_BUG("no memory");
	bh_output_begin_series(&s->output);
	bh_output_set_series(&s->output, set);
	bh_payload_writer_finish(&s->writer);
	bh_output_set_sketches(&s->output, set);
	bh_notices_write_checks(&checks, &s->writer);
	bh_notices_write_events(&events, &s->writer, (struct bh_str){"h", 1});
	bh_notice_list_release(&checks);
	bh_notice_list_release(&events);
	bh_flush_set_free(set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct bh_bad_line bad;
	struct state s = {0};
	const uint8_t *end = data + n;
	int64_t now = 1000;
	unsigned flags;

	if (n == 0)
		return 0;
	open_state(&s);
	s.sampler.copy_histograms = *data & COPY_HISTOGRAMS;
	flags = *data++ & (BH_DATAGRAM_CUT | BH_DATAGRAM_EOL_REQUIRED);
	while (data < end) {
		const uint8_t *stop = memchr(data, 1, (size_t)(end - data));
		struct bh_str datagram;

		stop = stop ? stop : end;
		datagram = (struct bh_str){(const char *)data, (size_t)(stop - data)};
		bh_ingest_datagram(&s.ingest, datagram, flags, now, &s.ledger, &bad);
		if (bh_ledger_gap(&s.ledger))
			BH_BUG("the ledger does not close");
		now += datagram.n % 3 ? 7 : -4;
		flush(&s, now, false);
		data = stop + (stop < end);
	}
	flush(&s, now, true);
	close_state(&s);
	return 0;
}
