#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/attrs.h"
#include "logs-agent/stream.h"

static struct bh_loop loop;
static struct bh_streams streams;
static struct bh_record_ends ends;

static void set_up(void)
{
	const struct bh_record_names names = {.hostname = BH_STR_LIT("h"),
	    .service = BH_STR_LIT("web"),
	    .source = BH_STR_LIT("nginx"),
	    .tailer_tags = BH_STR_LIT("filename:a.log")};

	cr_assert_eq(bh_loop_init(&loop, &bh_clock_system), 0);
	cr_assert_eq(bh_record_ends_make(&ends, &names), 0);
	bh_streams_init(&streams, &loop);
}

static void tear_down(void)
{
	bh_streams_release(&streams);
	bh_record_ends_release(&ends);
	bh_loop_release(&loop);
}

TestSuite(stream, .init = set_up, .fini = tear_down);

/* The reading end of a new stream. */
static int open_stream(const char *source, const char *service)
{
	struct bh_stream_filter filter = {.source = ""};
	int fds[2];

	(void)snprintf(filter.source, sizeof(filter.source), "%s", source);
	(void)snprintf(filter.service, sizeof(filter.service), "%s", service);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	bh_stream_add(&streams, fds[1], &filter);
	return fds[0];
}

static void put_from(const char *source, const char *service, struct bh_str content)
{
	const struct bh_record r = {.content = content,
	    .status = BH_STATUS_INFO,
	    .timestamp_ms = 1700000000123,
	    .ends = &ends};
	const struct bh_stream_names names = {
	    BH_STR_LIT("nginx"), BH_STR_LIT("file"), bh_str_from(source), bh_str_from(service)};

	bh_stream_put(&streams, &names, &r);
}

static void put(const char *text)
{
	put_from("nginx", "web", bh_str_from(text));
}

/* What the next datagram holds, "" when there is none, "end" at the end. */
static const char *next(int fd)
{
	static char line[BH_STREAM_LINE_MAX + 1];
	ssize_t n = recv(fd, line, sizeof(line) - 1, MSG_DONTWAIT);

	line[n > 0 ? n : 0] = '\0';
	return n == 0 ? "end" : line;
}

static void turn(void)
{
	cr_assert_eq(bh_loop_turn(&loop, 0), 0);
}

Test(stream, a_message_is_what_the_intake_gets_behind_its_origin)
{
	int fd = open_stream("", "");

	put("say \"hi\" \x1b[2J");
	cr_assert_str_eq(next(fd), "{\"integration\":\"nginx\",\"type\":\"file\",\"message\":\"say "
				   "\\\"hi\\\" \\u001b[2J\","
				   "\"status\":\"info\",\"timestamp\":1700000000123,\"hostname\":"
				   "\"h\",\"service\":\"web\","
				   "\"ddsource\":\"nginx\",\"ddtags\":\"filename:a.log\"}");
	cr_assert_str_eq(next(fd), "");
	(void)close(fd);
}

Test(stream, source_and_service_are_exactly_those_asked_for)
{
	static const struct {
		const char *want_source, *want_service, *source, *service;
		bool shown;
	} cases[] = {
	    {"", "", "a", "b", true},
	    {"", "", "", "", true},
	    {"a", "", "a", "b", true},
	    {"a", "", "A", "b", false},
	    {"a", "", "aa", "b", false},
	    {"aa", "", "a", "b", false},
	    {"a", "", "", "a", false},
	    {"", "b", "a", "b", true},
	    {"", "b", "b", "a", false},
	    {"a", "b", "a", "b", true},
	    {"a", "b", "a", "c", false},
	    {"a", "b", "c", "b", false},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		int fd = open_stream(cases[i].want_source, cases[i].want_service);

		put_from(cases[i].source, cases[i].service, BH_STR_LIT("x"));
		cr_expect_eq(*next(fd) != '\0', cases[i].shown, "case %zu", i);
		(void)close(fd);
		turn();
		cr_assert_eq(streams.n, 0);
	}
}

Test(stream, the_convenient_call_takes_the_names_of_the_source)
{
	static char type[] = "tcp", source[] = "nginx", service[] = "web",
		    where[] = "/etc/x/conf.d/edge.d/conf.yaml:7";
	const struct bh_log_source src = {
	    .type = type, .source = source, .service = service, .where = where};
	const struct bh_record r = {.content = BH_STR_LIT("x"), .ends = &ends};
	int fd;

	bh_stream_message(&streams, &src, &r); /* nobody looks */
	fd = open_stream("nginx", "web");
	bh_stream_message(&streams, &src, &r);
	cr_assert(strstr(next(fd), "{\"integration\":\"edge\",\"type\":\"tcp\",\"message\":\"x\""));
	cr_assert_str_eq(next(fd), "");
	(void)close(fd);
}

/* Puts messages until the stream is behind; the number of those that went through. */
static unsigned fill(void)
{
	unsigned n = 0;

	while (!streams.v[0].dropped) {
		cr_assert_lt(n, 100000u, "the socket is never full");
		put("filling");
		n++;
	}
	return n - 1;
}

Test(stream, a_slow_reader_misses_messages_and_is_told_how_many)
{
	int slow = open_stream("", "");
	unsigned through = fill(), quick_n = 0;
	int quick = open_stream("", "");

	put("missed");
	put("missed too");
	cr_assert_eq(streams.v[0].dropped, 3);
	while (*next(quick))
		quick_n++;
	cr_assert_eq(quick_n, 2, "one slow reader is nobody else's concern");
	turn();
	cr_assert_eq(streams.v[0].dropped, 3, "no room yet");
	for (unsigned i = 0; i < through; i++)
		cr_assert(strstr(next(slow), "filling"), "message %u", i);
	cr_assert_str_eq(next(slow), "");
	put("room, but the count comes first");
	turn();
	cr_assert_str_eq(next(slow), "{\"dropped\":4}");
	put("shown again");
	cr_assert(strstr(next(slow), "shown again"));
	turn();
	cr_assert_str_eq(next(slow), "", "it is told once");
	(void)close(slow);
	(void)close(quick);
}

Test(stream, the_end_of_a_reader_frees_its_place)
{
	int fd[BH_STREAMS_MAX], one_more;

	for (size_t i = 0; i < BH_STREAMS_MAX; i++)
		fd[i] = open_stream("", "");
	one_more = open_stream("", "");
	cr_assert_str_eq(
	    next(one_more), "{\"error\":\"too many streams are open already: at most 4\"}");
	cr_assert_str_eq(next(one_more), "end");
	(void)close(one_more);
	(void)close(fd[1]);
	turn(); /* without a message */
	cr_assert_eq(streams.n, BH_STREAMS_MAX - 1);
	fd[1] = open_stream("", "");
	(void)close(fd[2]);
	put("to the others"); /* before the loop has seen it */
	cr_assert_eq(streams.n, BH_STREAMS_MAX - 1);
	for (size_t i = 0; i < BH_STREAMS_MAX; i++) {
		if (i != 2) {
			cr_assert(strstr(next(fd[i]), "to the others"), "reader %zu", i);
			(void)close(fd[i]);
		}
	}
	turn();
	cr_assert_eq(streams.n, 0);
	cr_assert_eq(streams.line.cap, 0, "memory goes with the last reader");
}

Test(stream, a_reader_that_leaves_while_it_is_behind_is_forgotten)
{
	int fd = open_stream("", "");

	(void)fill();
	(void)close(fd);
	turn();
	cr_assert_eq(streams.n, 0);
}

Test(stream, readers_see_the_end_of_the_process)
{
	int fd = open_stream("", "");

	put("last");
	bh_streams_release(&streams);
	cr_assert(strstr(next(fd), "last"));
	cr_assert_str_eq(next(fd), "end");
	(void)close(fd);
}

Test(stream, what_is_no_socket_ends_at_the_first_message)
{
	const struct bh_stream_filter any = {.source = ""};
	int fds[2];

	cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
	bh_stream_add(&streams, fds[1], &any);
	cr_assert_eq(streams.n, 1);
	put("x");
	cr_assert_eq(streams.n, 0);
	(void)close(fds[0]);
}

Test(stream, a_long_message_is_cut_between_characters)
{
	static const struct {
		const char *unit; /* the message: this, again and again */
		size_t n, times;
		size_t shown; /* bytes of it */
	} cases[] = {
	    {"x", 1, BH_STREAM_CONTENT_MAX, BH_STREAM_CONTENT_MAX},
	    {"x", 1, BH_STREAM_CONTENT_MAX + 1, BH_STREAM_CONTENT_MAX},
	    {"\xe2\x82\xac", 3, 30000, BH_STREAM_CONTENT_MAX / 3 * 3},
	    {"\x01", 1, BH_STREAM_CONTENT_MAX, (size_t)16 << 10},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		struct bh_buf text = BH_BUF_INIT;
		size_t total = cases[i].n * cases[i].times;
		char mark[64];
		const char *line;
		int fd = open_stream("", "");

		for (size_t k = 0; k < cases[i].times; k++)
			(void)bh_buf_append(&text, cases[i].unit, cases[i].n);
		put_from("nginx", "web", bh_buf_view(&text));
		line = next(fd);
		(void)snprintf(
		    mark, sizeof(mark), "\"bytes_cut\":%zu,\"message\":", total - cases[i].shown);
		cr_expect_eq(strstr(line, mark) != NULL, total > cases[i].shown, "case %zu", i);
		cr_expect(strstr(line, "\"ddsource\":\"nginx\""), "case %zu", i);
		cr_expect_null(strstr(line, "\xef\xbf\xbd"), "case %zu: half a character", i);
		bh_buf_release(&text);
		(void)close(fd);
		turn();
	}
}

Test(stream, an_integration_is_a_folder_or_a_file)
{
	static const char *const cases[][2] = {
	    {"/etc/bulkhead/conf.d/nginx.d/conf.yaml:3", "nginx"},
	    {"nginx.d/conf.yaml:3", "nginx"},
	    {"/etc/bulkhead/conf.d/nginx.yaml:3", "nginx"},
	    {"conf.yaml:3", "conf"},
	    {"/a/.d/x.yaml", "x"},
	    {"/conf.yaml", "conf"},
	    {"DD_LOGS", "DD_LOGS"},
	    {"/", ""},
	    {"", ""},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++)
		cr_expect(bh_str_eq(bh_stream_integration(cases[i][0]), bh_str_from(cases[i][1])),
		    "%s", cases[i][0]);
}
