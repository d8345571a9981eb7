/*
 * The forwarder's end of the link: for each producer one PULL listener (data) and one PUSH listener
 * (answers), HELLO/WELCOME/RESUME, dedup through struct bh_receiver, acknowledgements and credit.
 * Custody of payloads is not decided here: accepted ones go to ops->data with their message.
 *
 * The intake never says "durable" by itself: acks carry what bh_intake_receiver() holds, and that
 * is changed by the custodian after COMMIT only.
 */
#ifndef BH_FORWARDER_INTAKE_H
#define BH_FORWARDER_INTAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config.h"
#include "common/err.h"
#include "common/ipc.h"
#include "common/log.h"
#include "common/loop.h"
#include "forwarder/receiver.h"
#include "proto/link.h"
#include "proto/origin.h"

struct bh_intake;
struct bh_resume_writer; /* collects registry rows into RESUME messages */

/* Adds a row (borrowed). 0 or an error that must be returned by ops->resume. */
int bh_resume_add(struct bh_resume_writer *w, const struct bh_origin *row) BH_MUST_CHECK;

struct bh_intake_ops {
	/* A new epoch said HELLO. Make everything received of the old one durable (T4) together
	 * with the mark (new_epoch, 0, 0). 0: committed, the intake adopts and welcomes. Error: no
	 * answer is sent; the producer says HELLO again. */
	int (*fence_epoch)(void *ctx, enum bh_role producer, uint64_t new_epoch);
	/* Give every registry row that this producer resumes from. */
	int (*resume)(void *ctx, enum bh_role producer, struct bh_resume_writer *w);
	/* A payload accepted for the first time. d borrows from msg; takes msg (bh_ipc_msg_free).
	 */
	void (*data)(void *ctx, enum bh_role producer, uint64_t seq, const struct bh_link_data *d,
	    struct bh_ipc_msg *msg);
	/* A payload above base that is durable already: only its origins matter; borrows until
	 * return. */
	void (*repeat)(
	    void *ctx, enum bh_role producer, uint64_t seq, const struct bh_link_data *d);
	/* A payload that never can be read: seq is to become durable without it, as one of
	 * positions only. origins: those it has, where they can be read; borrowed until return.
	 * REFUSE goes out by itself, before the first answer that covers seq. */
	void (*refused)(void *ctx, enum bh_role producer, uint64_t seq, struct bh_str origins);
	/* FENCE: make everything up to seq durable now, then call bh_intake_fence_ack once base >=
	 * seq. */
	void (*fence)(void *ctx, enum bh_role producer, uint64_t seq);
};

struct bh_intake_config {
	struct bh_loop *loop;
	struct bh_log *log;
	const char *run_dir;
	uint64_t run_id; /* HELLO with another token is ignored and counted */
	uint8_t store_id[16];
	uid_t peer_uid[BH_ROLE__N]; /* who may speak for each producer; (uid_t)-1 = own uid */
	const struct bh_intake_ops *ops;
	void *ctx;
};

/* Opens the four sockets. The link directory exists (supervisor). Errors: BH_E_NET, -errno, with
 * text. */
int bh_intake_new(
    struct bh_intake **out, const struct bh_intake_config *cfg, struct bh_err *err) BH_MUST_CHECK;
void bh_intake_free(struct bh_intake *in);

/* The dedup state of a producer; set it from the store before the loop runs. */
struct bh_receiver *bh_intake_receiver(struct bh_intake *in, enum bh_role producer);

/* Sends ACK with the receiver's base and mask. credit 0 = stop sending (spool full with block). */
void bh_intake_ack(
    struct bh_intake *in, enum bh_role producer, enum bh_store_state store, bool credit);
void bh_intake_fence_ack(struct bh_intake *in, enum bh_role producer, uint64_t seq);
void bh_intake_peer_running(struct bh_intake *in, enum bh_role producer, bool running);

bool bh_intake_connected(const struct bh_intake *in); /* any producer is there now */

/* Takes and answers nothing any more: the store is about to be closed. Producers keep what they
 * send, and give it to the next process. */
void bh_intake_deafen(struct bh_intake *in);

struct bh_intake_stats {
	uint64_t accepted, repeats, gaps, wrong_epoch, malformed, refused, wrong_token, hellos,
	    recycles, answers_lost;
};
void bh_intake_stats(const struct bh_intake *in, enum bh_role producer, struct bh_intake_stats *st);

#endif
