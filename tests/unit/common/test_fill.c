#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/child.h"
#include "common/fill.h"
#include "common/rng.h"

/* How full buffers are (spec/intake.md §16.2). */

Test(fill, a_level_is_counted_in_the_first_bin_that_is_not_below_it)
{
	static const struct {
		uint64_t level;
		unsigned bin; /* BH_FILL_BINS: none */
	} cases[] = {{0, 0}, {1, 1}, {2, 2}, {4, 2}, {5, 3}, {16, 3}, {17, 4}, {64, 4}, {65, 5},
	    {1000, 6}, {1024, 6}, {1025, 7}, {65535, 9}, {65536, 9}, {65537, 10}, {UINT64_MAX, 10}};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		struct bh_fill f = {0};
		uint64_t in_bins = 0;

		bh_fill_see(&f, cases[i].level, 100, 1);
		for (unsigned b = 0; b < BH_FILL_BINS; b++) {
			in_bins += f.bins[b];
			cr_assert_eq(f.bins[b], b == cases[i].bin, "level %llu, bin %u",
			    (unsigned long long)cases[i].level, b);
			cr_assert(b != cases[i].bin || cases[i].level <= bh_fill_bound(b));
			cr_assert(b >= cases[i].bin || cases[i].level > bh_fill_bound(b));
		}
		cr_assert_eq(f.looks, 1);
	}
	cr_assert_eq(bh_fill_bound(BH_FILL_BINS - 1), BH_FILL_TOP);
}

/* Whatever is seen: the mean lies between the levels, and counts and sums are those of the looks.
 */
Test(fill, the_counts_are_those_of_the_looks)
{
	struct bh_fill f = {0};
	uint64_t sum = 0, above = 0, in_bins = 0, highest = 0;
	struct bh_rng rng;
	int64_t now = 0;

	bh_rng_seed(&rng, 1);
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t level = bh_rng_u64(&rng) >> (33 + bh_rng_u64(&rng) % 31);

		now += (int64_t)(bh_rng_u64(&rng) % 1000000000);
		bh_fill_see(&f, level, 7, now);
		sum += level;
		above += level > BH_FILL_TOP;
		highest = BH_MAX(highest, level);
		cr_assert(f.mean >= 0 && f.mean <= (double)highest);
		cr_assert_eq(f.level, level);
	}
	for (unsigned b = 0; b < BH_FILL_BINS; b++)
		in_bins += f.bins[b];
	cr_assert_eq(f.looks, 20000);
	cr_assert_eq(in_bins + above, f.looks);
	cr_assert_eq(f.sum, sum);
	cr_assert_eq(f.max, 7);
}

Test(fill, the_mean_weighs_a_level_by_how_long_it_lasted)
{
	static const struct {
		int64_t lasted_ns;
		double mean; /* of 100 and then 0 */
	} cases[] = {{0, 100}, {BH_FILL_MEAN_NS, 50}, {3 * BH_FILL_MEAN_NS, 25}, {-5, 100}};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		struct bh_fill f = {0};

		bh_fill_see(&f, 100, 100, 1000);
		bh_fill_see(&f, 0, 100, 1000 + cases[i].lasted_ns);
		cr_assert_float_eq(f.mean, cases[i].mean, 0.001, "case %zu: %f", i, f.mean);
	}
}

/* --- the numbers --- */

static int ends[2];

static void connect_child(void)
{
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
}

static void close_child(void)
{
	(void)close(ends[1]);
}

/* In a process of its own, whose descriptor 3 is the channel. */
static void report(const struct bh_fill *f)
{
	static struct bh_child child;
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		if (dup2(ends[0], BH_CHILD_FD_CONTROL) >= 0)
			bh_fill_report(f, "logs_x", "source", &child);
		_exit(0);
	}
	(void)close(ends[0]);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0);
}

/* "name=value" of the next number; "" when there is none. */
static void next_number(char *out, size_t cap)
{
	char raw[BH_CTL_MSG_MAX];
	ssize_t n = recv(ends[1], raw, sizeof(raw), 0);
	struct bh_ctl_msg m;

	out[0] = '\0';
	if (n <= 0)
		return;
	cr_assert_eq(bh_ctl_decode(raw, (size_t)n, &m), 0);
	cr_assert_eq(m.u.stat.type, BH_STAT_NUMBER);
	(void)snprintf(out, cap, "%s=%llu", m.u.stat.name, (unsigned long long)m.u.stat.number);
}

Test(fill, is_reported_with_bins_that_add_up, .init = connect_child, .fini = close_child)
{
	static const char *const want[] = {"buffer/logs_x/source_level=70000",
	    "buffer/logs_x/source_max=9", "buffer/logs_x/source_mean=23340000",
	    "buffer/logs_x/0.0/source_bucket=1", "buffer/logs_x/1.0/source_bucket=1",
	    "buffer/logs_x/4.0/source_bucket=1", "buffer/logs_x/16.0/source_bucket=2",
	    "buffer/logs_x/64.0/source_bucket=2", "buffer/logs_x/256.0/source_bucket=2",
	    "buffer/logs_x/1024.0/source_bucket=2", "buffer/logs_x/4096.0/source_bucket=2",
	    "buffer/logs_x/16384.0/source_bucket=2", "buffer/logs_x/65536.0/source_bucket=2",
	    "buffer/logs_x/+Inf/source_bucket=3", "buffer/logs_x/source_count=3",
	    "buffer/logs_x/source_sum=70010", ""};
	struct bh_fill f = {0};
	char got[300];

	bh_fill_see(&f, 10, 9, 0);
	bh_fill_see(&f, 0, 9, 0);
	bh_fill_see(&f, 70000, 9, BH_FILL_MEAN_NS / 2);
	report(&f);
	for (size_t i = 0; i < BH_ARRAY_LEN(want); i++) {
		next_number(got, sizeof(got));
		cr_assert_str_eq(got, want[i]);
	}
}
