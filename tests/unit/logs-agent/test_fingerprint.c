/* spec/logs.md §5. */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/crc.h"
#include "logs-agent/fingerprint.h"

#define LINE(count, skip, max) \
	{ \
		BH_FP_LINE_CHECKSUM, count, skip, max \
	}
#define BYTE(count, skip) \
	{ \
		BH_FP_BYTE_CHECKSUM, count, skip, 0 \
	}

static uint64_t of(const char *p, size_t n, struct bh_fingerprint_config cfg)
{
	int fd = memfd_create("head", MFD_CLOEXEC);
	uint64_t got;

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, p, n), (ssize_t)n);
	got = bh_fingerprint(fd, &cfg);
	(void)close(fd);
	return got;
}

static uint64_t crc(const char *s)
{
	return bh_crc64(0, s, strlen(s));
}

Test(fingerprint, as_the_table_says)
{
	static const struct {
		struct bh_fingerprint_config cfg;
		const char *file, *hashed; /* NULL: not valid */
	} rows[] = {
	    {LINE(1, 0, 10000), "first\nsecond\n", "first"},
	    {LINE(1, 0, 10000), "123456789\n", "123456789"},
	    {LINE(1, 0, 10000), "first\r\nsecond\n", "first"},
	    {LINE(1, 0, 10000), "fir\rst\r\r\n", "fir\rst\r"},
	    {LINE(1, 0, 10000), "unfinished", NULL},
	    {LINE(1, 0, 10000), "", NULL},
	    {LINE(2, 0, 10000), "a\nb\nc\n", "ab"},
	    {LINE(2, 0, 10000), "a\r\n\r\nc\n", "a"},
	    {LINE(2, 0, 10000), "a\nb", NULL},
	    {LINE(1, 1, 10000), "a\nb\nc\n", "b"},
	    {LINE(2, 2, 10000), "a\nb\nc\nd\n", "cd"},
	    {LINE(1, 1, 10000), "a\n", NULL},
	    {LINE(1, 1, 10000), "a\r\nb\n", "b"},
	    {LINE(1, 0, 6), "first\n", "first"}, /* the newline is the last byte read */
	    {LINE(1, 0, 5), "first\n", NULL},    /* and here it is not read */
	    {LINE(0, 0, 10000), "first\n", NULL},
	    {LINE(1, 0, 0), "first\n", NULL},
	    {BYTE(5, 0), "first\n", "first"},
	    {BYTE(5, 2), "first\nx", "rst\nx"},
	    {BYTE(6, 0), "first\n", "first\n"},
	    {BYTE(7, 0), "first\n", NULL},
	    {BYTE(5, 2), "first\n", NULL},
	    {BYTE(0, 0), "first\n", NULL},
	    {BYTE(BH_FINGERPRINT_READ_MAX + 1, 0), "first\n", NULL},
	    {{BH_FP_DISABLED, 1, 0, 10000}, "first\n", NULL},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++)
		cr_expect_eq(of(rows[i].file, strlen(rows[i].file), rows[i].cfg),
		    rows[i].hashed ? crc(rows[i].hashed) : 0, "row %zu: %s", i, rows[i].file);
	cr_expect_eq(of("123456789\n", 10, bh_fingerprint_default), 0xB90956C775A41001u, "§5.2");
}

static void fill(char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (char)('a' + i % 26);
}

Test(fingerprint, a_limit_that_comes_first_falls_back_to_bytes)
{
	static char file[20000];

	fill(file, sizeof(file));
	cr_expect_eq(of(file, 9999, bh_fingerprint_default), 0, "the file may still get its line");
	cr_expect_eq(of(file, 10000, bh_fingerprint_default), bh_crc64(0, file, 1024));
	cr_expect_eq(of(file, 20000, bh_fingerprint_default), bh_crc64(0, file, 1024));
	file[9999] = '\n';
	cr_expect_eq(of(file, 20000, bh_fingerprint_default), bh_crc64(0, file, 9999));
	cr_expect_eq(of(file, 1023, (struct bh_fingerprint_config)LINE(1, 0, 100)), 0);
	cr_expect_eq(
	    of(file, 1024, (struct bh_fingerprint_config)LINE(1, 0, 100)), bh_crc64(0, file, 1024));
}

/* Parts of the file are read one by one: nothing depends on where they meet. */
Test(fingerprint, lines_and_their_ends_may_lie_across_parts)
{
	static char file[3 * 4096];
	static const struct bh_fingerprint_config cfg = LINE(1, 0, sizeof(file));

	for (size_t len = 4090; len < 4102; len++) {
		fill(file, sizeof(file));
		file[len] = '\r';
		file[len + 1] = '\n';
		cr_expect_eq(of(file, sizeof(file), cfg), bh_crc64(0, file, len), "%zu", len);
		file[len + 1] = 'x';
		file[len + 2] = '\n';
		cr_expect_eq(of(file, sizeof(file), cfg), bh_crc64(0, file, len + 2), "%zu", len);
	}
}

Test(fingerprint, no_configuration_reads_without_bound)
{
	static char file[BH_FINGERPRINT_READ_MAX + 10];

	fill(file, sizeof(file));
	file[sizeof(file) - 1] = '\n';
	cr_expect_eq(of(file, sizeof(file), (struct bh_fingerprint_config)LINE(1, 0, UINT32_MAX)),
	    bh_crc64(0, file, 1024));
}
