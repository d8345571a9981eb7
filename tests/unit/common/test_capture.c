/* The Agent's capture format: spec/dogstatsd.md §14. */
#include <criterion/criterion.h>

#include <string.h>

#include "common/err.h"
#include "proto/capture.h"

static struct bh_buf file;

static void teardown(void)
{
	bh_buf_release(&file);
}

TestSuite(capture, .fini = teardown);

Test(capture, is_written_byte_for_byte_as_the_agent_does)
{
	static const char want[] = "\xD4\x74\xD0\x60\xF3\xFF\x00\x00" /* version 3 */
				   "\x0B\x00\x00\x00"                 /* 11 bytes */
				   "\x08\xAC\x02"                     /* timestamp 300 */
				   "\x10\x04"                         /* size 4 */
				   "\x1A\x04"
				   "a:1\n"
				   "\x00\x00\x00\x00\x00\x00\x00\x00";

	cr_assert_eq(bh_capture_put_head(&file), 0);
	cr_assert_eq(bh_capture_put_packet(&file, 300, 0, BH_STR_LIT("a:1\n")), 0);
	cr_assert_eq(bh_capture_put_end(&file), 0);
	cr_assert_eq(file.len, sizeof(want) - 1);
	cr_assert_eq(memcmp(file.data, want, file.len), 0);
}

Test(capture, comes_back_packet_by_packet)
{
	struct bh_capture_reader r;
	struct bh_captured p;

	(void)bh_capture_put_head(&file);
	(void)bh_capture_put_packet(&file, 1700000000123456789, 4711, BH_STR_LIT("one"));
	(void)bh_capture_put_packet(&file, 1700000001000000000, 0, BH_STR_LIT(""));
	cr_assert_eq(bh_capture_begin(&r, file.data, file.len), 0);
	cr_assert_eq(bh_capture_next(&r, &p), 1);
	cr_assert_eq(p.wall_ns, 1700000000123456789);
	cr_assert(bh_str_eq(p.payload, BH_STR_LIT("one")));
	cr_assert_eq(p.pid, 4711);
	cr_assert_eq(bh_capture_next(&r, &p), 1);
	cr_assert_eq(p.pid, 0);
	cr_assert_eq(p.payload.n, 0);
	cr_assert_eq(bh_capture_next(&r, &p), 0, "a file without an end is read as far as it goes");
}

Test(capture, earlier_versions_count_in_seconds)
{
	static const char two[] =
	    "\xD4\x74\xD0\x60\xF2\xFF\x00\x00\x05\x00\x00\x00\x08\x07\x1A\x01x";
	struct bh_capture_reader r;
	struct bh_captured p;

	cr_assert_eq(bh_capture_begin(&r, two, sizeof(two) - 1), 0);
	cr_assert_eq(bh_capture_next(&r, &p), 1);
	cr_assert_eq(p.wall_ns, 7000000000);
}

Test(capture, what_is_none_is_refused)
{
	static const struct {
		const char *p;
		size_t n;
		bool head_ok;
	} bad[] = {
	    {"", 0, false},
	    {"\xD4\x74\xD0\x60\xF3\xFF\x00", 7, false},
	    {"\xD4\x74\xD0\x60\xF9\xFF\x00\x00", 8, false},
	    {"\xD4\x74\xD0\x61\xF3\xFF\x00\x00", 8, false},
	    {"\xD4\x74\xD0\x60\xF3\xFF\x00\x00\xFF\xFF\xFF\xFF", 12, true},
	    {"\xD4\x74\xD0\x60\xF3\xFF\x00\x00\x02\x00\x00\x00\x1A\x05", 14, true},
	    {"\xD4\x74\xD0\x60\xF3\xFF\x00\x00\x01\x00\x00\x00\x0F", 13, true},
	    {"\xD4\x74\xD0\x60\xF3\xFF\x00\x00\x03\x00\x00\x00\x08\xFF\xFF", 15, true},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(bad); i++) {
		struct bh_capture_reader r;
		struct bh_captured p;

		cr_assert_eq(
		    bh_capture_begin(&r, bad[i].p, bad[i].n) == 0, bad[i].head_ok, "%zu", i);
		if (bad[i].head_ok)
			cr_assert_eq(bh_capture_next(&r, &p), BH_E_FORMAT, "%zu", i);
	}
}
