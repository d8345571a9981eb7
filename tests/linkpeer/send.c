/* The producer's end: sends one number a payload, as fast as credit allows, from where it resumes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/producer.h"
#include "tests/linkpeer/state.h"

#define BODY_MAX ((size_t)64 << 10)
#define RUN_ID   1
#define NO_KIND  ((enum bh_kind)200)

struct send {
	struct bh_loop loop;
	struct bh_log log;
	struct bh_rng rng;
	struct bh_producer *producer;
	uint64_t next, until, unreadable;
	bool bad[BH_LINK_WINDOW]; /* of a seq: it cannot be read */
	unsigned char body[BODY_MAX];
	bool fencing;
	int status;
};

static void resume_row(void *ctx, const struct bh_origin *row)
{
	char text[24] = "";

	memcpy(text, row->offset_last.p, BH_MIN(row->offset_last.n, sizeof(text) - 1));
	((struct send *)ctx)->next = strtoull(text, NULL, 10);
}

static int send_one(struct send *s, struct bh_link_data *d)
{
	bool bad = s->unreadable && s->next % s->unreadable == 0;
	struct bh_buf origins = BH_BUF_INIT;
	char number[24];
	uint64_t seq;
	int rc = 0;

	if (bad) {
		const struct bh_origin o = {.identifier = BH_STR_LIT("file:campaign"),
		    .gen = 1,
		    .offset_last = {number, (size_t)snprintf(number, sizeof(number), "%llu",
						(unsigned long long)s->next)}};

		rc = bh_origins_encode(&o, 1, &origins);
		d->kind = NO_KIND;
		d->origins = bh_buf_view(&origins);
	}
	if (!rc)
		rc = bh_producer_send(s->producer, d, &seq);
	if (!rc)
		s->bad[seq % BH_LINK_WINDOW] = bad;
	bh_buf_release(&origins);
	return rc;
}

static void pump(void *ctx)
{
	struct send *s = ctx;

	for (;;) {
		struct bh_link_data d = {.kind = BH_KIND_LOGS,
		    .items = 1,
		    .body = {(const char *)s->body, sizeof(s->next)}};

		/* Sizes from a few bytes to 64 KiB: both ends of what a socket buffer takes. */
		d.body.n += (size_t)(bh_rng_u64(&s->rng) % (BODY_MAX - sizeof(s->next)));
		if (s->next >= s->until || !bh_producer_can_send(s->producer, d.body.n))
			break;
		memcpy(s->body, &s->next, sizeof(s->next));
		if (send_one(s, &d))
			break;
		s->next++;
	}
	if (s->next >= s->until && !s->fencing) {
		s->fencing = true;
		bh_producer_fence(s->producer);
	}
}

static void leave(struct send *s, int status)
{
	s->status = status;
	bh_loop_stop(&s->loop);
}

static void durable(void *ctx, uint64_t seq, uint32_t items, enum bh_refuse_cause refused)
{
	struct send *s = ctx;

	(void)items;
	if (s->bad[seq % BH_LINK_WINDOW] != (refused != BH_REFUSE_NONE)) {
		(void)fprintf(stderr, "send: payload %llu: refused %d\n", (unsigned long long)seq,
		    (int)refused);
		leave(s, 1);
	}
}

static void fenced(void *ctx)
{
	leave(ctx, 0);
}

static void stale(void *ctx)
{
	leave(ctx, 70);
}

int linkpeer_send(const char *run_dir, uint32_t generation, uint64_t until, uint64_t unreadable)
{
	static const struct bh_producer_ops ops = {
	    .resume_row = resume_row,
	    .ready = pump,
	    .durable = durable,
	    .credit = pump,
	    .fenced = fenced,
	    .stale = stale,
	};
	static struct send s;
	struct bh_producer_config cfg = {.loop = &s.loop,
	    .log = &s.log,
	    .rng = &s.rng,
	    .role = BH_ROLE_LOGS,
	    .run_dir = run_dir,
	    .run_id = RUN_ID,
	    .generation = generation,
	    .ops = &ops,
	    .ctx = &s};
	struct bh_err err = BH_ERR_INIT;

	s.unreadable = unreadable;
	s.until = BH_MIN(until, (uint64_t)LINKPEER_NUMBERS);
	bh_log_init(&s.log, &bh_clock_system, "linkpeer", STDERR_FILENO);
	bh_rng_init(&s.rng);
	if (bh_loop_init(&s.loop, &bh_clock_system) || bh_producer_new(&s.producer, &cfg, &err)) {
		(void)fprintf(stderr, "send: %s\n", err.text);
		return 1;
	}
	return bh_loop_run(&s.loop) ? 1 : s.status;
}
