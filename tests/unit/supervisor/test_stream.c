#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/attrs.h"
#include "common/pass_fd.h"
#include "supervisor/stream.h"

#define LINE_MAX_BYTES ((size_t)160 << 10) /* proto/CONTROL.md */

Test(stream, a_pair_carries_whole_messages_one_way)
{
	static char sent[LINE_MAX_BYTES], got[LINE_MAX_BYTES + 1];
	int ends[2];

	cr_assert_eq(bh_stream_pair(ends), 0);
	memset(sent, 'x', sizeof(sent));
	cr_assert_eq(send(ends[1], sent, sizeof(sent), MSG_DONTWAIT), (ssize_t)sizeof(sent));
	cr_assert_eq(send(ends[1], "y", 1, MSG_DONTWAIT), 1);
	cr_assert_eq(recv(ends[0], got, sizeof(got), MSG_DONTWAIT), (ssize_t)sizeof(sent));
	cr_assert_eq(recv(ends[0], got, sizeof(got), MSG_DONTWAIT), 1);
	cr_assert_lt(send(ends[0], "z", 1, MSG_DONTWAIT | MSG_NOSIGNAL), 0);
	cr_assert_eq(errno, EPIPE);
	for (int i = 0; i < 2; i++)
		cr_assert(fcntl(ends[i], F_GETFD) & FD_CLOEXEC);
	(void)close(ends[1]);
	cr_assert_eq(recv(ends[0], got, sizeof(got), MSG_DONTWAIT), 0);
	(void)close(ends[0]);
}

/* --- a descriptor goes with an answer ---------------------------------------------------------
 */

static struct bh_loop loop;
static struct bh_log quiet;
static struct bh_ctl_server server;
static char dir[] = "/tmp/bh-test-XXXXXX";

static void set_up(void)
{
	struct bh_err err = BH_ERR_INIT;

	cr_assert(mkdtemp(dir));
	bh_log_init(&quiet, &bh_clock_system, "test", -1);
	cr_assert_eq(bh_loop_init(&loop, &bh_clock_system), 0);
	cr_assert_eq(bh_ctl_server_open(&server, &loop, &quiet, dir, &err), 0, "%s", err.text);
}

static void tear_down(void)
{
	bh_ctl_server_close(&server);
	bh_loop_release(&loop);
	(void)rmdir(dir);
}

TestSuite(answer, .init = set_up, .fini = tear_down);

/* Its request is taken; the answer is what handle gives. */
static int ask(const char *line, void (*handle)(void *ctx, struct bh_ctl_conn *conn))
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	server.handle = handle;
	(void)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", server.path);
	cr_assert_eq(connect(fd, (const struct sockaddr *)&sun, sizeof(sun)), 0);
	cr_assert_eq(send(fd, line, strlen(line), 0), (ssize_t)strlen(line));
	for (int i = 0; i < 3; i++)
		cr_assert_eq(bh_loop_turn(&loop, 0), 0);
	return fd;
}

/* The rest of an answer; *passed: the descriptor with it or -1. */
static size_t hear(int fd, char *out, size_t cap, int *passed)
{
	ssize_t n;

	*passed = -1;
	n = bh_pass_fd_receive(fd, out, cap, passed, MSG_DONTWAIT);
	return n > 0 ? (size_t)n : 0;
}

static struct bh_stream_filter seen;
static int writer = -1;

static void give_pipe(void *ctx, struct bh_ctl_conn *conn)
{
	int fds[2];

	(void)ctx;
	seen = conn->filter;
	cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
	writer = fds[1];
	bh_ctl_answer_fd(conn, BH_STR_LIT("{\"stream\":true}"), fds[0]);
}

static void give_none(void *ctx, struct bh_ctl_conn *conn)
{
	(void)ctx;
	bh_ctl_answer(conn, BH_STR_LIT("{}"));
}

Test(answer, a_descriptor_goes_along_and_is_kept_nowhere)
{
	struct pollfd p = {.events = POLLOUT};
	char text[64] = "";
	int passed;
	int fd =
	    ask("{\"verb\":\"stream-logs\",\"source\":\"nginx\",\"service\":\"web\"}\n", give_pipe);

	cr_assert_str_eq(seen.source, "nginx");
	cr_assert_str_eq(seen.service, "web");
	text[hear(fd, text, sizeof(text) - 1, &passed)] = '\0';
	cr_assert_str_eq(text, "{\"stream\":true}\n");
	cr_assert_geq(passed, 0);
	cr_assert_eq(write(writer, "x", 1), 1);
	cr_assert_eq(read(passed, text, sizeof(text)), 1);
	(void)close(passed);
	p.fd = writer;
	cr_assert_eq(poll(&p, 1, 0), 1);
	cr_assert(p.revents & POLLERR, "the server kept the other end");
	(void)close(writer);
	(void)close(fd);
}

Test(answer, the_next_of_a_connection_brings_none)
{
	char text[64] = "";
	int passed, fd;

	(void)close(ask("{\"verb\":\"stream-logs\"}\n", give_pipe));
	(void)close(writer);
	fd = ask("{\"verb\":\"version\"}\n", give_none);
	text[hear(fd, text, sizeof(text) - 1, &passed)] = '\0';
	cr_assert_str_eq(text, "{}\n");
	cr_assert_eq(passed, -1);
	(void)close(fd);
}

static struct bh_ctl_conn *answered;

static void give_much(void *ctx, struct bh_ctl_conn *conn)
{
	static char much[1 << 20];
	int fds[2];

	(void)ctx;
	memset(much, ' ', sizeof(much));
	cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
	writer = fds[1];
	answered = conn;
	bh_ctl_answer_fd(conn, (struct bh_str){much, sizeof(much)}, fds[0]);
}

Test(answer, it_goes_once_with_an_answer_in_parts)
{
	static char part[65536];
	size_t total = 0, n;
	int fd = ask("{\"verb\":\"stream-logs\"}\n", give_much), passed = -1, count = 0;

	cr_assert(answered->io.out.sent < answered->io.out.bytes.len,
	    "it was meant to be too much for one send");
	cr_assert_eq(answered->io.out.fd, -1);
	while (total < (1 << 20) + 1) {
		n = hear(fd, part, sizeof(part), &passed);
		total += n;
		if (passed >= 0) {
			count++;
			(void)close(passed);
		}
		cr_assert_eq(bh_loop_turn(&loop, 0), 0);
	}
	cr_assert_eq(count, 1);
	(void)close(writer);
	(void)close(fd);
}
