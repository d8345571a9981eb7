/*
 * Where flushes are encoded: a thread of its own, so that the loop goes on receiving. Jobs go in,
 * payloads and counts come back to the loop, in order, through an eventfd.
 *
 *   loop: bh_flusher_submit(job) ──▶ thread: encoder ──▶ loop: result(payload, counts)
 *
 * Only jobs and results pass between the two; the encoder belongs to the thread. Contexts that a
 * job's set points at are read there while the loop changes other fields of them: the identity of a
 * context never changes, and an expired one is freed with the last set that knows it.
 */
#ifndef BH_DOGSTATSD_FLUSHER_H
#define BH_DOGSTATSD_FLUSHER_H

#include <stdbool.h>

#include "common/clock.h"
#include "common/loop.h"
#include "dogstatsd/encoder.h"

struct bh_flusher;

/*
 * A flush as payloads is many times what it is as buckets, so the thread does not run far ahead of
 * the link: with this much waiting to leave, each payload waits for room, but not for longer than
 * BH_FLUSHER_WAIT_NS. A link that takes nothing slows the thread down; it never stops it.
 */
#define BH_FLUSHER_AHEAD_BYTES ((size_t)4 << 20)
#define BH_FLUSHER_WAIT_NS     (100 * BH_NS_PER_MS)

/* One payload (the receiver owns it), or NULL at the end of a job; counts as of then. */
typedef void bh_flush_result_fn(
    void *ctx, struct bh_payload *p, const struct bh_encoder_counts *counts);

/* cfg must outlive it. loop NULL: no thread, submit encodes at once (tests). 0 or -errno, with
 * text. */
int bh_flusher_new(struct bh_flusher **out, struct bh_loop *loop, const struct bh_config *cfg,
    bh_flush_result_fn *result, void *ctx, struct bh_err *err) BH_MUST_CHECK;
/* Waits for the job in work; what waits behind it is thrown away. NULL is fine. */
void bh_flusher_free(struct bh_flusher *f);

/* Takes the job. */
void bh_flusher_submit(struct bh_flusher *f, struct bh_flush_job *job);
/* What the loop has taken and not passed on, in bytes: called whenever it changed. */
void bh_flusher_downstream(struct bh_flusher *f, size_t bytes);
/* From now on nothing waits for room: the process is to end. */
void bh_flusher_hasten(struct bh_flusher *f);
/* Jobs whose end was not reported yet. */
unsigned bh_flusher_backlog(const struct bh_flusher *f);
/* How series leave, for those who encode single ones beforehand. */
const struct bh_series_format *bh_flusher_format(const struct bh_flusher *f);
/* Words of histogram_aggregates and histogram_percentiles without meaning. */
size_t bh_flusher_skipped_words(const struct bh_flusher *f);

#endif
