/*
 * One flush, or a part of one, turned into payloads: series, sketches, events, service checks, and
 * what the agent says of itself. Plain data in, payloads out through a callback; no clock, no
 * socket, no thread: the flusher runs it where nobody waits for it.
 */
#ifndef BH_DOGSTATSD_ENCODER_H
#define BH_DOGSTATSD_ENCODER_H

#include "dogstatsd/late.h"
#include "dogstatsd/notices.h"
#include "dogstatsd/output.h"

/* What is to be encoded; owns all of it. */
struct bh_flush_job {
	struct bh_flush_job *next;
	struct bh_flush_set *set; /* NULL: no flush, only what follows */
	struct bh_late_batch late;
	struct bh_notice_list events, checks;
	struct bh_buf figures; /* ownfigures.h; with a set */
};

struct bh_flush_job *bh_flush_job_new(void); /* empty; NULL without memory */
void bh_flush_job_free(struct bh_flush_job *job);

/* Items since the start. Those of a job in work that are in no payload yet are
 * received + consumed - dropped - emitted. */
struct bh_encoder_counts {
	uint64_t received; /* points made from flush sets, and of our own */
	uint64_t consumed; /* samples with a timestamp, events and checks taken from jobs */
	uint64_t emitted;  /* in payloads */
	uint64_t nonfinite, filtered, too_big, lost; /* dropped; lost: no memory */
};

struct bh_encoder {
	struct bh_str hostname;                /* borrowed from the configuration */
	bool series, sketches, events, checks; /* enable_payloads.* */
	int64_t interval;                      /* between flushes, seconds */
	struct bh_hist_outputs hist;
	struct bh_filter hist_filter; /* names of single series of histograms */
	struct bh_payload_writer writer;
	struct bh_output output;
	uint64_t consumed, emitted, disabled;
	bh_payload_emit_fn *emit;
	void *ctx;
};

/* cfg must outlive it. 0 or -ENOMEM. It must stay where it is. */
int bh_encoder_init(struct bh_encoder *e, const struct bh_config *cfg, bh_payload_emit_fn *emit,
    void *ctx) BH_MUST_CHECK;
void bh_encoder_release(struct bh_encoder *e);

/* Takes the job. */
void bh_encoder_run(struct bh_encoder *e, struct bh_flush_job *job);

struct bh_encoder_counts bh_encoder_counts(const struct bh_encoder *e);

#endif
