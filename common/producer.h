/*
 * The producer's end of the link (spec/durability.md §12): window, credit, greeting, resend,
 * renewal, fence. Used by dogstatsd and logs-agent; the forwarder's end is forwarder/intake.h.
 *
 * A payload handed to bh_producer_send() belongs to the producer window until the forwarder
 * acknowledged it as durable (base_seq >= its seq); only then on_durable is called for it. Loss of
 * the link, death of the forwarder and lost messages are handled here and are invisible to the
 * caller but for the delay.
 *
 *   DOWN → GREETING → READY    (transition table in producer_state.[ch], pure)
 */
#ifndef BH_COMMON_PRODUCER_H
#define BH_COMMON_PRODUCER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/attrs.h"
#include "common/config.h"
#include "common/err.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/rng.h"
#include "proto/link.h"
#include "proto/origin.h"

struct bh_producer;

struct bh_producer_ops {
	/* One registry row after a greeting with a new epoch; borrows until return. A row may come
	 * again (the greeting was repeated): (identifier, gen) is its key. May be NULL. */
	void (*resume_row)(void *ctx, const struct bh_origin *row);
	/* READY for the first time: all rows were given, reading may begin at `safe`. */
	void (*ready)(void *ctx);
	/* Payload seq is durable, or was refused for good: the owner counts and logs that. Called
	 * in order of seq, once each. */
	void (*durable)(void *ctx, uint64_t seq, uint32_t items, enum bh_refuse_cause refused);
	/* bh_producer_can_send() may have become true. */
	void (*credit)(void *ctx);
	/* The fence's FENCE_ACK arrived: everything sent before it is durable. */
	void (*fenced)(void *ctx);
	/* A newer incarnation exists, or the forwarder's store was replaced: the process must exit
	 * 70 at once; its successor resumes. */
	void (*stale)(void *ctx);
	/* The sockets were renewed so often that the process should be started again, in order.
	 * May come more than once. May be NULL. */
	void (*again)(void *ctx);
};

struct bh_producer_config {
	struct bh_loop *loop;
	struct bh_log *log;
	struct bh_rng *rng;
	enum bh_role role;   /* BH_ROLE_DOGSTATSD or BH_ROLE_LOGS; names the sockets */
	const char *run_dir; /* sockets: bh_link_path() below it */
	uint64_t run_id;     /* from the supervisor: token of HELLO */
	uint32_t generation;
	const uid_t *uids; /* [BH_ROLE__N] users of the processes, (uid_t)-1 = the own one; borrowed
			    * for the call; NULL = all the own one */
	const struct bh_producer_ops *ops; /* borrowed for the life of the producer */
	void *ctx;
};

/* "<run_dir>/link/<role>.data" (answers = false) or "….answer". -ENAMETOOLONG beyond cap or 107
 * bytes. */
int bh_link_path(
    char *out, size_t cap, const char *run_dir, enum bh_role role, bool answers) BH_MUST_CHECK;

int bh_producer_new(struct bh_producer **out, const struct bh_producer_config *cfg,
    struct bh_err *err) BH_MUST_CHECK;
void bh_producer_free(struct bh_producer *p);

/* True when a payload of body_len may be sent now: READY and within credit (one is always allowed).
 */
bool bh_producer_can_send(const struct bh_producer *p, size_t body_len);

/* Takes a copy of origins and body into its window and sends. Returns 0 and *seq; -EAGAIN when
 * can_send is false; BH_E_LIMIT when body > BH_LINK_BODY_MAX (never sendable: drop and count). */
int bh_producer_send(
    struct bh_producer *p, const struct bh_link_data *d, uint64_t *seq) BH_MUST_CHECK;

/* Asks for FENCE_ACK behind everything sent so far; repeated on silence by itself. An empty window
 * still goes to the forwarder and back. */
void bh_producer_fence(struct bh_producer *p);

/* PEER_STATE of the forwarder, from the supervisor: renewal counts silence only while it runs. */
void bh_producer_peer_running(struct bh_producer *p, bool running);

struct bh_producer_stats {
	uint64_t last_seq;     /* last assigned */
	uint64_t base_seq;     /* durable through */
	uint64_t window_items; /* items in the window */
	uint64_t window_bytes; /* bodies */
	uint32_t window_msgs;
	uint64_t resent; /* payloads sent more than once */
	unsigned renewals;
	bool ready;
	uint64_t epoch;
};

void bh_producer_stats(const struct bh_producer *p, struct bh_producer_stats *st);

#endif
