/* Our own log (spec/supervision.md §10): what a line holds, how often it comes, its last ones. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/log_text.h"

static struct {
	struct bh_clock clock;
	int64_t mono, wall;
} fake;

static int64_t mono(void *c)
{
	(void)c;
	return fake.mono;
}

static int64_t wall(void *c)
{
	(void)c;
	return fake.wall;
}

static struct bh_log log_;
static int out;

static void start(void)
{
	fake.clock = (struct bh_clock){mono, wall, NULL};
	fake.mono = 1000 * BH_NS_PER_S;
	fake.wall = 1795270000 * BH_NS_PER_S + 123 * BH_NS_PER_MS;
	out = memfd_create("log", MFD_CLOEXEC);
	bh_log_init(&log_, &fake.clock, "logs", out);
}

/* What was written since the last look. */
static const char *written(void)
{
	static char text[65536];
	static off_t seen;
	ssize_t n = pread(out, text, sizeof(text) - 1, seen);

	cr_assert_geq(n, 0);
	seen += n;
	text[n] = '\0';
	return text;
}

static size_t lines_in(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

TestSuite(own_log, .init = start);

Test(own_log, a_line_is_time_level_process_component_message)
{
	char want[128];

	bh_warn(&log_, "spool", "rows=%d", 3);
	(void)snprintf(want, sizeof(want), "2026-11-21T14:06:40.123Z WARN logs[%d] spool: rows=3\n",
	    (int)getpid());
	cr_assert_str_eq(written(), want);
	bh_debug(&log_, "spool", "not at this level");
	cr_assert_str_eq(written(), "");
}

Test(own_log, the_journal_gets_a_priority_and_no_time)
{
	char env[64];
	struct stat st;

	cr_assert_eq(fstat(out, &st), 0);
	(void)snprintf(env, sizeof(env), "%llu:%llu", (unsigned long long)st.st_dev,
	    (unsigned long long)st.st_ino);
	cr_assert_eq(setenv("JOURNAL_STREAM", env, 1), 0);
	bh_log_init(&log_, &fake.clock, "logs", out);
	bh_error(&log_, "c", "x");
	cr_assert_eq(strncmp(written(), "<3>ERROR logs[", 14), 0);
	cr_assert_eq(setenv("JOURNAL_STREAM", "1:1", 1), 0);
	bh_log_init(&log_, &fake.clock, "logs", out);
	bh_error(&log_, "c", "x");
	cr_assert_eq(strncmp(written(), "2026-", 5), 0);
}

Test(own_log, the_systems_log_gets_its_own_head)
{
	char want[128];

	cr_assert_eq(setenv("TZ", "UTC", 1), 0);
	bh_log_init(&log_, &fake.clock, "logs", out);
	log_.form = bh_log_form_parse("syslog");
	bh_info(&log_, "c", "x");
	(void)snprintf(
	    want, sizeof(want), "<30>Nov 21 14:06:40 bulkhead-logs[%d]: INFO c: x", (int)getpid());
	cr_assert_str_eq(written(), want);
}

Test(own_log, nothing_of_data_reaches_a_terminal)
{
	static const struct {
		const char *text, *line;
	} cases[] = {
	    {"plain", "plain"},
	    {"a\x1b[31mb", "a\\x1b[31mb"},
	    {"a\nb\rc\td", "a\\x0ab\\x0dc\\x09d"},
	    {"\x7f", "\\x7f"},
	    {"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80", "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80"},
	    {"\xc2\x9b[31m", "\\xc2\\x9b[31m"},
	    {"\x9b\xff", "\\x9b\\xff"},
	    {"\xe2\x82", "\\xe2\\x82"},
	    {"\xc2\xa0", "\xc2\xa0"},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		char line[64];
		size_t n =
		    bh_log_escape(line, 0, sizeof(line), cases[i].text, strlen(cases[i].text));

		cr_expect(n == strlen(cases[i].line) && memcmp(line, cases[i].line, n) == 0,
		    "case %zu: %.*s", i, (int)n, line);
	}
}

Test(own_log, no_character_and_no_escape_is_cut)
{
	char line[8];

	cr_assert_eq(bh_log_escape(line, 0, 5, "abcd\x01", 5), 4);
	cr_assert_eq(bh_log_escape(line, 0, 6, "abcd\xe2\x82\xac", 7), 4);
}

Test(own_log, secrets_are_masked)
{
	static const struct {
		const char *text, *masked;
	} cases[] = {
	    {"key 0123456789abcdef0123456789ABCDEF.", "key ***************************BCDEF."},
	    {"api_key=0123456789abcdef0123456789abcdef",
		"api_key=***************************bcdef"},
	    {"app 0123456789abcdef0123456789abcdef01234567",
		"app ***********************************34567"},
	    {"33 digits 0123456789abcdef0123456789abcdef0",
		"33 digits 0123456789abcdef0123456789abcdef0"},
	    {"a word x0123456789abcdef0123456789abcdef",
		"a word x0123456789abcdef0123456789abcdef"},
	    {"http://user:secret@host:80/x", "http://user:******@host:80/x"},
	    {"http://host:80/a@b", "http://host:80/a@b"},
	    {"http://a:b@c and ftp://d:e@f", "http://a:*@c and ftp://d:*@f"},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		char text[128];

		(void)snprintf(text, sizeof(text), "%s", cases[i].text);
		bh_log_mask(text);
		cr_expect_str_eq(text, cases[i].masked);
	}
	bh_warn(&log_, "c", "%s", cases[0].text);
	cr_assert_not(strstr(written(), "0123456789abcdef"));
}

Test(own_log, the_same_message_passes_once_in_ten_seconds)
{
	for (int i = 0; i < 100; i++)
		bh_warn(&log_, "c", "again");
	cr_assert_eq(lines_in(written()), 1);
	bh_warn(&log_, "c", "another");
	bh_error(&log_, "c", "again");
	bh_warn(&log_, "d", "again");
	cr_assert_eq(lines_in(written()), 3, "level and component make it another one");
	fake.mono += 10 * BH_NS_PER_S;
	bh_warn(&log_, "c", "again");
	cr_assert(strstr(written(), "again held_back=99\n"));
	fake.mono += 10 * BH_NS_PER_S;
	bh_warn(&log_, "c", "again");
	cr_assert_not(strstr(written(), "held_back"));
}

Test(own_log, what_was_held_back_is_told_when_it_does_not_come_again)
{
	const char *text;

	bh_warn(&log_, "c", "gone");
	bh_warn(&log_, "c", "gone");
	bh_warn(&log_, "c", "gone");
	fake.mono += 11 * BH_NS_PER_S;
	(void)written();
	bh_info(&log_, "c", "other");
	text = written();
	cr_assert(strstr(text, "WARN") && strstr(text, "c: gone held_back=2\n"), "%s", text);
	fake.mono += 11 * BH_NS_PER_S;
	bh_info(&log_, "c", "third");
	cr_assert_eq(lines_in(written()), 1, "once");
}

Test(own_log, debug_is_not_limited)
{
	log_.level = BH_LOG_DEBUG;
	for (int i = 0; i < 5; i++)
		bh_debug(&log_, "c", "again");
	cr_assert_eq(lines_in(written()), 5);
}

Test(own_log, many_different_messages_all_pass)
{
	for (int i = 0; i < 1000; i++)
		bh_warn(&log_, "c", "number %d", i);
	cr_assert_eq(lines_in(written()), 1000);
}

Test(own_log, a_lost_descriptor_is_noted_and_survived)
{
	log_.fd = -1;
	bh_warn(&log_, "c", "nobody reads this");
	cr_assert(log_.failed);
	log_.fd = out;
	bh_warn(&log_, "c", "somebody reads this");
	cr_assert_not(log_.failed);
}

/* --- the ring -----------------------------------------------------------------------------------
 */

static uint64_t read_ring(const struct bh_log_ring *r, uint64_t from, const char *want)
{
	struct bh_buf got = BH_BUF_INIT;
	uint64_t next = bh_log_ring_read(r, from, &got);

	cr_expect(bh_str_eq(bh_buf_view(&got), bh_str_from(want)), "%.*s", (int)got.len, got.data);
	bh_buf_release(&got);
	return next;
}

Test(log_ring, lines_come_back_and_go_on_where_one_stopped)
{
	int fd = bh_log_ring_create();
	struct bh_log_ring *writer = bh_log_ring_map(fd), *reader = bh_log_ring_map(fd);
	uint64_t at;

	cr_assert(writer && reader);
	at = read_ring(reader, 0, "");
	bh_log_ring_put(writer, "one\n", 4);
	bh_log_ring_put(writer, "two\n", 4);
	at = read_ring(reader, at, "one\ntwo\n");
	bh_log_ring_put(writer, "three\n", 6);
	at = read_ring(reader, at, "three\n");
	cr_assert_eq(read_ring(reader, at, ""), at);
	bh_log_ring_unmap(writer);
	read_ring(reader, 0, "one\ntwo\nthree\n");
	bh_log_ring_unmap(reader);
	(void)close(fd);
}

Test(log_ring, the_oldest_lines_make_room_whole)
{
	int fd = bh_log_ring_create();
	struct bh_log_ring *r = bh_log_ring_map(fd);
	struct bh_buf got = BH_BUF_INIT;
	char line[64];

	for (int i = 0; i < 5000; i++) {
		int n = snprintf(line, sizeof(line), "line %d\n", i);

		bh_log_ring_put(r, line, (size_t)n);
	}
	(void)bh_log_ring_read(r, 0, &got);
	cr_assert_gt(got.len, BH_LOG_RING_BYTES - 16);
	cr_assert_eq(memcmp(got.data, "line ", 5), 0, "%.20s", got.data);
	cr_assert_eq(memcmp(got.data + got.len - 10, "line 4999\n", 10), 0);
	bh_buf_release(&got);
	bh_log_ring_unmap(r);
	(void)close(fd);
}

Test(log_ring, a_hostile_head_harms_nobody)
{
	static const uint64_t heads[] = {UINT64_MAX, UINT64_MAX - 1, BH_LOG_RING_BYTES,
	    BH_LOG_RING_BYTES + 1, 1, (uint64_t)INT64_MAX + 1};
	static const uint64_t froms[] = {0, 1, UINT64_MAX, BH_LOG_RING_BYTES - 1};
	int fd = bh_log_ring_create();
	struct bh_log_ring *r = bh_log_ring_map(fd);

	memset(r->data, 'x', sizeof(r->data));
	for (size_t i = 0; i < BH_ARRAY_LEN(heads); i++) {
		for (size_t k = 0; k < BH_ARRAY_LEN(froms); k++) {
			struct bh_buf got = BH_BUF_INIT;

			r->head = heads[i];
			(void)bh_log_ring_read(r, froms[k], &got);
			cr_expect_leq(got.len, BH_LOG_RING_BYTES);
			bh_buf_release(&got);
		}
	}
	bh_log_ring_unmap(r);
	cr_assert_lt(ftruncate(fd, 0), 0, "its size is sealed");
	(void)close(fd);
}
