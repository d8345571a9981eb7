/*
 * spec/logs.md §12 over real journal files. There need not be a journald: systemd-journal-remote
 * (package of that name) writes entries in the export format to a file of a temporary folder.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "logs-agent/journal.h"
#include "tests/unit/remove_tree.h"

#define TOOL   "/lib/systemd/systemd-journal-remote"
#define NOBODY 65534

extern char **environ;

static char dir[64];
static char nothing[] = "", beginning[] = "beginning", docker[] = "docker";
static struct bh_log_source src;
static struct bh_journal *j;
static struct bh_err err;
static struct bh_journal_seen seen;
static struct bh_buf got; /* one line a message: what `how` says */
static unsigned calls;

/* --- writing ---------------------------------------------------------------------------------- */

static void file_path(char *out, size_t cap, const char *name)
{
	(void)snprintf(out, cap, "%s/%s", dir, name);
}

static void run_tool(char *journal, char *export)
{
	char tool[] = TOOL, option[] = "-o", *argv[] = {tool, option, journal, export, NULL};
	posix_spawn_file_actions_t quiet;
	int status = -1;
	pid_t pid;

	cr_assert_eq(posix_spawn_file_actions_init(&quiet), 0);
	cr_assert_eq(posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", 1, 0), 0);
	cr_assert_eq(posix_spawn(&pid, TOOL, &quiet, NULL, argv, environ), 0,
	    "%s is missing: apt-get install systemd-journal-remote", TOOL);
	(void)posix_spawn_file_actions_destroy(&quiet);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0, "%s failed", TOOL);
}

/* Adds entries to a journal file of the folder. Each text holds the fields of one entry, a line
 * each; second is that of the first entry, the others follow by one. */
static void write_journal(const char *name, int second, size_t n, const char *const *entries)
{
	char journal[128], export[128];
	FILE *f;

	file_path(journal, sizeof(journal), name);
	file_path(export, sizeof(export), "export");
	f = fopen(export, "we");
	cr_assert(f);
	for (size_t i = 0; i < n; i++)
		(void)fprintf(f,
		    "__REALTIME_TIMESTAMP=%lld\n__MONOTONIC_TIMESTAMP=%lld\n"
		    "_BOOT_ID=0123456789abcdef0123456789abcdef\n%s\n\n",
		    (1700000000LL + second + (int)i) * 1000000, (second + (int)i) * 1000000LL,
		    entries[i]);
	cr_assert_eq(fclose(f), 0);
	run_tool(journal, export);
	cr_assert_eq(unlink(export), 0);
}

#define WRITE(name, second, ...) \
	do { \
		const char *const entries[] = {__VA_ARGS__}; \
		write_journal(name, second, BH_ARRAY_LEN(entries), entries); \
	} while (0)

/* --- reading ---------------------------------------------------------------------------------- */

static int note(void *ctx, const struct bh_journal_message *m)
{
	const char *p = memmem(m->text.content.p, m->text.content.n, "\"message\":\"", 11);
	const int *stop_after = ctx;

	cr_assert(p);
	(void)bh_buf_printf(&got, "%.*s ", (int)strcspn(p + 11, "\""), p + 11);
	calls++;
	return stop_after && calls == (unsigned)abs(*stop_after) ? (*stop_after < 0 ? -EPIPE : 1)
								 : 0;
}

static void open_it(void)
{
	cr_assert_eq(bh_journal_open(&j, &src, 1000, &err), 0, "%s", err.text);
}

static struct bh_journal_began start(const char *cursor, bool resume)
{
	struct bh_journal_began began;

	open_it();
	cr_assert_eq(bh_journal_start(j, cursor, resume, &began, &err), 0, "%s", err.text);
	return began;
}

static const char *read_all(void)
{
	bh_buf_clear(&got);
	cr_assert_eq(bh_journal_wake(j, &err), 0, "%s", err.text);
	cr_assert_eq(bh_journal_read(j, 1000, note, NULL, &seen, &err), 0, "%s", err.text);
	cr_expect_not(seen.more);
	return got.data ? got.data : "";
}

static void stop(void)
{
	bh_journal_close(j);
	j = NULL;
}

static char *position(void)
{
	char *copy = strdup(bh_journal_position(j));

	cr_assert(copy);
	return copy;
}

static void setup(void)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/bh-journal-XXXXXX");
	cr_assert(mkdtemp(dir));
	cr_assert_eq(chmod(dir, 0755), 0);
	src = (struct bh_log_source){
	    .path = dir,
	    .start_position = beginning,
	    .config_id = nothing,
	    .default_application_name = docker,
	    .process_raw_message = true,
	};
}

static void teardown(void)
{
	struct bh_strlist *lists[] = {&src.include_units, &src.include_user_units,
	    &src.include_matches, &src.exclude_units, &src.exclude_user_units,
	    &src.exclude_matches};

	stop();
	bh_buf_release(&got);
	for (size_t i = 0; i < BH_ARRAY_LEN(lists); i++)
		bh_strlist_release(lists[i]);
	if (geteuid() != getuid())
		(void)!seteuid(getuid());
	cr_assert_eq(remove_tree(dir), 0);
}

TestSuite(journal, .init = setup, .fini = teardown);

static void add(struct bh_strlist *l, const char *text)
{
	cr_assert_eq(bh_strlist_add(l, text, strlen(text)), 0);
}

/* --- tests ------------------------------------------------------------------------------------ */

Test(journal, identity)
{
	char id[] = "cfg", path[] = "/j";
	struct {
		char *id, *path;
		const char *want;
	} rows[] = {{id, path, "journald:cfg"}, {nothing, path, "journald:/j"},
	    {nothing, nothing, "journald:default"}};

	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++) {
		src.config_id = rows[i].id;
		src.path = rows[i].path;
		bh_buf_clear(&got);
		cr_assert_eq(bh_journal_identity(&src, &got), 0);
		cr_expect_str_eq(got.data, rows[i].want);
	}
	src.path = dir;
}

static int keep(void *ctx, const struct bh_journal_message *m)
{
	(void)ctx;
	(void)bh_buf_append(&got, m->text.content.p, m->text.content.n);
	cr_expect_eq(m->text.status, BH_STATUS_ERROR);
	cr_expect(bh_str_eq(m->text.name, BH_STR_LIT("id")));
	cr_expect_eq(m->realtime_us, 1700000001000000u);
	cr_expect_eq(m->text.raw, strlen("_BOOT_ID=0123456789abcdef0123456789abcdef"
					 "MESSAGE=<one>PRIORITY=3A=1A=2SYSLOG_IDENTIFIER=id"));
	cr_expect_str_eq(m->cursor, bh_journal_position(j));
	return 0;
}

Test(journal, an_entry)
{
	WRITE("system.journal", 1, "MESSAGE=<one>\nPRIORITY=3\nA=1\nA=2\nSYSLOG_IDENTIFIER=id");
	start(NULL, false);
	cr_assert_eq(bh_journal_read(j, 10, keep, NULL, &seen, &err), 0);
	cr_expect_str_eq(got.data,
	    "{\"journald\":{\"A\":\"2\",\"PRIORITY\":\"3\",\"SYSLOG_IDENTIFIER\":\"id\","
	    "\"_BOOT_ID\":\"0123456789abcdef0123456789abcdef\"},"
	    "\"message\":\"\\u003cone\\u003e\"}");
	cr_expect_eq(seen.passed, 1u);
}

Test(journal, entries_of_several_files_come_in_order)
{
	WRITE("system.journal", 3, "MESSAGE=3", "MESSAGE=4");
	WRITE("system@old.journal", 1, "MESSAGE=1", "MESSAGE=2");
	cr_expect_eq(start(NULL, false).place, BH_JOURNAL_AT_HEAD);
	cr_expect_str_eq(bh_journal_position(j), "");
	cr_expect_str_eq(read_all(), "1 2 3 4 ");
	cr_expect_str_eq(read_all(), "");
}

Test(journal, what_is_written_later_is_noticed)
{
	struct pollfd p = {.events = POLLIN};

	WRITE("system.journal", 1, "MESSAGE=1");
	start(NULL, false);
	cr_expect_str_eq(read_all(), "1 ");
	p.fd = bh_journal_fd(j);
	WRITE("system.journal", 2, "MESSAGE=2");
	cr_expect_eq(poll(&p, 1, 0), 1);
	cr_expect_str_eq(read_all(), "2 ");
	WRITE("system.journal", 3, "MESSAGE=3", "MESSAGE=4");
	cr_expect_str_eq(read_all(), "3 4 ");
}

Test(journal, rotation_loses_nothing)
{
	char now[128], old[128];

	WRITE("system.journal", 1, "MESSAGE=1", "MESSAGE=2");
	start(NULL, false);
	cr_expect_str_eq(read_all(), "1 2 ");
	WRITE("system.journal", 3, "MESSAGE=3");
	file_path(now, sizeof(now), "system.journal");
	file_path(old, sizeof(old), "system@1.journal");
	cr_assert_eq(rename(now, old), 0);
	WRITE("system.journal", 4, "MESSAGE=4");
	cr_expect_str_eq(read_all(), "3 4 ");
	cr_assert_eq(unlink(old), 0);
	WRITE("system.journal", 5, "MESSAGE=5");
	cr_expect_str_eq(read_all(), "5 ");
}

Test(journal, starts_at_the_end)
{
	char *cursor;

	src.start_position = nothing;
	WRITE("system.journal", 1, "MESSAGE=1", "MESSAGE=2");
	cr_expect_eq(start(NULL, false).place, BH_JOURNAL_AT_TAIL);
	cursor = position();
	cr_expect_neq(cursor[0], '\0', "the start can be registered");
	cr_expect_str_eq(read_all(), "");
	stop();
	WRITE("system.journal", 3, "MESSAGE=3");
	cr_expect_eq(start(cursor, true).place, BH_JOURNAL_AT_CURSOR);
	cr_expect_str_eq(read_all(), "3 ");
	free(cursor);
}

/* The end is registered even where nothing matches yet. */
Test(journal, the_end_does_not_depend_on_matches)
{
	char *cursor;

	src.start_position = nothing;
	add(&src.include_units, "a.service");
	WRITE("system.journal", 1, "MESSAGE=1\n_SYSTEMD_UNIT=a.service", "MESSAGE=2");
	start(NULL, false);
	cursor = position();
	cr_expect_neq(cursor[0], '\0');
	cr_expect_str_eq(read_all(), "");
	stop();
	WRITE("system.journal", 3, "MESSAGE=3", "MESSAGE=4\n_SYSTEMD_UNIT=a.service");
	start(cursor, true);
	cr_expect_str_eq(read_all(), "4 ");
	free(cursor);
}

Test(journal, an_empty_folder_fills)
{
	src.start_position = nothing;
	start(NULL, false);
	cr_expect_str_eq(bh_journal_position(j), "");
	cr_expect_eq(bh_journal_look(j, &err), -ENOENT);
	cr_expect_str_eq(read_all(), "");
	WRITE("system.journal", 1, "MESSAGE=1");
	cr_expect_str_eq(read_all(), "1 ");
	cr_expect_eq(bh_journal_look(j, &err), 0);
}

/* §12: forced modes, the cursor, then beginning and end; §4.3: forced once per start. */
Test(journal, places_to_start)
{
	char force_beginning[] = "forceBeginning", force_end[] = "forceEnd", end[] = "end", *cursor;
	const struct {
		char *mode;
		bool cursor, resume;
		enum bh_journal_place place;
		const char *messages;
	} rows[] = {
	    {force_beginning, true, false, BH_JOURNAL_AT_HEAD, "1 2 3 "},
	    {force_end, true, false, BH_JOURNAL_AT_TAIL, ""},
	    {force_beginning, true, true, BH_JOURNAL_AT_CURSOR, "2 3 "},
	    {force_end, true, true, BH_JOURNAL_AT_CURSOR, "2 3 "},
	    {force_beginning, false, true, BH_JOURNAL_AT_HEAD, "1 2 3 "},
	    {force_end, false, true, BH_JOURNAL_AT_TAIL, ""},
	    {beginning, true, false, BH_JOURNAL_AT_CURSOR, "2 3 "},
	    {end, true, false, BH_JOURNAL_AT_CURSOR, "2 3 "},
	    {beginning, false, false, BH_JOURNAL_AT_HEAD, "1 2 3 "},
	    {end, false, false, BH_JOURNAL_AT_TAIL, ""},
	    {nothing, false, false, BH_JOURNAL_AT_TAIL, ""},
	};

	WRITE("system.journal", 1, "MESSAGE=1", "MESSAGE=2", "MESSAGE=3");
	start(NULL, false);
	cr_assert_eq(bh_journal_read(j, 1, note, NULL, &seen, &err), 0);
	cr_expect(seen.more);
	cursor = position();
	stop();
	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++) {
		struct bh_journal_began began;

		src.start_position = rows[i].mode;
		began = start(rows[i].cursor ? cursor : "", rows[i].resume);
		cr_expect_eq(began.place, rows[i].place, "row %zu", i);
		cr_expect_not(began.refused);
		cr_expect_str_eq(read_all(), rows[i].messages, "row %zu", i);
		stop();
	}
	free(cursor);
}

Test(journal, after_a_vacuum_nothing_more_is_lost)
{
	char old[128], *cursor;

	WRITE("system@1.journal", 1, "MESSAGE=1", "MESSAGE=2");
	WRITE("system.journal", 3, "MESSAGE=3", "MESSAGE=4");
	start(NULL, false);
	cr_assert_eq(bh_journal_read(j, 2, note, NULL, &seen, &err), 0);
	cr_expect_str_eq(got.data, "1 2 ");
	cursor = position();
	stop();
	file_path(old, sizeof(old), "system@1.journal");
	cr_assert_eq(unlink(old), 0);
	cr_expect_eq(start(cursor, false).place, BH_JOURNAL_AT_CURSOR);
	cr_expect_str_eq(read_all(), "3 4 ");
	free(cursor);
}

/* The entry of the cursor is gone and nothing is behind it yet: what comes then is sent. */
Test(journal, a_vacuumed_cursor_waits_for_the_next_entry)
{
	char old[128], *cursor;

	WRITE("system@1.journal", 1, "MESSAGE=1");
	start(NULL, false);
	cr_expect_str_eq(read_all(), "1 ");
	cursor = position();
	stop();
	file_path(old, sizeof(old), "system@1.journal");
	cr_assert_eq(unlink(old), 0);
	start(cursor, false);
	cr_expect_str_eq(read_all(), "");
	WRITE("system.journal", 2, "MESSAGE=2", "MESSAGE=3");
	cr_expect_str_eq(read_all(), "2 3 ");
	free(cursor);
}

Test(journal, a_refused_cursor_is_reported)
{
	struct bh_journal_began began;

	WRITE("system.journal", 1, "MESSAGE=1");
	began = start("no cursor", false);
	cr_expect(began.refused);
	cr_expect_eq(began.place, BH_JOURNAL_AT_HEAD);
	cr_expect_str_eq(read_all(), "1 ");
	stop();
	src.start_position = nothing;
	began = start("s=x;i=", false);
	cr_expect(began.refused);
	cr_expect_eq(began.place, BH_JOURNAL_AT_TAIL);
	cr_expect_str_eq(read_all(), "");
}

static void write_units(void)
{
	WRITE("system.journal", 1, "MESSAGE=a\n_SYSTEMD_UNIT=a\nP=1\nQ=1",
	    "MESSAGE=b\n_SYSTEMD_UNIT=b\nP=2\nQ=1",
	    "MESSAGE=u\n_SYSTEMD_UNIT=m\n_SYSTEMD_USER_UNIT=u\nP=1\nQ=2",
	    "MESSAGE=v\n_SYSTEMD_UNIT=m\n_SYSTEMD_USER_UNIT=v\nP=2\nQ=2", "MESSAGE=k\nP=1");
}

static void split(struct bh_strlist *l, const char *words)
{
	for (size_t n; *words; words += n + (words[n] == ' ')) {
		n = strcspn(words, " ");
		cr_assert_eq(bh_strlist_add(l, words, n), 0);
	}
}

Test(journal, matches_and_exclusion)
{
	static const struct {
		const char *units, *user_units, *matches, *not_units, *not_user_units, *not_matches;
		const char *messages;
		unsigned excluded;
	} rows[] = {
	    {"", "", "", "", "", "", "a b u v k ", 0},
	    {"a", "", "", "", "", "", "a ", 0},
	    {"a b", "", "", "", "", "", "a b ", 0},
	    {"", "u", "", "", "", "", "u ", 0},
	    {"a", "u", "", "", "", "", "a u ", 0},
	    {"", "", "P=1", "", "", "", "a u k ", 0},
	    {"", "", "P=1 P=2", "", "", "", "a b u v k ", 0}, /* same field: or */
	    {"", "", "P=1 Q=1", "", "", "", "a ", 0},         /* different fields: and */
	    {"a b", "", "P=2", "", "", "", "b ", 0},
	    {"a b", "u v", "P=2", "", "", "", "b v ", 0}, /* §22.5: they hold for both */
	    {"", "", "", "a", "", "", "b u v k ", 1},
	    {"", "", "", "*", "", "", "u v k ", 2},
	    {"", "", "", "", "*", "", "a b k ", 2},
	    {"", "", "", "", "u", "P=2", "a k ", 3},
	    {"a b", "", "", "a", "", "", "b ", 1},
	};

	write_units();
	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++) {
		struct bh_strlist *const lists[] = {&src.include_units, &src.include_user_units,
		    &src.include_matches, &src.exclude_units, &src.exclude_user_units,
		    &src.exclude_matches};
		const char *const words[] = {rows[i].units, rows[i].user_units, rows[i].matches,
		    rows[i].not_units, rows[i].not_user_units, rows[i].not_matches};

		for (size_t k = 0; k < BH_ARRAY_LEN(lists); k++) {
			bh_strlist_release(lists[k]);
			split(lists[k], words[k]);
		}
		start(NULL, false);
		cr_expect_str_eq(read_all(), rows[i].messages, "row %zu: %s", i, got.data);
		cr_expect_eq(seen.excluded, rows[i].excluded, "row %zu", i);
		stop();
	}
}

/* The position passes what was dropped. */
Test(journal, excluded_entries_move_the_position)
{
	char *before;

	add(&src.exclude_units, "a");
	WRITE("system.journal", 1, "MESSAGE=1", "MESSAGE=2\n_SYSTEMD_UNIT=a");
	start(NULL, false);
	cr_assert_eq(bh_journal_read(j, 1, note, NULL, &seen, &err), 0);
	before = position();
	cr_assert_eq(bh_journal_read(j, 1, note, NULL, &seen, &err), 0);
	cr_expect_eq(seen.excluded, 1u);
	cr_expect_eq(seen.passed, 0u);
	cr_expect_str_neq(bh_journal_position(j), before);
	free(before);
}

Test(journal, the_callback_ends_the_reading)
{
	int two = 2, error = -3;

	WRITE("system.journal", 1, "MESSAGE=1", "MESSAGE=2", "MESSAGE=3", "MESSAGE=4");
	start(NULL, false);
	cr_assert_eq(bh_journal_read(j, 10, note, &two, &seen, &err), 0);
	cr_expect_eq(seen.passed, 2u);
	cr_expect(seen.more);
	cr_expect_eq(bh_journal_read(j, 10, note, &error, &seen, &err), -EPIPE);
	cr_expect_str_eq(got.data, "1 2 3 ");
}

Test(journal, the_time_out_is_a_second_at_most)
{
	start(NULL, false);
	cr_expect_leq(bh_journal_timeout_ns(j, 0), BH_NS_PER_S);
	cr_expect_geq(bh_journal_timeout_ns(j, INT64_MAX), 0);
}

/* --- errors ----------------------------------------------------------------------------------- */

Test(journal, a_missing_folder_is_named)
{
	char gone[] = "/nonexistent/journal";

	src.path = gone;
	cr_expect_eq(bh_journal_open(&j, &src, 1000, &err), -ENOENT);
	cr_expect(strstr(err.text, gone), "%s", err.text);
	src.path = dir;
}

Test(journal, a_match_that_is_none_is_named)
{
	struct bh_journal_began began;

	add(&src.include_matches, "lower=1");
	WRITE("system.journal", 1, "MESSAGE=1");
	open_it();
	cr_expect_eq(bh_journal_start(j, NULL, false, &began, &err), -EINVAL);
	cr_expect(strstr(err.text, "could not add filter lower=1"), "%s", err.text);
}

Test(journal, no_permission_is_explained)
{
	char path[128];

	WRITE("system.journal", 1, "MESSAGE=1");
	file_path(path, sizeof(path), "system.journal");
	cr_assert_eq(chmod(path, 0), 0);
	if (geteuid() == 0)
		cr_assert_eq(seteuid(NOBODY), 0);
	start(NULL, false);
	cr_expect_str_eq(read_all(), "");
	cr_expect_eq(bh_journal_look(j, &err), -EACCES);
	cr_expect(strstr(err.text, "systemd-journal (or adm)"), "%s", err.text);
}

Test(journal, a_damaged_file_is_told_from_a_closed_one)
{
	char path[128];
	FILE *f;

	file_path(path, sizeof(path), "system.journal");
	f = fopen(path, "we");
	cr_assert(f);
	for (int i = 0; i < 4096; i++)
		(void)fputc('x', f);
	cr_assert_eq(fclose(f), 0);
	start(NULL, false);
	cr_expect_str_eq(read_all(), "");
	cr_expect_eq(bh_journal_look(j, &err), BH_E_FORMAT, "%s", err.text);
}

/* --- size ------------------------------------------------------------------------------------- */

static int measure(void *ctx, const struct bh_journal_message *m)
{
	size_t *out = ctx;

	out[0] = m->text.content.n;
	out[1] = m->text.cut;
	out[2] = m->text.left_out;
	return 0;
}

/* Long fields are whole, compressed ones too; those beyond the bound are left out. */
Test(journal, long_fields)
{
	static const char *const values[] = {"ab", "\xce\xb1"};
	const size_t lengths[] = {600000, 3u << 20};

	for (size_t i = 0; i < BH_ARRAY_LEN(lengths); i++) {
		struct bh_buf text = BH_BUF_INIT;
		size_t sizes[3] = {0};

		(void)bh_buf_str(&text, "MESSAGE=m\nLONG=");
		while (text.len < lengths[i])
			(void)bh_buf_str(&text, values[i]);
		WRITE(i ? "b.journal" : "a.journal", (int)i, text.data);
		if (i == 0)
			start(NULL, false);
		cr_assert_eq(bh_journal_wake(j, &err), 0);
		cr_assert_eq(bh_journal_read(j, 1, measure, sizes, &seen, &err), 0);
		cr_expect_eq(seen.passed, 1u);
		cr_expect_eq(sizes[2], i, "left out");
		if (i == 0)
			cr_expect_geq(sizes[0], lengths[i]);
		bh_buf_release(&text);
	}
}
