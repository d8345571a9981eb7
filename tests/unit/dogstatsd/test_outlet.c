#include <criterion/criterion.h>

#include <string.h>

#include "common/version.h"
#include "dogstatsd/outlet.h"
#include "dogstatsd/selfmetrics.h"
#include "tests/unit/dogstatsd/fixture.h"

static struct fixture f;
static struct bh_outlet outlet;
static struct bh_fake_clock fake;
static struct bh_clock clock_;
static struct bh_err err;

static void setup(void)
{
	fixture_defaults(&f);
	fixture_open(&f);
	fake = (struct bh_fake_clock){.wall_ns = 5 * BH_NS_PER_S};
	clock_ = bh_clock_fake(&fake);
	cr_assert_eq(bh_outlet_init(&outlet, NULL, &f.cfg, &clock_, NULL, &err), 0, "%s", err.text);
}

static void teardown(void)
{
	bh_outlet_release(&outlet);
	fixture_close(&f);
}

TestSuite(outlet, .init = setup, .fini = teardown);

static void flush(int64_t now)
{
	struct bh_flush_set *set;

	cr_assert_eq(bh_sampler_flush(&f.sampler, now, false, &set), 0);
	cr_assert(bh_outlet_ready(&outlet));
	bh_outlet_flush(&outlet, set, &f.notices);
}

/* Moves the queue to the fixture, which turns it into text. */
static const char *queued(void)
{
	f.payloads = outlet.queue.head;
	outlet.queue.head = outlet.queue.tail = NULL;
	return fixture_text(&f);
}

#define UP(now) \
	"[{\"check\":\"datadog.agent.up\",\"host_name\":\"h\",\"timestamp\":" now \
	",\"status\":0,\"message\":\"\",\"tags\":[]}]\n"

Test(outlet, sends_that_the_agent_runs_with_every_flush)
{
	flush(1010);
	cr_assert_not_null(outlet.queue.head);
	cr_expect_eq(outlet.queue.head->kind, BH_KIND_SERIES_V2);
	cr_expect_eq(outlet.queue.head->ts_ms, 5000);
	cr_assert_not_null(outlet.queue.head->next);
	cr_expect_eq(outlet.queue.head->next->kind, BH_KIND_CHECKS);
	cr_expect_null(outlet.queue.head->next->next);
	cr_expect_str_eq(queued(),
	    UP("1010") "datadog.agent.running gauge host=h tags=version:" BH_AGENT_VERSION
		       " interval=0 1010:1\n");
}

Test(outlet, queues_series_and_sketches_while_there_is_no_link)
{
	struct bh_ledger l;

	fixture_send(&f, 1000, "a:1|c\nd:1|d\nt:1|g|T17");
	bh_outlet_late(&outlet, &f.late);
	flush(1010);
	cr_expect_eq(bh_outlet_pending(&outlet), 5);
	cr_expect_gt(bh_outlet_pending_bytes(&outlet), 0);
	bh_outlet_ledger(&outlet, &f.late, &f.notices, &l);
	cr_expect_eq(l.received, 5);
	cr_expect_eq(l.in_flight, 5);
	cr_expect_eq(bh_ledger_gap(&l), 0);
}

Test(outlet, counts_the_timestamped_samples_that_still_wait)
{
	struct bh_ledger l;

	fixture_send(&f, 1000, "t:1:2|g|T17");
	bh_outlet_ledger(&outlet, &f.late, &f.notices, &l);
	cr_expect_eq(l.received, 2);
	cr_expect_eq(l.in_flight, 2);
	cr_expect_eq(bh_ledger_gap(&l), 0);
}

Test(outlet, drops_the_oldest_payloads_when_the_queue_is_full_and_counts_their_points)
{
	struct bh_ledger l;

	outlet.queue.max_bytes = 300;
	for (int64_t t = 1010; t < 1200; t += 10)
		flush(t);
	bh_outlet_ledger(&outlet, &f.late, &f.notices, &l);
	cr_expect_eq(l.received, 2 * 19);
	cr_expect_gt(l.dropped[BH_DROP_QUEUE_FULL], 20);
	cr_expect_eq(bh_ledger_gap(&l), 0);
	cr_expect_leq(outlet.queue.bytes, 300);
}

/* spec/intake.md §13.4: without a spool the Agent's keys decide, when one is set. */
Test(outlet, the_queue_is_64_mib_unless_a_key_says_how_much_metrics_wait_in_memory)
{
	static const struct {
		int64_t storage, bytes, payloads;
		size_t want;
	} cases[] = {
	    {-1, -1, 0, BH_OUTLET_QUEUE_BYTES},
	    {-1, 1000, 0, BH_OUTLET_QUEUE_BYTES},
	    {1 << 30, 1000, 0, BH_OUTLET_QUEUE_BYTES},
	    {0, -1, 0, BH_OUTLET_QUEUE_BYTES},
	    {0, 1000, 0, 1000},
	    {0, 0, 0, 0},
	    {0, -1, 3, (size_t)6 << 20},
	    {0, (int64_t)1 << 30, 3, (size_t)1 << 30},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		bh_outlet_release(&outlet);
		f.cfg.forwarder_storage_max_size_in_bytes = cases[i].storage;
		f.cfg.forwarder_retry_queue_payloads_max_size = cases[i].bytes;
		f.cfg.forwarder_retry_queue_max_size = cases[i].payloads;
		cr_assert_eq(bh_outlet_init(&outlet, NULL, &f.cfg, &clock_, NULL, &err), 0);
		cr_expect_eq(outlet.queue.max_bytes, cases[i].want, "case %zu: %zu", i,
		    outlet.queue.max_bytes);
	}
}

Test(outlet, counts_what_is_not_finite_or_too_large)
{
	static char line[9000];
	struct bh_ledger l;

	fixture_close(&f);
	fixture_defaults(&f);
	f.cfg.serializer_max_series_payload_size = 4000;
	fixture_open(&f);
	bh_outlet_release(&outlet);
	cr_assert_eq(bh_outlet_init(&outlet, NULL, &f.cfg, &clock_, NULL, &err), 0, "%s", err.text);
	memset(line, 'n', 8000);
	memcpy(line + 8000, ":1|g", 5);
	fixture_send(&f, 1000, line);
	fixture_send(&f, 1000, "a:1.7e308:1.7e308|c");
	flush(1010);
	bh_outlet_ledger(&outlet, &f.late, &f.notices, &l);
	cr_expect_eq(l.received, 4);
	cr_expect_eq(l.dropped[BH_DROP_TOO_LARGE], 1);
	cr_expect_eq(l.dropped[BH_DROP_NONFINITE], 1);
	cr_expect_eq(bh_ledger_gap(&l), 0);
}
