/*
 * What leaves dogstatsd: the flusher makes payloads of flush sets, payloads wait in a bounded queue
 * for credit on the link, the link makes them durable. Keeps the "metrics" row of the ledger (unit:
 * points; an event and a service check count one).
 */
#ifndef BH_DOGSTATSD_OUTLET_H
#define BH_DOGSTATSD_OUTLET_H

#include "common/ledger.h"
#include "common/producer.h"
#include "dogstatsd/flusher.h"
#include "dogstatsd/ownfigures.h"
#include "dogstatsd/payload_queue.h"

/* Bodies that wait for credit; beyond it the oldest are dropped and counted. Another number where
 * metrics have no spool and one of the keys of common/retry_memory.h is set. */
#define BH_OUTLET_QUEUE_BYTES ((size_t)64 << 20)

/* Flushes that may wait to be encoded before a further one is put off. */
#define BH_OUTLET_FLUSHES 2
/* Jobs of any kind; beyond it samples with a timestamp are dropped and counted. */
#define BH_OUTLET_JOBS 16

struct bh_outlet {
	const struct bh_clock *clock;
	struct bh_log *log;
	struct bh_str hostname;     /* borrowed from the configuration */
	struct bh_flusher *flusher; /* owned */
	struct bh_encoder_counts encoded;
	uint64_t handed; /* samples with a timestamp, events and checks given to the flusher */
	struct bh_payload_queue queue;
	struct bh_producer *producer; /* owned; NULL in tests without a link: all payloads queue */
	struct bh_producer_ops ops;
	struct bh_own_figures own;  /* of the whole agent, for the next flush */
	struct bh_flush_job *spare; /* owned; of the next flush; NULL = none found yet */
	/* points since the start */
	uint64_t delivered, refused, unsendable, overflowed;
	uint64_t unflushed; /* aggregates that found no memory at the last flush of all */
	uint64_t late_lost; /* samples with a timestamp that found none */
	bool fence_wanted, fenced;
	void (*drained)(void *ctx); /* after bh_outlet_fence(): everything handed over is durable */
	void (*stale)(void *ctx);   /* a newer incarnation exists */
	void (*again)(void *ctx);   /* this process should be started again, in order */
	void *ctx;
	struct bh_log_limit limit;
};

/* cfg, clock and log must outlive the outlet. No link yet. loop NULL: flushes are encoded at once
 * (tests). 0 or -errno, with text. */
int bh_outlet_init(struct bh_outlet *o, struct bh_loop *loop, const struct bh_config *cfg,
    const struct bh_clock *clock, struct bh_log *log, struct bh_err *err) BH_MUST_CHECK;
void bh_outlet_release(struct bh_outlet *o);

/* Opens the link; base gives loop, rng and identity, its ops and ctx are replaced. drained, stale,
 * again and ctx of the outlet are set before. */
int bh_outlet_connect(
    struct bh_outlet *o, const struct bh_producer_config *base, struct bh_err *err) BH_MUST_CHECK;

/* True while so many flushes wait to be encoded that another one had better wait in its buckets. */
bool bh_outlet_behind(const struct bh_outlet *o);

/* To be asked before buckets are taken out for a flush: sees to it that bh_outlet_flush() needs no
 * memory. False without; then the buckets stay where they are, for a later flush. */
bool bh_outlet_ready(struct bh_outlet *o) BH_MUST_CHECK;
/* Gives the set, the notices, and our own series and check of this flush to the flusher; what it
 * makes is sent as credit allows. Takes the set and empties the notices. Once for each time that
 * bh_outlet_ready() said true. */
void bh_outlet_flush(struct bh_outlet *o, struct bh_flush_set *set, struct bh_notices *notices);
/* The same for the samples with a timestamp. */
void bh_outlet_late(struct bh_outlet *o, struct bh_late *late);

/* Counts aggregates as dropped that no later flush will take. */
void bh_outlet_unflushed(struct bh_outlet *o, uint64_t aggregates);

/* No more payloads will come: once all are durable, drained() is called. */
void bh_outlet_fence(struct bh_outlet *o);

/* Points that are in no durable place: queued, and in the window of the link. */
uint64_t bh_outlet_pending(const struct bh_outlet *o);
uint64_t bh_outlet_pending_bytes(const struct bh_outlet *o);

/* The ledger row; late and notices hold what is not in payloads yet. */
void bh_outlet_ledger(const struct bh_outlet *o, const struct bh_late *late,
    const struct bh_notices *notices, struct bh_ledger *l);

#endif
