/* The flush thread: what goes in comes out, whole and counted, while the sampler goes on. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>

#include "dogstatsd/flusher.h"
#include "tests/unit/dogstatsd/fixture.h"

static struct fixture f;
static struct bh_loop loop;
static struct bh_flusher *flusher;
static struct bh_encoder_counts counts;
static uint64_t items, payloads;
static struct bh_err err;

static void on_result(void *ctx, struct bh_payload *p, const struct bh_encoder_counts *c)
{
	(void)ctx;
	counts = *c;
	if (!p)
		return;
	items += p->items;
	payloads++;
	cr_expect_eq(items, counts.emitted, "payloads come in the order they are counted in");
	free(p);
}

static void setup(void)
{
	fixture_defaults(&f);
	f.cfg.dogstatsd_context_limit = 1000000;
	f.cfg.serializer_max_series_points_per_payload = 100;
	fixture_open(&f);
	cr_assert_eq(bh_loop_init(&loop, &bh_clock_system), 0);
	cr_assert_eq(
	    bh_flusher_new(&flusher, &loop, &f.cfg, on_result, NULL, &err), 0, "%s", err.text);
}

static void teardown(void)
{
	bh_flusher_free(flusher);
	bh_loop_release(&loop);
	fixture_close(&f);
}

TestSuite(flusher, .init = setup, .fini = teardown);

static void fill(int contexts, int64_t now)
{
	char line[128];

	for (int i = 0; i < contexts; i++) {
		(void)snprintf(
		    line, sizeof(line), "m.%d:1|c|#a:%d\nh.%d:1:2|h\nd.%d:1|d", i, i, i, i);
		fixture_send(&f, now, line);
	}
}

static void submit(int64_t now)
{
	struct bh_flush_job *job = bh_flush_job_new();

	cr_assert_not_null(job);
	cr_assert_eq(bh_sampler_flush(&f.sampler, now, false, &job->set), 0);
	bh_flusher_submit(flusher, job);
}

static void wait_idle(void)
{
	while (bh_flusher_backlog(flusher))
		cr_assert_eq(bh_loop_turn(&loop, BH_NS_PER_S), 0);
}

Test(flusher, everything_comes_out_while_the_sampler_goes_on)
{
	int64_t now = 1000;

	for (int round = 0; round < 10; round++, now += 10) {
		fill(500, now);
		submit(now + 10);
		fill(500, now + 10); /* the same contexts, while the thread reads their identity */
		if (round % 3 == 0)
			wait_idle();
	}
	wait_idle();
	/* 7 points a context and bucket: counter, five of a histogram, sketch; and running. Each
	 * bucket got every context at least once; the last one is still open. */
	cr_expect_eq(counts.emitted, items);
	cr_expect_eq(counts.received, items);
	cr_expect_eq(items, 10 * (500 * 7 + 1));
	cr_expect_gt(payloads, 100);
}

Test(flusher, contexts_that_expire_are_read_before_they_are_freed)
{
	int64_t now = 1000;

	/* Each round's contexts expire while earlier sets that point at them may still wait. */
	for (int round = 0; round < 20; round++, now += 400) {
		fill(200, now);
		submit(now + 10);
		submit(now + 390);
	}
	wait_idle();
	cr_expect_eq(counts.emitted + counts.lost, counts.received);
	cr_expect_eq(bh_contexts_count(&f.sampler.contexts), 0);
}

Test(flusher, what_waits_at_the_end_is_freed)
{
	for (int i = 0; i < 5; i++) {
		fill(100, 1000 + 10 * i);
		submit(1010 + 10 * i);
	}
}

/* 240 payloads and more: at one in BH_FLUSHER_WAIT_NS they would take longer than the limit. */
Test(flusher, a_link_that_takes_nothing_slows_it_down_until_the_end_is_near)
{
	int64_t limit;

	bh_flusher_downstream(flusher, 2 * BH_FLUSHER_AHEAD_BYTES);
	fill(4000, 1000);
	submit(1010);
	while (payloads == 0)
		cr_assert_eq(bh_loop_turn(&loop, BH_NS_PER_S), 0);
	cr_expect_lt(payloads, 100);
	cr_expect_eq(bh_flusher_backlog(flusher), 1);
	bh_flusher_hasten(flusher);
	limit = bh_mono_ns(&bh_clock_system) + 20 * BH_NS_PER_S;
	wait_idle();
	cr_expect_lt(bh_mono_ns(&bh_clock_system), limit);
	cr_expect_gt(payloads, 240);
	cr_expect_eq(items, 4000 * 7 + 1);
}
