/*
 * No allocation per sample in steady state (DESIGN.md §10): malloc and its kin are counted while
 * samples of known contexts come in. The counting functions stand before the C library's, which is
 * why this file is not part of builds with sanitizers.
 */
#include <criterion/criterion.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/dogstatsd/fixture.h"

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

static atomic_ullong allocations;

void *malloc(size_t n)
{
	atomic_fetch_add(&allocations, 1);
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	atomic_fetch_add(&allocations, 1);
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	atomic_fetch_add(&allocations, 1);
	return __libc_realloc(p, n);
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
