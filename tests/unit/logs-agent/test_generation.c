/* What a look at an open file tells: spec/logs.md §4.5, 1 and 2. */
#include "logs-agent/generation.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct look_case {
	const char *name;
	const char *before, *after; /* content when read, and at the look */
	bool long_ago;              /* modified long before, and looked at since */
	enum bh_file_change want;
};

static const struct look_case look_cases[] = {
    {"nothing", "one\n", "one\n", false, BH_FILE_SAME},
    {"empty", "", "", false, BH_FILE_SAME},
    {"more", "one\n", "one\ntwo\n", false, BH_FILE_GREW},
    {"first bytes", "", "one\n", false, BH_FILE_GREW},
    {"less", "one\n", "on", false, BH_FILE_TRUNCATED},
    {"to nothing", "one\n", "", false, BH_FILE_TRUNCATED},
    {"grown past our place", "one\n", "new one\n", false, BH_FILE_TRUNCATED},
    {"grown to our place", "one\n", "two\n", false, BH_FILE_TRUNCATED},
    {"not modified: not read", "one\n", "two\n", true, BH_FILE_SAME},
};

static void write_all(int fd, const char *text)
{
	cr_assert_eq(ftruncate(fd, 0), 0);
	cr_assert_eq(pwrite(fd, text, strlen(text), 0), (ssize_t)strlen(text));
}

Test(generation, looks)
{
	for (size_t i = 0; i < BH_ARRAY_LEN(look_cases); i++) {
		const struct look_case *c = &look_cases[i];
		char path[] = "/tmp/bh-look-XXXXXX";
		struct bh_generation g = {.fd = mkstemp(path)};
		struct stat st;

		cr_assert_geq(g.fd, 0);
		cr_assert_eq(unlink(path), 0);
		bh_window_add(&g.read_window, c->before, strlen(c->before));
		g.read_off = strlen(c->before);
		write_all(g.fd, c->after);
		cr_assert_eq(fstat(g.fd, &st), 0);
		if (c->long_ago) {
			st.st_mtim.tv_sec -= 3600;
			g.mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
		}
		cr_expect_eq(bh_generation_look(&g, &st), c->want, "%s", c->name);
		(void)close(g.fd);
	}
}

/* A change within the grain of the file clock is seen at the next look. */
Test(generation, a_fresh_time_of_modification_is_not_trusted)
{
	char path[] = "/tmp/bh-look-XXXXXX";
	struct bh_generation g = {.fd = mkstemp(path), .read_off = 4};
	struct stat st;

	cr_assert_geq(g.fd, 0);
	cr_assert_eq(unlink(path), 0);
	bh_window_add(&g.read_window, "one\n", 4);
	write_all(g.fd, "one\n");
	cr_assert_eq(fstat(g.fd, &st), 0);
	cr_expect_eq(bh_generation_look(&g, &st), BH_FILE_SAME);
	write_all(g.fd, "two\n"); /* st keeps the time it had */
	cr_expect_eq(bh_generation_look(&g, &st), BH_FILE_TRUNCATED);
	(void)close(g.fd);
}
