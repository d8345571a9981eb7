/*
 * No allocation per sample in steady state (DESIGN.md §10): malloc and its kin are counted while
 * samples of known contexts come in; and what becomes of a flush when they find no memory. These
 * functions stand before the C library's, which is why this file is not part of builds with
 * sanitizers.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dogstatsd/outlet.h"
#include "tests/unit/dogstatsd/fixture.h"

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

static atomic_ullong allocations;
static atomic_bool exhausted; /* no memory for anybody */

void *malloc(size_t n)
{
	atomic_fetch_add(&allocations, 1);
	return atomic_load(&exhausted) ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	atomic_fetch_add(&allocations, 1);
	return atomic_load(&exhausted) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	atomic_fetch_add(&allocations, 1);
	return atomic_load(&exhausted) ? NULL : __libc_realloc(p, n);
}

static struct fixture f;

static void setup(void)
{
	fixture_defaults(&f);
	fixture_open(&f);
}

static void teardown(void)
{
	fixture_close(&f);
}

TestSuite(steady_state, .init = setup, .fini = teardown);

/* Allocations while `rounds` datagrams of known contexts are taken. */
static unsigned long long during(const char *text, int rounds)
{
	struct bh_str datagram = {text, strlen(text)};
	unsigned long long before = atomic_load(&allocations);

	for (int i = 0; i < rounds; i++)
		bh_ingest_datagram(&f.ingest, datagram, 0, 1000, &f.ledger, &f.bad);
	return atomic_load(&allocations) - before;
}

Test(steady_state, a_sample_of_a_known_context_allocates_nothing)
{
	static const char text[] = "hits:1|c|#env:prod,zone:a\nlevel:5.5|g|#env:prod\n"
				   "size:1:2:3|d|@0.5|#env:prod,host:web\nusers:ann|s\nnonsense\n";

	cr_assert_gt(during(text, 1), 0, "the counter counts");
	(void)during(text, 100);
	cr_expect_eq(during(text, 10000), 0);
}

Test(steady_state, histograms_allocate_only_to_grow)
{
	(void)during("lat:1:2:3:4|h|#a:b\n", 100);
	/* 40,000 values in a list that doubles */
	cr_expect_lt(during("lat:1:2:3:4|h|#a:b\n", 10000), 16);
}

Test(steady_state, a_bucket_costs_few_allocations_not_one_a_context)
{
	char line[64];
	unsigned long long before;

	for (int64_t now = 1000; now <= 1010; now += 10) {
		before = atomic_load(&allocations);
		for (int i = 0; i < 900; i++) {
			int n = snprintf(line, sizeof(line), "m.%d:1|c", i);

			bh_ingest_datagram(
			    &f.ingest, (struct bh_str){line, (size_t)n}, 0, now, &f.ledger, &f.bad);
		}
		(void)fixture_flush(&f, now + 10, false);
	}
	before = atomic_load(&allocations);
	for (int i = 0; i < 900; i++) {
		int n = snprintf(line, sizeof(line), "m.%d:1|c", i);

		bh_ingest_datagram(
		    &f.ingest, (struct bh_str){line, (size_t)n}, 0, 1020, &f.ledger, &f.bad);
	}
	cr_expect_leq(atomic_load(&allocations) - before, 6);
}

/* --- without memory -----------------------------------------------------------------------------
 */

static struct bh_outlet outlet;
static struct bh_fake_clock fake;
static struct bh_clock clock_;

static void open_outlet(void)
{
	struct bh_err err = BH_ERR_INIT;

	setup();
	fake = (struct bh_fake_clock){.wall_ns = 5 * BH_NS_PER_S};
	clock_ = bh_clock_fake(&fake);
	cr_assert_eq(bh_outlet_init(&outlet, NULL, &f.cfg, &clock_, NULL, &err), 0, "%s", err.text);
}

static void close_outlet(void)
{
	bh_outlet_release(&outlet);
	teardown();
}

TestSuite(no_memory, .init = open_outlet, .fini = close_outlet);

/* Asks for a flush as its timer does: the outlet first, then the sampler. */
static int try_flush(int64_t now)
{
	struct bh_flush_set *set = NULL;
	int rc =
	    bh_outlet_ready(&outlet) ? bh_sampler_flush(&f.sampler, now, false, &set) : -ENOMEM;

	if (!rc)
		bh_outlet_flush(&outlet, set, &f.notices);
	return rc;
}

static struct bh_ledger ledger(void)
{
	struct bh_ledger l;

	bh_outlet_ledger(&outlet, &f.late, &f.notices, &l);
	cr_expect_eq(bh_ledger_gap(&l), 0);
	return l;
}

Test(no_memory, buckets_wait_for_the_next_tick)
{
	const char *text;

	fixture_send(&f, 1000, "a:1|c\nd:1|d");
	atomic_store(&exhausted, true);
	cr_expect_eq(try_flush(1010), -ENOMEM);
	cr_expect_eq(ledger().received, 0);
	cr_expect_eq(bh_sampler_aggregates(&f.sampler), 2);
	atomic_store(&exhausted, false);
	/* The outlet finds memory, the sampler none. */
	cr_assert(bh_outlet_ready(&outlet));
	atomic_store(&exhausted, true);
	cr_expect_eq(try_flush(1010), -ENOMEM);
	atomic_store(&exhausted, false);
	fixture_send(&f, 1012, "a:2|c");
	cr_expect_eq(try_flush(1020), 0);
	f.payloads = outlet.queue.head;
	outlet.queue.head = outlet.queue.tail = NULL;
	text = fixture_text(&f);
	cr_expect_not_null(strstr(text, "a rate host=h tags= interval=10 1000:0.1 1010:0.2\n"));
	cr_expect_not_null(strstr(text, "d sketch host=h tags= 1000:cnt=1"));
}

Test(no_memory, a_last_flush_without_it_counts_what_is_lost)
{
	struct bh_ledger l;

	fixture_send(&f, 1000, "a:1|c\nd:1|d\nh:1|h");
	bh_outlet_unflushed(&outlet, bh_sampler_aggregates(&f.sampler));
	l = ledger();
	cr_expect_eq(l.received, 3);
	cr_expect_eq(l.dropped[BH_DROP_NO_MEMORY], 3);
}

Test(no_memory, timestamped_samples_without_it_are_counted_as_dropped)
{
	struct bh_ledger l;

	fixture_send(&f, 1000, "t:1:2|g|T17");
	atomic_store(&exhausted, true);
	bh_outlet_late(&outlet, &f.late);
	atomic_store(&exhausted, false);
	l = ledger();
	cr_expect_eq(l.received, 2);
	cr_expect_eq(l.dropped[BH_DROP_NO_MEMORY], 2);
	cr_expect_eq(l.dropped[BH_DROP_QUEUE_FULL], 0);
}

Test(no_memory, what_the_encoder_finds_none_for_is_counted)
{
	struct bh_flush_set *set;
	struct bh_ledger l;

	fixture_send(&f, 1000, "a:1|c\nd:1|d\nh:1|h");
	cr_assert(bh_outlet_ready(&outlet));
	cr_assert_eq(bh_sampler_flush(&f.sampler, 1010, false, &set), 0);
	atomic_store(&exhausted, true);
	bh_outlet_flush(&outlet, set, &f.notices);
	atomic_store(&exhausted, false);
	l = ledger();
	cr_expect_gt(l.received, 3);
	cr_expect_eq(l.dropped[BH_DROP_NO_MEMORY], l.received);
}
