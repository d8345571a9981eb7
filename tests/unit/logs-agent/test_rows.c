/* Rows of the registry and targets: spec/logs.md §4.2, §4.4. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/crc.h"
#include "logs-agent/rows.h"
#include "logs-agent/target.h"

/* A file of n bytes, none of its tails alike; the caller closes it. */
static int make_file(size_t n, struct stat *st)
{
	char path[] = "/tmp/bh-rows-XXXXXX";
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	cr_assert_eq(unlink(path), 0);
	for (size_t i = 0; i < n; i++) {
		char c = (char)('a' + (i * i + i / 7) % 26);

		cr_assert_eq(write(fd, &c, 1), 1);
	}
	cr_assert_eq(fstat(fd, st), 0);
	return fd;
}

/* A row of that file, read to offset. */
static struct bh_row *put(struct bh_rows *r, uint64_t gen, const struct stat *st, int fd,
    uint64_t offset, enum bh_origin_state state)
{
	size_t n = (size_t)BH_MIN(offset, (uint64_t)256);
	char marker[256], at[24];
	struct bh_origin o = {
	    .identifier = BH_STR_LIT("file:/x/app.log"),
	    .path = BH_STR_LIT("/x/app.log"),
	    .gen = gen,
	    .dev = st->st_dev,
	    .ino = st->st_ino,
	    .state = state,
	    .marker_len = (uint32_t)n,
	};

	cr_assert_eq(pread(fd, marker, n, (off_t)(offset - n)), (ssize_t)n);
	o.marker_hash = bh_crc64(0, marker, n);
	(void)snprintf(at, sizeof(at), "%llu", (unsigned long long)offset);
	o.offset_first = o.offset_last = bh_str_from(at);
	return bh_rows_put(r, &o, false);
}

/* Which of two rows of one inode is taken, in whatever order they came. */
Test(rows, of_rows_with_one_inode_the_nearest_is_taken)
{
	static const struct {
		uint64_t a, b; /* offsets */
		enum bh_origin_state a_state, b_state;
		uint64_t want;
	} cases[] = {
	    /* the leftover of an empty file fits everything */
	    {0, 500, BH_ORIGIN_FINISHED, BH_ORIGIN_LIVE, 500},
	    {0, 500, BH_ORIGIN_LIVE, BH_ORIGIN_LIVE, 500},
	    /* a live one is nearer, whatever the finished one proves */
	    {700, 100, BH_ORIGIN_FINISHED, BH_ORIGIN_LIVE, 100},
	    {700, 100, BH_ORIGIN_FINISHED, BH_ORIGIN_DRAINING, 100},
	    /* of two finished ones the one that was read farther */
	    {300, 700, BH_ORIGIN_FINISHED, BH_ORIGIN_FINISHED, 700},
	    /* beyond the end: other content */
	    {300, 5000, BH_ORIGIN_FINISHED, BH_ORIGIN_LIVE, 300},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		for (int swapped = 0; swapped < 2; swapped++) {
			struct bh_rows r = {0};
			struct stat st, st_long;
			int fd = make_file(1000, &st), longer = make_file(6000, &st_long);
			const struct bh_row *row;

			if (swapped)
				cr_assert(put(&r, 2, &st, longer, cases[i].b, cases[i].b_state));
			cr_assert(put(&r, 1, &st, longer, cases[i].a, cases[i].a_state));
			if (!swapped)
				cr_assert(put(&r, 2, &st, longer, cases[i].b, cases[i].b_state));
			row = bh_rows_of_file(&r, st.st_dev, st.st_ino, fd);
			cr_assert(row, "case %zu", i);
			cr_expect_eq(row->offset, cases[i].want, "case %zu: %llu", i,
			    (unsigned long long)row->offset);
			bh_rows_release(&r);
			(void)close(fd);
			(void)close(longer);
		}
	}
}

Test(rows, content_decides_under_another_device_only_with_a_whole_marker)
{
	struct bh_rows r = {0};
	struct stat st;
	int fd = make_file(1000, &st);

	cr_assert(put(&r, 1, &st, fd, 100, BH_ORIGIN_LIVE));
	cr_expect_not(bh_rows_of_file(&r, st.st_dev + 1, st.st_ino, fd));
	cr_assert(put(&r, 1, &st, fd, 256, BH_ORIGIN_LIVE));
	cr_expect(bh_rows_of_file(&r, st.st_dev + 1, st.st_ino, fd));
	cr_expect_not(bh_rows_of_file(&r, st.st_dev, st.st_ino + 1, fd));
	cr_assert_eq(pwrite(fd, "#", 1, 255), 1);
	cr_expect_not(bh_rows_of_file(&r, st.st_dev, st.st_ino, fd));
	bh_rows_release(&r);
	(void)close(fd);
}

Test(rows, an_inode_that_held_another_generation_is_known)
{
	struct bh_rows r = {0};
	struct stat st;
	int fd = make_file(10, &st);

	cr_expect_not(bh_rows_had_before(&r, st.st_dev, st.st_ino, 1));
	cr_assert(put(&r, 1, &st, fd, 0, BH_ORIGIN_LIVE));
	cr_expect_not(bh_rows_had_before(&r, st.st_dev, st.st_ino, 1));
	cr_expect(bh_rows_had_before(&r, st.st_dev, st.st_ino, 2));
	cr_expect_not(bh_rows_had_before(&r, st.st_dev, st.st_ino + 1, 2));
	bh_rows_release(&r);
	(void)close(fd);
}

Test(rows, one_that_moves_to_another_inode_is_found_there_also_among_thousands)
{
	struct bh_rows r = {0};
	struct stat st;
	int fd = make_file(10, &st);
	struct stat other = st;
	struct bh_row *row;

	for (uint64_t gen = 1; gen <= 3000; gen++) {
		other.st_ino = (ino_t)(gen + 1000000);
		cr_assert(put(&r, gen, &other, fd, 0, BH_ORIGIN_LIVE));
	}
	cr_expect_eq(r.n, 3000);
	row = put(&r, 1500, &st, fd, 10, BH_ORIGIN_DRAINING);
	cr_expect_eq(r.n, 3000);
	cr_expect_eq(bh_rows_of_file(&r, st.st_dev, st.st_ino, fd), row);
	cr_expect_not(bh_rows_know_inode(&r, 1001500));
	bh_rows_remove(&r, row);
	cr_expect_not(bh_rows_know_inode(&r, st.st_ino));
	cr_expect_eq(r.n, 2999);
	bh_rows_release(&r);
	(void)close(fd);
}

Test(targets, are_found_until_they_are_removed)
{
	struct bh_targets t = {0};
	struct bh_target *one;
	char path[32];

	cr_expect_not(bh_targets_find(&t, "/x/0"));
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(path, sizeof(path), "/x/%d", i);
		one = bh_targets_put(&t, path, NULL);
		cr_assert(one);
		cr_expect_eq(bh_targets_put(&t, path, NULL), one);
	}
	cr_expect_eq(t.n, 1000);
	one = bh_targets_find(&t, "/x/777");
	cr_assert_str_eq(one->path, "/x/777");
	bh_targets_remove(&t, one);
	cr_expect_not(bh_targets_find(&t, "/x/777"));
	cr_expect(bh_targets_find(&t, "/x/999"));
	cr_expect_eq(t.n, 999);
	bh_targets_release(&t);
}
