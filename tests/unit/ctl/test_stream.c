#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/attrs.h"
#include "supervisor/ctl/stream.h"

Test(stream, a_message_has_the_form_of_the_agent)
{
	static const struct {
		const char *json, *want;
	} cases[] = {
	    {"{\"integration\":\"nginx\",\"type\":\"file\",\"message\":\"hello\",\"status\":"
	     "\"info\","
	     "\"timestamp\":1700000000123,\"hostname\":\"h\",\"service\":\"web\","
	     "\"ddsource\":\"src\",\"ddtags\":\"a:b,c\"}",
		"Integration Name: nginx | Type: file | Status: info | Timestamp: 2023-11-14 "
		"22:13:20.123 +0000 UTC | Hostname: h | Service: web | Source: src | Tags: a:b,c | "
		"Message: hello\n"},
	    {"{\"message\":\"x\\ny\",\"bytes_cut\":7,\"hostname\":3,\"timestamp\":-1}",
		"Integration Name:  | Type:  | Status:  | Timestamp:  | Hostname:  | Service:  | "
		"Source:  | Tags:  | Message: x\\ny [7 bytes more]\n"},
	    {"{\"message\":\"\",\"service\":\"\\u001b]0;x\\u0007\"}",
		"Integration Name:  | Type:  | Status:  | Timestamp: 1970-01-01 00:00:00.000 +0000 "
		"UTC | Hostname:  | Service: \\x1b]0;x\\x07 | Source:  | Tags:  | Message: \n"},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		json_t *m = json_loads(cases[i].json, 0, NULL);
		struct bh_buf out = BH_BUF_INIT;

		cr_assert(m);
		bh_stream_line(m, &out);
		cr_expect_str_eq(out.data, cases[i].want);
		bh_buf_release(&out);
		json_decref(m);
	}
}

Test(stream, nothing_in_a_message_commands_a_terminal)
{
	static const struct {
		struct bh_str in;
		const char *want;
	} cases[] = {
	    {BH_STR_LIT(""), ""},
	    {BH_STR_LIT("a\tb ~"), "a\tb ~"},
	    {BH_STR_LIT("\x1b[31mred\x1b[0m"), "\\x1b[31mred\\x1b[0m"},
	    {BH_STR_LIT("a\r\nb"), "a\\r\\nb"},
	    {BH_STR_LIT("a\0b\x7f"), "a\\x00b\\x7f"},
	    {BH_STR_LIT("\xc2\x9b"
			"2J"),
		"\\u009b2J"}, /* C1: CSI in one character */
	    {BH_STR_LIT("\xc2\x80\xc2\x9f\xc2\xa0"), "\\u0080\\u009f\xc2\xa0"},
	    {BH_STR_LIT("\xe2\x80\xae.txt"), "\\u202e.txt"}, /* turned around */
	    {BH_STR_LIT("\xe2\x81\xa6x\xe2\x81\xa9"), "\\u2066x\\u2069"},
	    {BH_STR_LIT("\xe2\x80\xa8"), "\\u2028"}, /* line separator */
	    {BH_STR_LIT("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"),
		"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
	    {BH_STR_LIT("end\x1b"), "end\\x1b"},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		struct bh_buf out = BH_BUF_INIT;

		(void)bh_buf_str(&out, "");
		bh_stream_printable(&out, cases[i].in.p, cases[i].in.n);
		cr_expect_str_eq(out.data ? out.data : "", cases[i].want, "case %zu", i);
		bh_buf_release(&out);
	}
}

/* Datagrams into a stream whose other end is closed behind them unless it stays open. */
static int stream_of(const char *const *datagrams, size_t n, int *writer)
{
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	for (size_t i = 0; i < n; i++)
		cr_assert_geq(send(fds[1], datagrams[i], strlen(datagrams[i]), 0), 0);
	if (writer)
		*writer = fds[1];
	else
		(void)close(fds[1]);
	return fds[0];
}

static void silence(void)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	cr_assert_geq(dup2(null, STDOUT_FILENO), 0);
	cr_assert_geq(dup2(null, STDERR_FILENO), 0);
	(void)close(null);
}

Test(stream, a_stream_ends_as_it_should, .init = silence)
{
	static const char *const two[] = {
	    "{\"message\":\"1\"}", "{\"dropped\":9}", "{\"message\":\"2\"}"};
	static const char *const refused[] = {"{\"error\":\"too many\"}"};
	static const char *const noise[] = {"{\"message\":"};
	static const struct {
		const char *const *datagrams;
		size_t n;
		struct bh_stream_show show;
		bool stays_open;
		int rc;
	} cases[] = {
	    {two, 3, {0, 2, false}, false, 0},
	    {two, 3, {0, 2, true}, true, 0},
	    {two, 3, {0, 3, false}, false, BH_E_CLOSED}, /* drops are not messages */
	    {two, 3, {0, 0, false}, false, BH_E_CLOSED},
	    {two, 3, {1, 0, false}, true, 0}, /* the time is over */
	    {refused, 1, {0, 0, false}, true, BH_E_STATE},
	    {refused, 1, {0, 0, true}, true, BH_E_STATE},
	    {noise, 1, {0, 0, false}, true, BH_E_FORMAT},
	    {noise, 1, {0, 0, true}, true, BH_E_FORMAT},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		struct bh_err err = BH_ERR_INIT;
		int writer = -1;
		int fd =
		    stream_of(cases[i].datagrams, cases[i].n, cases[i].stays_open ? &writer : NULL);

		cr_expect_eq(bh_stream_show(fd, &cases[i].show, &err), cases[i].rc, "case %zu: %s",
		    i, err.text);
		if (writer >= 0)
			(void)close(writer);
	}
}
