/*
 * What leaves dogstatsd: flush sets become payloads, payloads wait in a bounded queue for credit on
 * the link, the link makes them durable. Keeps the "metrics" row of the ledger (unit: points; an
 * event and a service check count one).
 */
#ifndef BH_DOGSTATSD_OUTLET_H
#define BH_DOGSTATSD_OUTLET_H

#include "common/ledger.h"
#include "common/producer.h"
#include "dogstatsd/late.h"
#include "dogstatsd/notices.h"
#include "dogstatsd/output.h"
#include "dogstatsd/payload_queue.h"

/* Bodies that wait for credit; beyond it the oldest are dropped and counted. */
#define BH_OUTLET_QUEUE_BYTES ((size_t)64 << 20)

struct bh_outlet {
	const struct bh_clock *clock;
	struct bh_log *log;
	struct bh_str hostname;                /* borrowed from the configuration */
	bool series, sketches, events, checks; /* enable_payloads.* */
	struct bh_hist_outputs hist;
	struct bh_filter hist_filter; /* names of single series of histograms */
	struct bh_payload_writer writer;
	struct bh_output output;
	struct bh_payload_queue queue;
	struct bh_producer *producer; /* owned; NULL in tests without a link: all payloads queue */
	struct bh_producer_ops ops;
	/* points since the start */
	uint64_t delivered, refused, unsendable, overflowed, disabled;
	bool fence_wanted, fenced;
	void (*drained)(void *ctx); /* after bh_outlet_fence(): everything handed over is durable */
	void (*stale)(void *ctx);   /* a newer incarnation exists */
	void *ctx;
	struct bh_log_limit limit;
};

/* cfg, clock and log must outlive the outlet. No link yet. 0 or -ENOMEM. */
int bh_outlet_init(struct bh_outlet *o, const struct bh_config *cfg, const struct bh_clock *clock,
    struct bh_log *log) BH_MUST_CHECK;
void bh_outlet_release(struct bh_outlet *o);

/* Opens the link; base gives loop, rng and identity, its ops and ctx are replaced. drained, stale
 * and ctx of the outlet are set before. */
int bh_outlet_connect(
    struct bh_outlet *o, const struct bh_producer_config *base, struct bh_err *err) BH_MUST_CHECK;

/* Encodes everything of the set, the notices, and our own series and check of this flush, and sends
 * what credit allows. Takes the set and empties the notices. */
void bh_outlet_flush(struct bh_outlet *o, struct bh_flush_set *set, struct bh_notices *notices);
/* The same for the samples with a timestamp. */
void bh_outlet_late(struct bh_outlet *o, struct bh_late *late);

/* No more payloads will come: once all are durable, drained() is called. */
void bh_outlet_fence(struct bh_outlet *o);

/* Points that are in no durable place: queued, and in the window of the link. */
uint64_t bh_outlet_pending(const struct bh_outlet *o);
uint64_t bh_outlet_pending_bytes(const struct bh_outlet *o);

/* The ledger row; late and notices hold what is not in payloads yet. */
void bh_outlet_ledger(const struct bh_outlet *o, const struct bh_late *late,
    const struct bh_notices *notices, struct bh_ledger *l);

#endif
