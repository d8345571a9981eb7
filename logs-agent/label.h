/*
 * What a line is to its neighbours (spec/logs.md §8.2, §8.3): the start of a group, part of one, or
 * by itself. Decided by samples of the user, by a look for JSON, and by how much the start of the
 * line resembles a time.
 *
 * A labeler is compiled once for a source and constant from then on; tailers share it.
 */
#ifndef BH_LOGS_LABEL_H
#define BH_LOGS_LABEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/config.h"
#include "common/str.h"
#include "logs-agent/pattern.h"
#include "logs-agent/tokens.h"

#define BH_LABEL_BYTES     60   /* of a line that are looked at, unless configured */
#define BH_LABEL_BYTES_MAX 1024 /* a larger configured number is taken as this */

struct bh_log_samples {
	const struct bh_log_sample *v;
	size_t n;
};

struct bh_label_options {
	struct bh_log_samples own, global; /* the source's come first; only read by init */
	size_t max_bytes;                  /* tokenizer_max_input_bytes; 0 = BH_LABEL_BYTES */
	double time_threshold;             /* timestamp_detector_match_threshold, 0.5 */
	uint32_t match_limit;              /* of regex samples, see pattern.h */
	bool json;                         /* enable_json_detection */
	bool datetime;                     /* enable_datetime_detection */
};

struct bh_label_sample;

struct bh_labeler {
	struct bh_label_sample *samples; /* owned */
	size_t samples_n;
	size_t max_bytes;
	double time_threshold;
	bool json;
	bool datetime;
};

/* A sample that is left out, and why: its regex is refused, its threshold is not in (0, 1]. */
typedef void bh_sample_fault_fn(void *ctx, const struct bh_log_sample *sample, const char *why);

/* 0 or -ENOMEM; after an error there is nothing to release. fault may be NULL. */
int bh_labeler_init(struct bh_labeler *l, const struct bh_label_options *o,
    bh_sample_fault_fn *fault, void *ctx) BH_MUST_CHECK;
void bh_labeler_release(struct bh_labeler *l);

/* The label of an untrimmed line. scratch may be NULL when no sample is a regex. A match that was
 * given up counts as none and adds one to *limit_hits. */
enum bh_line_label bh_labeler_label(const struct bh_labeler *l, struct bh_pattern_scratch *scratch,
    struct bh_str content, uint64_t *limit_hits);

/* The parts of it, for tests. */
bool bh_timestamp_pair(unsigned left, unsigned right); /* enum bh_token */
double bh_timestamp_score(const uint8_t *tokens, size_t n);
bool bh_tokens_alike(const uint8_t *a, size_t a_n, const uint8_t *b, size_t b_n, double threshold);

#endif
