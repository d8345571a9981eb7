/*
 * What the forwarder knows of one producer: which epoch is current, which seqs are durable, which
 * have been received (spec/durability.md §12 "Forwarder, per producer"). Plain data, copyable: a
 * transaction works on a copy (bh_receiver_settle) and the copy becomes the truth after COMMIT.
 */
#ifndef BH_FORWARDER_RECEIVER_H
#define BH_FORWARDER_RECEIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/link.h"

#define BH_RECEIVER_FAILURES 3 /* of one DATA to be read; then it is refused */

struct bh_receiver {
	uint64_t epoch;             /* 0 = none yet */
	uint32_t generation;        /* of the supervisor; 0 after a start from the store */
	uint64_t base;              /* every seq <= base is durable */
	uint64_t mask;              /* bit i: seq base + 1 + i is durable */
	uint64_t rcvd;              /* highest seq received in an unbroken run; >= base */
	uint64_t refused;           /* the last one that was refused; 0 = none */
	enum bh_refuse_cause cause; /* of that */
	uint64_t failed;            /* the last seq that could not be read, and how often */
	unsigned failures;
};

enum bh_hello_verdict {
	BH_HELLO_KNOWN, /* our epoch: WELCOME with rcvd; the producer sends again what lies behind
			   it */
	BH_HELLO_NEW,   /* new epoch: fence (T4), then bh_receiver_adopt, WELCOME + RESUME */
	BH_HELLO_STALE, /* lower generation than the current one: STALE */
};

enum bh_data_verdict {
	BH_DATA_ACCEPT,        /* seq == rcvd + 1 and not durable: rcvd moved, take it */
	BH_DATA_ACCEPT_REPEAT, /* seq == rcvd + 1 but its bit is set: durable already; rcvd moved,
				* use only its origins (they let the run close after a crash) and
				* ack */
	BH_DATA_REPEAT, /* seq <= base, or already received in this session: ack again, drop */
	BH_DATA_GAP,    /* seq > rcvd + 1, or beyond base + 64: drop, go-back-N brings it again */
	BH_DATA_WRONG_EPOCH, /* drop, count */
};

/* Looks only, except that KNOWN notes the generation. After a start of the forwarder rcvd = base,
 * so that everything that was only in memory is sent again. */
enum bh_hello_verdict bh_receiver_hello(struct bh_receiver *r, uint64_t epoch, uint32_t generation);
/* After the fence was committed: (epoch, 0, 0). */
void bh_receiver_adopt(struct bh_receiver *r, uint64_t epoch, uint32_t generation);
enum bh_data_verdict bh_receiver_data(struct bh_receiver *r, uint64_t epoch, uint64_t seq);
/* A DATA that cannot be read. GAP: drop it, it comes again. ACCEPT: it has failed too often and is
 * refused; rcvd moved, settle it without its payload. ACCEPT_REPEAT: the same, durable already. A
 * refusal is decided when the one before it is durable. */
enum bh_data_verdict bh_receiver_unreadable(
    struct bh_receiver *r, uint64_t epoch, uint64_t seq, enum bh_refuse_cause cause);
/* The producer must hear of `refused` before anything that says it is durable. */
bool bh_receiver_refuses(const struct bh_receiver *r);
/* seq is durable: sets its bit and moves base over the unbroken run. Harmless when repeated. seq
 * must be
 * <= base + 64. */
void bh_receiver_settle(struct bh_receiver *r, uint64_t seq);
bool bh_receiver_durable(const struct bh_receiver *r, uint64_t seq);

#endif
