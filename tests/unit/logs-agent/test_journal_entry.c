/* spec/logs.md §12: from fields to text, name, status and exclusion. Fields are written as lines
 * NAME=VALUE; values that hold a newline are added by hand. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "logs-agent/journal_entry.h"

#define BAD "\xef\xbf\xbd"

static struct bh_journal_entry e;
static struct bh_journal_text t;
static char docker[] = "docker", nothing[] = "";

static struct bh_log_source source(void)
{
	return (struct bh_log_source){
	    .process_raw_message = true, .default_application_name = docker};
}

static void add(const char *name, struct bh_str value)
{
	cr_assert_eq(
	    bh_journal_entry_add(&e, bh_str_from(name), value, strlen(name) + 1 + value.n), 0);
}

static void fields(const char *lines)
{
	bh_journal_entry_clear(&e);
	while (*lines) {
		size_t n = strcspn(lines, "\n");
		const char *eq = strchr(lines, '=');
		struct bh_str name = {lines, (size_t)(eq - lines)};

		cr_assert_eq(
		    bh_journal_entry_add(&e, name, (struct bh_str){eq + 1, n - name.n - 1}, n), 0);
		lines += n + (lines[n] == '\n');
	}
}

static void text(const struct bh_log_source *src, size_t limit)
{
	cr_assert_eq(bh_journal_entry_text(&e, src, limit, &t), 0);
}

static void teardown(void)
{
	bh_journal_entry_release(&e);
}

TestSuite(journal_entry, .fini = teardown);

static void expect(struct bh_str got, const char *want, const char *in)
{
	cr_expect(bh_str_eq(got, bh_str_from(want)), "%s\n gives %.*s\nwanted %s", in, (int)got.n,
	    got.p, want);
}

Test(journal_entry, text)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
	    {"MESSAGE=hi\n_PID=7", "{\"journald\":{\"_PID\":\"7\"},\"message\":\"hi\"}"},
	    {"_PID=7", "{\"journald\":{\"_PID\":\"7\"}}"},
	    {"MESSAGE=hi", "{\"journald\":{},\"message\":\"hi\"}"},
	    {"", "{\"journald\":{}}"},
	    {"MESSAGE=", "{\"journald\":{},\"message\":\"\"}"},
	    {"b=1\n_B=2\nB=3\nBA=4\nA=5",
		"{\"journald\":{\"A\":\"5\",\"B\":\"3\",\"BA\":\"4\",\"_B\":\"2\",\"b\":\"1\"}}"},
	    {"A=1\nA=3\nB=x\nA=2\nMESSAGE=a\nMESSAGE=b",
		"{\"journald\":{\"A\":\"2\",\"B\":\"x\"},\"message\":\"b\"}"},
	    {"A=\"\\/\t\r\x01\x7f", "{\"journald\":{\"A\":\"\\\"\\\\/\\t\\r\\u0001\x7f\"}}"},
	    {"A=<b>&\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa",
		"{\"journald\":{\"A\":\"\\u003cb\\u003e\\u0026\xe2\x80\xa7\\u2028\\u2029"
		"\xe2\x80\xaa\"}}"},
	    {"MESSAGE=<\xc3\xa9>", "{\"journald\":{},\"message\":\"\\u003c\xc3\xa9\\u003e\"}"},
	    {"A=\xed\xa0\x80|\xc0\xaf|\xe4\xb8",
		"{\"journald\":{\"A\":\"" BAD BAD BAD "|" BAD BAD "|" BAD BAD "\"}}"},
	    {"\xff<=x", "{\"journald\":{\"" BAD "\\u003c\":\"x\"}}"},
	    {"MESSAGE=  kept  ", "{\"journald\":{},\"message\":\"  kept  \"}"},
	};
	const struct bh_log_source src = source();

	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++) {
		fields(rows[i].in);
		text(&src, 1000);
		expect(t.content, rows[i].out, rows[i].in);
		cr_expect(bh_str_eq(t.subject, t.content), "%s", rows[i].in);
		cr_expect_not(t.cut);
	}
}

Test(journal_entry, any_byte_may_stand_in_a_value)
{
	const struct bh_log_source src = source();

	add("A", BH_STR_LIT("x\0y\nz"));
	add("MESSAGE", BH_STR_LIT("l1\nl2\0"));
	text(&src, 1000);
	expect(t.content, "{\"journald\":{\"A\":\"x\\u0000y\\nz\"},\"message\":\"l1\\nl2\\u0000\"}",
	    "NUL");
}

Test(journal_entry, message_is_cut_at_the_limit)
{
	static const struct {
		const char *in;
		size_t limit;
		const char *out;
		bool cut;
	} rows[] = {
	    {"abcd", 4, "abcd", false},
	    {"abcde", 4, "abcd...TRUNCATED...", true},
	    {"abcde", 0, "a...TRUNCATED...", true},
	    {"a\xc3\xa9z", 2, "a...TRUNCATED...", true}, /* é is whole or not at all */
	    {"a\xc3\xa9z", 3, "a\xc3\xa9...TRUNCATED...", true},
	    {"a\xf0\x9f\x98\x80z", 4, "a...TRUNCATED...", true},
	    {"abc\x80\x80\x80\x80\x80", 5, "abc\x80\x80...TRUNCATED...", true},
	    {"  abcd  ", 5, "abc...TRUNCATED...", true},
	    {" \t ", 10, "", false},
	    {"  ab ", 10, "ab", false},
	};
	struct bh_log_source src = source();
	struct bh_buf back = BH_BUF_INIT;

	src.process_raw_message = false;
	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++) {
		bh_journal_entry_clear(&e);
		add("MESSAGE", bh_str_from(rows[i].in));
		text(&src, rows[i].limit);
		expect(t.subject, rows[i].out, rows[i].in);
		cr_expect_eq(t.cut, rows[i].cut, "%s", rows[i].in);
		cr_expect_eq(t.raw, strlen(rows[i].in) + 8);
		bh_buf_clear(&back);
		cr_assert_eq(bh_journal_put_back(&back, &t, t.subject), 0);
		cr_expect(bh_str_eq(bh_buf_view(&back), t.content), "%s", rows[i].in);
	}
	bh_buf_release(&back);
}

Test(journal_entry, a_masked_message_is_put_back)
{
	struct bh_log_source src = source();
	struct bh_buf back = BH_BUF_INIT;

	src.process_raw_message = false;
	fields("MESSAGE= user=bob \n_PID=7");
	text(&src, 100);
	expect(t.subject, "user=bob", "trimmed");
	cr_assert_eq(bh_journal_put_back(&back, &t, BH_STR_LIT("user=<\"x\">")), 0);
	expect(bh_buf_view(&back),
	    "{\"journald\":{\"_PID\":\"7\"},\"message\":\"user=\\u003c\\\"x\\\"\\u003e\"}",
	    "masked");
	bh_buf_release(&back);
	fields("_PID=7");
	text(&src, 100);
	cr_expect_eq(t.subject.n, 0u, "without MESSAGE there is nothing for the rules");
}

Test(journal_entry, status)
{
	static const struct {
		const char *in;
		enum bh_log_status status;
	} rows[] = {{"PRIORITY=0", BH_STATUS_EMERGENCY}, {"PRIORITY=1", BH_STATUS_ALERT},
	    {"PRIORITY=2", BH_STATUS_CRITICAL}, {"PRIORITY=3", BH_STATUS_ERROR},
	    {"PRIORITY=4", BH_STATUS_WARN}, {"PRIORITY=5", BH_STATUS_NOTICE},
	    {"PRIORITY=6", BH_STATUS_INFO}, {"PRIORITY=7", BH_STATUS_DEBUG},
	    {"PRIORITY=8", BH_STATUS_INFO}, {"PRIORITY=", BH_STATUS_INFO},
	    {"PRIORITY=03", BH_STATUS_INFO}, {"PRIORITY=err", BH_STATUS_INFO},
	    {"X=3", BH_STATUS_INFO}, {"PRIORITY=3\nPRIORITY=4", BH_STATUS_WARN}};
	const struct bh_log_source src = source();

	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++) {
		fields(rows[i].in);
		text(&src, 100);
		cr_expect_eq(t.status, rows[i].status, "%s", rows[i].in);
	}
}

Test(journal_entry, name)
{
	static const struct {
		const char *in;
		bool container_mode;
		char *application;
		const char *name;
	} rows[] = {
	    {"_COMM=c\n_SYSTEMD_UNIT=u\n_SYSTEMD_USER_UNIT=uu\nSYSLOG_IDENTIFIER=s", false, docker,
		"s"},
	    {"_COMM=c\n_SYSTEMD_UNIT=u\n_SYSTEMD_USER_UNIT=uu", false, docker, "uu"},
	    {"_COMM=c\n_SYSTEMD_UNIT=u\nSYSLOG_IDENTIFIER=", false, docker, "u"},
	    {"_COMM=c", true, docker, "c"},
	    {"MESSAGE=x", true, docker, ""},
	    {"CONTAINER_ID_FULL=1\n_COMM=c", false, docker, "docker"},
	    {"CONTAINER_ID_FULL=1\n_COMM=c\nIMAGE_NAME=nginx", false, docker, "docker"},
	    {"CONTAINER_ID_FULL=1\n_COMM=c", true, docker, "docker"},
	    {"CONTAINER_ID_FULL=1\n_COMM=c", false, nothing, "c"},
	    {"CONTAINER_ID_FULL=1\nIMAGE_NAME=nginx", true, docker, "nginx"},
	    {"CONTAINER_ID_FULL=1\nIMAGE_NAME=r:5000/t/nginx:1.2@sha256:ab", true, docker, "nginx"},
	    {"CONTAINER_ID_FULL=1\nIMAGE_NAME=t/", true, docker, "docker"},
	};
	struct bh_log_source src = source();

	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++) {
		src.container_mode = rows[i].container_mode;
		src.default_application_name = rows[i].application;
		fields(rows[i].in);
		text(&src, 100);
		expect(t.name, rows[i].name, rows[i].in);
	}
}

static bool excluded(const char *units, const char *user_units, const char *matches, const char *in)
{
	struct bh_log_source src = source();
	bool out;

	if (units)
		cr_assert_eq(bh_strlist_add(&src.exclude_units, units, strlen(units)), 0);
	if (user_units)
		cr_assert_eq(
		    bh_strlist_add(&src.exclude_user_units, user_units, strlen(user_units)), 0);
	if (matches)
		cr_assert_eq(bh_strlist_add(&src.exclude_matches, matches, strlen(matches)), 0);
	fields(in);
	out = bh_journal_entry_excluded(&e, &src);
	bh_strlist_release(&src.exclude_units);
	bh_strlist_release(&src.exclude_user_units);
	bh_strlist_release(&src.exclude_matches);
	return out;
}

Test(journal_entry, exclusion)
{
	static const struct {
		const char *units, *user_units, *matches, *in;
		bool excluded;
	} rows[] = {
	    {NULL, NULL, NULL, "_SYSTEMD_UNIT=a", false},
	    {"a", NULL, NULL, "_SYSTEMD_UNIT=a", true},
	    {"a", NULL, NULL, "_SYSTEMD_UNIT=ab", false},
	    {"a", NULL, NULL, "_SYSTEMD_UNIT=a\n_SYSTEMD_USER_UNIT=u", false},
	    {"*", NULL, NULL, "_SYSTEMD_UNIT=a", true},
	    {"*", NULL, NULL, "_SYSTEMD_UNIT=a\n_SYSTEMD_USER_UNIT=u", false},
	    {"*", NULL, NULL, "_TRANSPORT=kernel", false},
	    {NULL, "u", NULL, "_SYSTEMD_UNIT=a\n_SYSTEMD_USER_UNIT=u", true},
	    {NULL, "*", NULL, "_SYSTEMD_UNIT=a\n_SYSTEMD_USER_UNIT=u", true},
	    {NULL, "*", NULL, "_SYSTEMD_UNIT=u", false},
	    {NULL, NULL, "A=1", "A=1", true},
	    {NULL, NULL, "A=1", "A=11", false},
	    {NULL, NULL, "A=", "A=", true},
	    {NULL, NULL, "A=", "B=", false},
	    {NULL, NULL, "A=1=2", "A=1=2", true},
	    {NULL, NULL, "A=1", "A=1\nA=2", false}, /* the last value counts */
	    {NULL, NULL, "MESSAGE=x", "MESSAGE=x", true},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++)
		cr_expect_eq(
		    excluded(rows[i].units, rows[i].user_units, rows[i].matches, rows[i].in),
		    rows[i].excluded, "row %zu: %s", i, rows[i].in);
}

static void add_large(const char *name, char c, size_t n)
{
	char *p = malloc(n);

	cr_assert(p);
	memset(p, c, n);
	add(name, (struct bh_str){p, n});
	free(p);
}

/* The largest go, what selects and names an entry stays, and the text says how many went. */
Test(journal_entry, fields_beyond_the_bound_are_left_out)
{
	const struct bh_log_source src = source();

	add_large("COREDUMP", 'x', 2 * BH_JOURNAL_TEXT_MAX);
	add_large("BIG", '<', 300000); /* six times that in the text */
	add_large("FITS", 'y', 500000);
	add("MESSAGE", BH_STR_LIT("m"));
	add("_PID", BH_STR_LIT("7"));
	text(&src, 900000);
	cr_expect_eq(t.left_out, 2u);
	cr_expect_eq(t.raw, 2 * BH_JOURNAL_TEXT_MAX + 9 + 300004 + 500005 + 9 + 6);
	cr_expect_eq(t.content.n, 500000 + strlen("{\"journald\":{\"FITS\":\"\",\"_PID\":\"7\","
						  "\"bulkhead_fields_left_out\":\"2\"},"
						  "\"message\":\"m\"}"));
	cr_expect(bh_str_ends(t.content,
	    BH_STR_LIT(
		"yy\",\"_PID\":\"7\",\"bulkhead_fields_left_out\":\"2\"},\"message\":\"m\"}")));
	cr_assert(t.content.n <= BH_JOURNAL_TEXT_MAX);
}

Test(journal_entry, a_huge_message_leaves_room_for_the_fields)
{
	struct bh_log_source src = source();

	for (int raw = 0; raw < 2; raw++) {
		src.process_raw_message = raw;
		bh_journal_entry_clear(&e);
		add_large("MESSAGE", '<', 3 * BH_JOURNAL_TEXT_MAX);
		add("_SYSTEMD_UNIT", BH_STR_LIT("u"));
		text(&src, 4 * BH_JOURNAL_TEXT_MAX);
		cr_expect(t.cut);
		cr_expect_eq(t.left_out, 0u);
		cr_expect_leq(t.content.n, BH_JOURNAL_TEXT_MAX);
		cr_expect_gt(t.content.n, BH_JOURNAL_TEXT_MAX - BH_JOURNAL_ROOM - 100);
		cr_expect(bh_str_starts(t.content,
		    BH_STR_LIT("{\"journald\":{\"_SYSTEMD_UNIT\":\"u\"},\"message\":\"\\u003c")));
		cr_expect(bh_str_ends(t.content, BH_STR_LIT("\\u003c...TRUNCATED...\"}")));
	}
}

/* However many fields come first, one that is small is kept for the selection. */
Test(journal_entry, a_flood_of_fields_hides_no_unit)
{
	struct bh_log_source src = source();
	char name[16];

	for (int i = 0; i < 1100; i++) {
		(void)snprintf(name, sizeof(name), "F%d", i);
		add_large(name, 'x', i < 10 ? BH_JOURNAL_TEXT_MAX : BH_JOURNAL_SMALL - 10);
	}
	add("_SYSTEMD_UNIT", BH_STR_LIT("a"));
	cr_assert_eq(bh_strlist_add(&src.exclude_units, "a", 1), 0);
	cr_expect(bh_journal_entry_excluded(&e, &src));
	cr_expect_lt(e.bytes.len, BH_JOURNAL_KEPT_MAX + BH_JOURNAL_FIELDS_MAX * BH_JOURNAL_SMALL);
	text(&src, 100);
	cr_expect_leq(t.content.n, BH_JOURNAL_TEXT_MAX);
	bh_strlist_release(&src.exclude_units);
	for (int i = 0; i < BH_JOURNAL_FIELDS_MAX; i++)
		add("A", BH_STR_LIT("1"));
	cr_expect_eq(e.fields_n, (size_t)BH_JOURNAL_FIELDS_MAX);
}

/* What a large entry took goes back; a usual one finds its memory again. */
Test(journal_entry, memory_is_reused)
{
	const struct bh_log_source src = source();
	const char *at;

	fields("MESSAGE=hi\n_PID=7");
	text(&src, 100);
	at = t.content.p;
	fields("MESSAGE=ho\n_PID=8");
	text(&src, 100);
	cr_expect(t.content.p == at);
	add_large("A", 'x', 900000);
	text(&src, 100);
	cr_expect_gt(t.content.n, 900000u);
	bh_journal_entry_clear(&e);
	cr_expect_eq(e.bytes.cap, 0u);
	cr_expect_eq(e.text.cap, 0u);
}
