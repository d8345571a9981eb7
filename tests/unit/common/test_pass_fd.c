/* A descriptor beside bytes, and what is not taken: nothing of it may stay open. */
#include <criterion/criterion.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/outgoing.h"
#include "common/pass_fd.h"

#define MANY 8

static int pair[2];
static int given[MANY]; /* what is passed: each a file of its own */

static void open_pair(int type)
{
	cr_assert_eq(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair), 0);
}

static void set_up(void)
{
	for (size_t i = 0; i < MANY; i++) {
		given[i] = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		cr_assert_geq(given[i], 0);
	}
	open_pair(SOCK_SEQPACKET);
}

TestSuite(pass_fd, .init = set_up);

static int open_count(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	cr_assert(d);
	while (readdir(d))
		n++;
	(void)closedir(d);
	return n;
}

static bool is_same_file(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_ino == y.st_ino;
}

/* What a sender that does not keep to "one or none" does. */
static void send_many(int to, const char *text, size_t n)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(MANY * sizeof(int))];
	} control = {.room = {0}};
	char copy[16];
	struct iovec iov = {copy, strlen(text)};
	struct msghdr h = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.room,
	    .msg_controllen = CMSG_SPACE(n * sizeof(int))};
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);

	memcpy(copy, text, strlen(text));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), given, n * sizeof(int));
	cr_assert_eq(sendmsg(to, &h, MSG_NOSIGNAL), (ssize_t)strlen(text));
}

Test(pass_fd, one_or_none_goes_with_the_bytes)
{
	char raw[16];
	int fd = -1;

	cr_assert_eq(bh_pass_fd_send(pair[0], BH_STR_LIT("bare"), -1, MSG_DONTWAIT), 4);
	cr_assert_eq(bh_pass_fd_receive(pair[1], raw, sizeof(raw), &fd, MSG_DONTWAIT), 4);
	cr_assert_eq(fd, -1);
	cr_assert_eq(bh_pass_fd_send(pair[0], BH_STR_LIT("with"), given[0], 0), 4);
	cr_assert_eq(bh_pass_fd_receive(pair[1], raw, sizeof(raw), &fd, 0), 4);
	cr_assert_arr_eq(raw, "with", 4);
	cr_assert(is_same_file(fd, given[0]));
	cr_assert_neq(fd, given[0], "the sender's stays the sender's");
	cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

Test(pass_fd, another_one_takes_the_place_of_the_one_before)
{
	char raw[16];
	int fd = -1, before = open_count();

	for (size_t i = 0; i < 3; i++) {
		cr_assert_eq(bh_pass_fd_send(pair[0], BH_STR_LIT("x"), given[i], 0), 1);
		cr_assert_eq(bh_pass_fd_send(pair[0], BH_STR_LIT("y"), -1, 0), 1);
		cr_assert_eq(bh_pass_fd_receive(pair[1], raw, sizeof(raw), &fd, 0), 1);
		cr_assert_eq(bh_pass_fd_receive(pair[1], raw, sizeof(raw), &fd, 0), 1);
		cr_assert(is_same_file(fd, given[i]), "none does not forget one");
		cr_assert_eq(open_count(), before + 1);
	}
}

/* Two fit in the room for one, more are truncated by the kernel. */
Test(pass_fd, too_many_are_closed_and_count_as_none)
{
	int before = open_count();

	for (size_t n = 2; n <= MANY; n++) {
		char raw[16];
		int fd = -1;

		send_many(pair[0], "many", n);
		cr_assert_eq(bh_pass_fd_receive(pair[1], raw, sizeof(raw), &fd, 0), 4);
		cr_assert_eq(fd, -1, "%zu descriptors", n);
		cr_assert_eq(open_count(), before, "%zu descriptors", n);
	}
}

/* room: descriptors that may still be opened; -1 = as many as may be. */
static void limit_to(int room)
{
	int next = dup(given[0]); /* the lowest that is free; -1: none is */
	struct rlimit l;

	if (next >= 0)
		(void)close(next);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &l), 0);
	l.rlim_cur = room < 0 ? l.rlim_max : (rlim_t)(next + room);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &l), 0);
}

Test(pass_fd, without_a_free_descriptor_the_bytes_come_alone)
{
	int before = open_count();

	for (int room = 0; room < 2; room++) {
		char raw[16];
		int fd = -1;

		send_many(pair[0], "full", (size_t)room + 1);
		limit_to(room);
		cr_assert_eq(bh_pass_fd_receive(pair[1], raw, sizeof(raw), &fd, 0), 4);
		limit_to(-1);
		cr_assert_eq(fd, -1, "room for %d", room);
		cr_assert_eq(open_count(), before, "room for %d", room);
	}
}

Test(pass_fd, a_short_read_of_a_stream_has_it_with_the_first_part)
{
	char raw[4];
	int fd = -1;

	open_pair(SOCK_STREAM);
	cr_assert_eq(bh_pass_fd_send(pair[0], BH_STR_LIT("sixsix"), given[1], 0), 6);
	cr_assert_eq(bh_pass_fd_receive(pair[1], raw, sizeof(raw), &fd, 0), 4);
	cr_assert(is_same_file(fd, given[1]));
	cr_assert_eq(bh_pass_fd_receive(pair[1], raw, sizeof(raw), &fd, 0), 2);
	cr_assert(is_same_file(fd, given[1]));
}

Test(pass_fd, an_empty_socket_a_gone_peer_and_the_end_are_told_apart)
{
	char raw[4];
	int fd = given[0];

	cr_assert_eq(bh_pass_fd_receive(pair[1], raw, sizeof(raw), &fd, MSG_DONTWAIT), -EAGAIN);
	(void)close(pair[0]);
	cr_assert_eq(bh_pass_fd_receive(pair[1], raw, sizeof(raw), &fd, 0), 0);
	cr_assert_eq(bh_pass_fd_send(pair[1], BH_STR_LIT("x"), -1, 0), -EPIPE);
	cr_assert_eq(fd, given[0], "none of these touches what the caller has");
}

Test(pass_fd, what_comes_with_an_empty_message_is_closed)
{
	int before = open_count(), fd = -1;
	char raw[4];

	send_many(pair[0], "", 1);
	cr_assert_eq(bh_pass_fd_receive(pair[1], raw, sizeof(raw), &fd, 0), 0);
	cr_assert_eq(fd, -1);
	cr_assert_eq(open_count(), before);
}

static void interrupt(int signo)
{
	static int turn;

	(void)signo;
	if (++turn == 3 && send(pair[0], "late", 4, MSG_NOSIGNAL) != 4)
		_exit(1);
}

/* Three signals, and only the last of them sends what is waited for. */
Test(pass_fd, a_signal_does_not_end_the_wait)
{
	const struct sigaction without_restart = {.sa_handler = interrupt};
	const struct itimerval often = {{0, 20000}, {0, 20000}}, never = {{0, 0}, {0, 0}};
	char raw[16];
	int fd = -1;

	cr_assert_eq(sigaction(SIGALRM, &without_restart, NULL), 0);
	cr_assert_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
	cr_assert_eq(bh_pass_fd_receive(pair[1], raw, sizeof(raw), &fd, 0), 4);
	cr_assert_eq(setitimer(ITIMER_REAL, &never, NULL), 0);
	cr_assert_arr_eq(raw, "late", 4);
}

/* --- an answer in parts ----------------------------------------------------------------------- */

Test(pass_fd, an_answer_goes_as_fast_as_it_is_read_and_its_descriptor_once)
{
	static const char part[4096] = "";
	struct bh_outgoing o = BH_OUTGOING_INIT;
	size_t sum = 0, passed = 0;
	int before, rc;

	open_pair(SOCK_STREAM);
	before = open_count();
	for (int i = 0; i < 512; i++)
		cr_assert_eq(bh_buf_append(&o.bytes, part, sizeof(part)), 0);
	bh_outgoing_take_fd(&o, dup(given[0]));
	cr_assert_eq(bh_outgoing_send(&o, pair[0], MSG_DONTWAIT), 0);
	cr_assert_gt(o.sent, 0);
	cr_assert_eq(o.fd, -1);
	do {
		char raw[8192];
		int fd = -1;
		ssize_t n = bh_pass_fd_receive(pair[1], raw, sizeof(raw), &fd, 0);

		cr_assert_gt(n, 0);
		sum += (size_t)n;
		passed += fd >= 0;
		if (fd >= 0)
			(void)close(fd);
		rc = bh_outgoing_send(&o, pair[0], MSG_DONTWAIT);
		cr_assert_geq(rc, 0);
	} while (sum < o.bytes.len);
	cr_assert_eq(rc, 1);
	cr_assert_eq(passed, 1);
	(void)close(pair[1]);
	bh_outgoing_clear(&o);
	cr_assert_eq(bh_buf_str(&o.bytes, "more"), 0);
	cr_assert_eq(bh_outgoing_send(&o, pair[0], 0), -EPIPE);
	bh_outgoing_take_fd(&o, dup(given[0]));
	bh_outgoing_release(&o);
	cr_assert_eq(open_count(), before - 1, "what has not left is closed");
}
