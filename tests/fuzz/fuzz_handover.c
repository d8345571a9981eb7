/* Open buckets of another process, past their checksum: read or refused, and what was read can be
 * flushed. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dogstatsd/handover.h"
#include "dogstatsd/output.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void drop(void *ctx, struct bh_payload *p)
{
	(void)ctx;
	free(p);
}

static void flush(struct bh_sampler *s)
{
	static char none[] = "none", max[] = "max", avg[] = "avg", p95[] = "0.95";
	static char *aggregates[] = {max, avg}, *percentiles[] = {p95};
	const struct bh_config cfg = {.serializer_compressor_kind = none,
	    .histogram_aggregates = {aggregates, 2},
	    .histogram_percentiles = {percentiles, 1}};
	struct bh_hist_outputs hist;
	struct bh_filter filter = {.n = 0};
	struct bh_payload_writer w;
	struct bh_flush_set *set;
	struct bh_output o;

	bh_hist_outputs_init(&hist, &cfg.histogram_aggregates, &cfg.histogram_percentiles);
	bh_payload_writer_init(&w, &cfg, drop, NULL);
	bh_output_init(&o, &w, &hist, &filter, &bh_series_v2);
	if (bh_sampler_flush(s, 2000000000, true, &set) == 0) {
		bh_output_begin_series(&o);
		bh_output_set_series(&o, set);
		bh_payload_writer_finish(&w);
		bh_output_set_sketches(&o, set);
		bh_flush_set_free(set);
	}
	bh_output_release(&o);
	bh_payload_writer_release(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bh_sampler_config cfg = {.seed = 1,
	    .hostname = {"h", 1},
	    .expiry_s = 300,
	    .context_expiry_s = 20,
	    .context_limit = 64};
	struct bh_err err = BH_ERR_INIT;
	struct bh_handover h;
	struct bh_sampler s;

	if (size < 44 || bh_sampler_init(&s, &cfg))
		return 0;
	h = (struct bh_handover){malloc(size), size, 1};
	if (h.map) {
		memcpy(h.map, data, size);
		if (bh_handover_read(&h, &s, &err) == 0)
			flush(&s);
	}
	free(h.map);
	bh_sampler_release(&s);
	return 0;
}
