/* Open buckets on their way to the next process: DESIGN.md §11. */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/rng.h"
#include "dogstatsd/handover.h"
#include "tests/unit/dogstatsd/fixture.h"

static struct fixture f;
static struct bh_err err;
static int fd;

static void setup(void)
{
	fixture_defaults(&f);
	fixture_open(&f);
	fd = memfd_create("test", MFD_CLOEXEC);
	cr_assert_geq(fd, 0);
}

static void teardown(void)
{
	fixture_close(&f);
	(void)close(fd);
}

TestSuite(handover, .init = setup, .fini = teardown);

static void fill(int64_t now)
{
	fixture_send(&f, now,
	    "c:1|c|#a:b,c\nc:2|c|@0.5|#a:b,c\ng:5|g\nh:1:10:4|h|@0.5\ns:x|s\ns:y|s\ns:x|s\n"
	    "d:1:2:3|d|#z\nd:-5|d|@0.1|#z\nhosted:1|c|#host:other\nempty:1|c|#host:");
}

/* The fixture's sampler is replaced by one that read what it had written. */
static int pass_on(void)
{
	struct bh_handover h;
	int rc;

	cr_assert_eq(bh_handover_write(&f.sampler, fd, &err), 0, "%s", err.text);
	fixture_close(&f);
	fixture_open(&f);
	rc = bh_handover_open(&h, fd, &err);
	if (rc)
		return rc;
	cr_assert_eq(h.seed, f.sampler.contexts.resolver.seed, "the fixture's seed is fixed");
	rc = bh_handover_read(&h, &f.sampler, &err);
	bh_handover_close(&h);
	return rc;
}

Test(handover, a_bucket_that_was_passed_on_goes_out_as_if_it_had_stayed)
{
	char *stayed;

	fill(1000);
	fill(1003);
	fill(1011);
	stayed = strdup(fixture_flush(&f, 1030, false));
	fixture_close(&f);
	fixture_open(&f);
	fill(1000);
	cr_assert_eq(pass_on(), 0, "%s", err.text);
	fill(1003);
	fill(1011);
	cr_assert_eq(pass_on(), 0, "%s", err.text);
	cr_expect_str_eq(fixture_flush(&f, 1030, false), stayed);
	free(stayed);
}

Test(handover, idle_counters_keep_their_zeros)
{
	fixture_send(&f, 1000, "idle:1|c\nbusy:1|c");
	(void)fixture_flush(&f, 1010, false);
	cr_assert_eq(pass_on(), 0, "%s", err.text);
	fixture_send(&f, 1010, "busy:1|c");
	cr_expect_str_eq(fixture_flush(&f, 1020, false),
	    "busy rate host=h tags= interval=10 1010:0.1\n"
	    "idle rate host=h tags= interval=10 1010:0\n");
	cr_expect_eq(bh_contexts_count(&f.sampler.contexts), 2);
}

Test(handover, nothing_at_all_is_passed_on_too)
{
	cr_assert_eq(pass_on(), 0, "%s", err.text);
	cr_expect_str_eq(fixture_flush(&f, 1030, true), "");
}

Test(handover, ten_thousand_contexts_arrive)
{
	char line[64];

	f.cfg.dogstatsd_context_limit = 20000;
	fixture_close(&f);
	fixture_open(&f);
	for (int i = 0; i < 10000; i++) {
		(void)snprintf(line, sizeof(line), "m.%d:%d|c|#t:%d", i, i, i);
		fixture_send(&f, 1000, line);
	}
	cr_assert_eq(pass_on(), 0, "%s", err.text);
	cr_expect_eq(bh_contexts_count(&f.sampler.contexts), 10000);
	cr_expect_not_null(strstr(fixture_flush(&f, 1010, false),
	    "m.9999 rate host=h tags=t:9999 interval=10 1000:999.9\n"));
}

Test(handover, a_full_memory_is_an_error_and_leaves_nothing_behind)
{
	fill(1000);
	(void)close(fd);
	fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	cr_assert_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0);
	cr_expect_eq(bh_handover_write(&f.sampler, fd, &err), -EPERM);
	cr_expect_eq(lseek(fd, 0, SEEK_END), 0);
	cr_expect_str_neq(fixture_flush(&f, 1010, true), "", "the sampler can still be flushed");
}

/* Whatever stands in the memfd: refused or read, never a crash, never a read beyond it. */
Test(handover, damage_is_refused)
{
	struct bh_handover h;
	struct bh_rng rng;
	char *good, *bad;
	size_t n;

	bh_rng_seed(&rng, 3);
	fill(1000);
	fill(1010);
	cr_assert_eq(bh_handover_write(&f.sampler, fd, &err), 0);
	n = (size_t)lseek(fd, 0, SEEK_END);
	good = malloc(n);
	bad = malloc(n);
	cr_assert_eq(pread(fd, good, n, 0), (ssize_t)n);
	for (int i = 0; i < 3000; i++) {
		size_t len = i % 3 ? n : (size_t)(bh_rng_u64(&rng) % n);

		memcpy(bad, good, n);
		for (uint64_t k = bh_rng_u64(&rng) % 4 + 1; k; k--)
			bad[bh_rng_u64(&rng) % n] ^= (char)(1 << bh_rng_u64(&rng) % 8);
		cr_assert_eq(ftruncate(fd, 0), 0);
		cr_assert_eq(pwrite(fd, bad, len, 0), (ssize_t)len);
		if (bh_handover_open(&h, fd, &err) == 0) {
			bh_handover_close(&h);
			cr_assert_fail("damage went through the checksum");
		}
		/* Past the checksum, as if a writer of another build had made it. */
		h = (struct bh_handover){bad, n, 42};
		fixture_close(&f);
		fixture_open(&f);
		if (bh_handover_read(&h, &f.sampler, &err) == 0)
			(void)fixture_flush(&f, 1030, true);
	}
	free(good);
	free(bad);
}

Test(handover, takes_all_contexts_while_their_table_moves)
{
	char line[64];
	unsigned n = 0;

	fixture_close(&f);
	f.cfg.dogstatsd_context_limit = 100000;
	fixture_open(&f);
	while (n < 2000 || !f.sampler.contexts.by_identity.old) {
		(void)snprintf(line, sizeof(line), "m.%u:1|c", n++);
		fixture_send(&f, 1000, line);
	}
	cr_assert_eq(pass_on(), 0, "%s", err.text);
	cr_expect_eq(bh_contexts_count(&f.sampler.contexts), n);
}

/* Two aggregates of one context in one bucket of sketches. */
Test(handover, takes_late_copies_that_are_parts_of_one_sketch)
{
	fixture_close(&f);
	f.cfg.histogram_copy_to_distribution = true;
	fixture_open(&f);
	fixture_send(&f, 1000, "h:1|h|T1011\nh:1|h|T1021\nh:1|h|T1012");
	cr_assert_eq(bh_sampler_aggregates(&f.sampler), 3);
	cr_assert_eq(pass_on(), 0, "%s", err.text);
	cr_expect_str_eq(fixture_flush(&f, 1030, false),
	    "h sketch host=h tags= 1010:cnt=2,min=1,max=1,avg=1,sum=2,bins=1338*2"
	    " 1020:cnt=1,min=1,max=1,avg=1,sum=1,bins=1338*1\n");
}
