/* The forwarder's end: takes numbered payloads, makes them durable out of order, acknowledges. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/rng.h"
#include "forwarder/intake.h"
#include "tests/linkpeer/state.h"

#define HELD_MAX 32
#define RUN_ID   1

struct held {
	uint64_t seq, number;
};

struct receive {
	struct linkpeer_state *state;
	struct bh_loop loop;
	struct bh_log log;
	struct bh_rng rng;
	struct bh_intake *intake;
	struct held held[HELD_MAX]; /* received, not durable */
	size_t held_n;
};

static const struct linkpeer_mark *mark(const struct receive *r)
{
	return &r->state->marks[r->state->current & 1];
}

/* The new mark is written beside the old one and takes its place with one store, as a commit does.
 */
static void commit(struct receive *r, const struct bh_receiver *rcv)
{
	struct linkpeer_mark *spare = &r->state->marks[~r->state->current & 1];

	*spare = (struct linkpeer_mark){rcv->epoch, rcv->base, rcv->mask, mark(r)->next,
	    bh_receiver_durable(rcv, rcv->refused) ? rcv->refused : 0, rcv->cause};
	while (spare->next < LINKPEER_NUMBERS && r->state->counts[spare->next])
		spare->next++;
	__atomic_store_n(&r->state->current, r->state->current + 1, __ATOMIC_SEQ_CST);
}

static void settle(struct receive *r, size_t at)
{
	struct bh_receiver *rcv = bh_intake_receiver(r->intake, BH_ROLE_LOGS);

	bh_receiver_settle(rcv, r->held[at].seq);
	if (r->held[at].number < LINKPEER_NUMBERS)
		r->state->counts[r->held[at].number]++;
	r->held[at] = r->held[--r->held_n];
	commit(r, rcv);
}

static int fence_epoch(void *ctx, enum bh_role producer, uint64_t new_epoch)
{
	struct receive *r = ctx;
	const struct bh_receiver fresh = {.epoch = new_epoch};

	(void)producer;
	while (r->held_n)
		settle(r, r->held_n - 1);
	commit(r, &fresh);
	return 0;
}

static int resume(void *ctx, enum bh_role producer, struct bh_resume_writer *w)
{
	struct receive *r = ctx;
	char next[24];
	int n = snprintf(next, sizeof(next), "%llu", (unsigned long long)mark(r)->next);
	struct bh_origin row = {
	    .identifier = BH_STR_LIT("file:campaign"),
	    .gen = 1,
	    .offset_first = {next, (size_t)n},
	    .offset_last = {next, (size_t)n},
	};

	(void)producer;
	return bh_resume_add(w, &row);
}

static void hold(struct receive *r, uint64_t seq, uint64_t number)
{
	if (r->held_n == HELD_MAX)
		settle(r, 0);
	r->held[r->held_n++] = (struct held){seq, number};
}

static void take(void *ctx, enum bh_role producer, uint64_t seq, const struct bh_link_data *d,
    struct bh_ipc_msg *msg)
{
	struct receive *r = ctx;
	uint64_t number = LINKPEER_NUMBERS;

	(void)producer;
	if (d->body.n >= sizeof(number))
		memcpy(&number, d->body.p, sizeof(number));
	bh_ipc_msg_free(msg);
	hold(r, seq, number);
}

/* Its number is in its origins. */
static void refused(void *ctx, enum bh_role producer, uint64_t seq, struct bh_str origins)
{
	struct bh_origins_reader reader;
	struct bh_origin o;
	char text[24] = "";

	(void)producer;
	if (bh_origins_begin(&reader, origins.p, origins.n) == 0 &&
	    bh_origins_next(&reader, &o) == 1)
		memcpy(text, o.offset_last.p, BH_MIN(o.offset_last.n, sizeof(text) - 1));
	hold(ctx, seq, strtoull(text, NULL, 10));
}

static void repeat(void *ctx, enum bh_role producer, uint64_t seq, const struct bh_link_data *d)
{
	(void)ctx, (void)producer, (void)seq, (void)d;
}

static void answer(struct receive *r)
{
	bh_intake_ack(r->intake, BH_ROLE_LOGS, BH_STORE_OK, true);
}

static void fence(void *ctx, enum bh_role producer, uint64_t seq)
{
	struct receive *r = ctx;

	while (r->held_n)
		settle(r, r->held_n - 1);
	answer(r);
	bh_intake_fence_ack(r->intake, producer, seq);
}

static void turn_end(void *ctx)
{
	struct receive *r = ctx;
	size_t n = (size_t)(bh_rng_u64(&r->rng) % (r->held_n + 1));

	if (n == 0 && r->held_n)
		n = 1;
	if (n == 0)
		return;
	while (n--)
		settle(r, (size_t)(bh_rng_u64(&r->rng) % r->held_n));
	answer(r);
}

int linkpeer_receive(const char *run_dir, struct linkpeer_state *state)
{
	static const struct bh_intake_ops ops = {
	    .fence_epoch = fence_epoch,
	    .resume = resume,
	    .data = take,
	    .repeat = repeat,
	    .refused = refused,
	    .fence = fence,
	};
	struct receive r = {.state = state};
	struct bh_intake_config cfg = {.loop = &r.loop,
	    .log = &r.log,
	    .run_dir = run_dir,
	    .run_id = RUN_ID,
	    .ops = &ops,
	    .ctx = &r};
	struct bh_err err = BH_ERR_INIT;
	struct bh_receiver *rcv;

	for (size_t i = 0; i < BH_ROLE__N; i++)
		cfg.peer_uid[i] = (uid_t)-1;
	bh_log_init(&r.log, &bh_clock_system, "linkpeer", STDERR_FILENO);
	bh_rng_init(&r.rng);
	if (bh_loop_init(&r.loop, &bh_clock_system) || bh_intake_new(&r.intake, &cfg, &err)) {
		(void)fprintf(stderr, "receive: %s\n", err.text);
		return 1;
	}
	rcv = bh_intake_receiver(r.intake, BH_ROLE_LOGS);
	*rcv = (struct bh_receiver){.epoch = mark(&r)->epoch,
	    .base = mark(&r)->base,
	    .mask = mark(&r)->mask,
	    .rcvd = mark(&r)->base,
	    .refused = mark(&r)->refused,
	    .cause = (enum bh_refuse_cause)mark(&r)->cause};
	bh_intake_peer_running(r.intake, BH_ROLE_LOGS, true);
	r.loop.turn_end = turn_end;
	r.loop.turn_ctx = &r;
	return bh_loop_run(&r.loop) ? 1 : 0;
}
