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

struct send {
	struct bh_loop loop;
	struct bh_log log;
	struct bh_rng rng;
	struct bh_producer *producer;
	uint64_t next, until;
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

static void pump(void *ctx)
{
	struct send *s = ctx;

	for (;;) {
		struct bh_link_data d = {.kind = BH_KIND_LOGS,
		    .items = 1,
		    .body = {(const char *)s->body, sizeof(s->next)}};
		uint64_t seq;

		/* Sizes from a few bytes to 64 KiB: both ends of what a socket buffer takes. */
		d.body.n += (size_t)(bh_rng_u64(&s->rng) % (BODY_MAX - sizeof(s->next)));
		if (s->next >= s->until || !bh_producer_can_send(s->producer, d.body.n))
			break;
		memcpy(s->body, &s->next, sizeof(s->next));
		if (bh_producer_send(s->producer, &d, &seq))
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

static void durable(void *ctx, uint64_t seq, uint32_t items, bool refused)
{
	struct send *s = ctx;

	(void)seq, (void)items;
	if (refused) {
		(void)fprintf(stderr, "send: a payload was refused\n");
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

int linkpeer_send(const char *run_dir, uint32_t generation, uint64_t until)
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

	s.until = BH_MIN(until, (uint64_t)LINKPEER_NUMBERS);
	bh_log_init(&s.log, &bh_clock_system, "linkpeer", STDERR_FILENO);
	bh_rng_init(&s.rng);
	if (bh_loop_init(&s.loop, &bh_clock_system) || bh_producer_new(&s.producer, &cfg, &err)) {
		(void)fprintf(stderr, "send: %s\n", err.text);
		return 1;
	}
	return bh_loop_run(&s.loop) ? 1 : s.status;
}
