#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <signal.h>
#include <unistd.h>

#include "tests/intake/record.h"

static char folder[32];
static char path[64];

static void make_folder(void)
{
	memcpy(folder, "/tmp/bh-record-XXXXXX", sizeof("/tmp/bh-record-XXXXXX"));
	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/data", folder);
}

static void remove_folder(void)
{
	unlink(path);
	rmdir(folder);
}

TestSuite(record, .init = make_folder, .fini = remove_folder);

static struct bh_decoded one_log(const char *message)
{
	struct bh_decoded d;

	bh_decoded_init(&d);
	json_array_append_new(
	    d.records, json_pack("{s:s, s:s}", "kind", "log", "message", message));
	return d;
}

static void expect_file(const char *want)
{
	struct bh_buf text = BH_BUF_INIT;
	char chunk[512];
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	cr_assert_geq(fd, 0);
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		bh_buf_append(&text, chunk, (size_t)n);
	close(fd);
	cr_expect_str_eq(text.data, want);
	bh_buf_release(&text);
}

static void show(const char *json, const char *want)
{
	struct bh_buf out = BH_BUF_INIT;
	json_t *record = json_loads(json, JSON_ALLOW_NUL, NULL);

	cr_assert_not_null(record, "%s", json);
	bh_record_show_line(record, &out);
	cr_expect_str_eq(out.data ? out.data : "", want);
	json_decref(record);
	bh_buf_release(&out);
}

Test(record, lines_carry_request_and_the_end_of_the_key_only)
{
	struct bh_err err = BH_ERR_INIT;
	struct bh_decoded d = one_log("hello");
	struct bh_record r;

	cr_assert_eq(bh_record_open(&r, path, false, &err), 0, "%s", err.text);
	cr_assert_eq(bh_record_add(&r, &d, 7, "0123456789abcdef"), 0);
	expect_file("{\"kind\":\"log\",\"message\":\"hello\",\"req\":7,\"key\":\"bcdef\"}\n");
	bh_record_close(&r);
	bh_decoded_release(&d);
}

Test(record, an_existing_file_is_continued)
{
	struct bh_err err = BH_ERR_INIT;
	struct bh_record r;

	for (uint64_t req = 1; req <= 2; req++) {
		struct bh_decoded d = one_log("m");

		cr_assert_eq(bh_record_open(&r, path, false, &err), 0);
		cr_assert_eq(bh_record_add(&r, &d, req, "k"), 0);
		bh_record_close(&r);
		bh_decoded_release(&d);
	}
	expect_file("{\"kind\":\"log\",\"message\":\"m\",\"req\":1,\"key\":\"k\"}\n"
		    "{\"kind\":\"log\",\"message\":\"m\",\"req\":2,\"key\":\"k\"}\n");
}

Test(record, a_full_disk_leaves_the_file_as_it_was)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	struct rlimit small = {90, 90}; /* room for the first line, not for the second */
	struct bh_err err = BH_ERR_INIT;
	struct bh_decoded d = one_log("hello");
	struct bh_record r;

	cr_assert_eq(sigaction(SIGXFSZ, &ignore, NULL), 0);
	cr_assert_eq(bh_record_open(&r, path, false, &err), 0);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	cr_assert_eq(bh_record_add(&r, &d, 1, "k"), 0);
	cr_expect_eq(bh_record_add(&r, &d, 2, "k"), -EFBIG);
	expect_file("{\"kind\":\"log\",\"message\":\"hello\",\"req\":1,\"key\":\"k\"}\n");
	bh_record_close(&r);
	bh_decoded_release(&d);
}

Test(record, a_file_that_cannot_be_opened_is_named)
{
	struct bh_err err = BH_ERR_INIT;
	struct bh_record r;

	cr_expect_eq(bh_record_open(&r, "/nonexistent/data", false, &err), -ENOENT);
	cr_expect(strstr(err.text, "/nonexistent/data"), "%s", err.text);
	bh_record_close(&r);
}

Test(record, people_see_one_line_a_record)
{
	show("{\"kind\":\"series\",\"metric\":\"hits\",\"type\":\"rate\",\"points\":[[1,0.5],[11,2]"
	     "],"
	     "\"tags\":[\"env:x\",\"b\"]}",
	    "metric  hits = 0.5, 2 (rate) #env:x,b\n");
	show("{\"kind\":\"sketch\",\"metric\":\"lat\",\"tags\":[],\"points\":[{\"cnt\":3,\"min\":1."
	     "0,"
	     "\"avg\":1.5,\"max\":2.0}]}",
	    "metric  lat = 3 samples, min 1, avg 1.5, max 2 (distribution)\n");
	show(
	    "{\"kind\":\"log\",\"service\":\"web\",\"message\":\"hello\"}", "log     web: hello\n");
	show("{\"kind\":\"event\",\"msg_title\":\"t\"}", "event   t\n");
	show("{\"kind\":\"check\",\"check\":\"up\"}", "check   up\n");
	show("{\"kind\":\"metadata\"}", "");
}

Test(record, control_characters_do_not_reach_a_terminal)
{
	show("{\"kind\":\"log\",\"service\":\"a\\nb\",\"message\":\"\\u0000\\u001b["
	     "31m\\u007f\\u009b2J é\"}",
	    "log     a\\x0ab: \\x00\\x1b[31m\\x7f\\x9b2J é\n");
}

Test(record, long_text_is_cut_between_characters)
{
	struct bh_buf json = BH_BUF_INIT;
	struct bh_buf want = BH_BUF_INIT;

	bh_buf_str(&json, "{\"kind\":\"log\",\"message\":\"a");
	bh_buf_str(&want, "log     : a");
	for (int i = 0; i < 300; i++)
		bh_buf_str(&json, "é");
	for (int i = 0; i < 149; i++)
		bh_buf_str(&want, "é");
	bh_buf_str(&json, "\"}");
	bh_buf_str(&want, " …\n");
	show(json.data, want.data);
	bh_buf_release(&json);
	bh_buf_release(&want);
}
