#include <criterion/criterion.h>

#include <string.h>
#include <unistd.h>

#include "dogstatsd/senders.h"

static struct bh_senders s;

static void setup(void)
{
	cr_assert_eq(bh_senders_init(&s), 0);
}

static void teardown(void)
{
	bh_senders_release(&s);
}

TestSuite(senders, .init = setup, .fini = teardown);

static void note(pid_t pid, uid_t uid, int64_t now)
{
	bh_senders_note(&s, &(struct bh_sender){pid, uid}, 10, now);
}

Test(senders, are_counted_by_process_and_user)
{
	struct bh_sender_row rows[3];

	note(7, 1000, 1);
	note(7, 1000, 2);
	note(7, 0, 3); /* the same process after it changed its user */
	note(0, 0, 4);
	cr_assert_eq(bh_senders_top(&s, rows, 3), 3);
	cr_assert_eq(rows[0].from.pid, 7);
	cr_assert_eq(rows[0].packets, 2);
	cr_assert_eq(rows[0].bytes, 20);
	cr_assert_eq(rows[0].last_seen, 2);
	cr_assert_eq(s.foreign, 1, "a sender of another pid namespace is known by nothing else");
	cr_assert_eq(bh_senders_top(&s, rows, 1), 1);
}

Test(senders, stay_bounded_and_those_silent_longest_make_room)
{
	static struct bh_sender_row rows[BH_SENDERS_MAX];
	uint64_t kept = 0;
	size_t n;

	for (pid_t pid = 1; pid <= 4 * BH_SENDERS_MAX; pid++)
		note(pid, 0, pid);
	n = bh_senders_top(&s, rows, BH_SENDERS_MAX);
	for (size_t i = 0; i < n; i++)
		kept += rows[i].packets;
	cr_assert_leq(n, (size_t)BH_SENDERS_MAX);
	cr_assert_eq(kept + s.forgotten, 4 * BH_SENDERS_MAX, "no packet is counted nowhere");
	note(4 * BH_SENDERS_MAX, 0, 5 * BH_SENDERS_MAX);
	cr_assert_eq(bh_senders_top(&s, rows, 1), 1);
	cr_assert_eq(rows[0].from.pid, 4 * BH_SENDERS_MAX, "the latest ones are still there");
}

Test(senders, credentials_come_with_datagrams_and_from_peers)
{
	union {
		char room[CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr align;
	} control;
	char byte;
	struct iovec iov = {&byte, 1};
	struct msghdr h = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof(control)};
	struct bh_sender from;
	int pair[2], on = 1;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
	cr_assert_eq(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
	cr_assert_eq(send(pair[0], "x", 1, 0), 1);
	cr_assert_eq(recvmsg(pair[1], &h, 0), 1);
	cr_assert(bh_sender_of(&h, &from));
	cr_assert_eq(from.pid, getpid());
	cr_assert_eq(from.uid, getuid());
	h.msg_controllen = 0;
	cr_assert_not(bh_sender_of(&h, &from));
	cr_assert(bh_sender_of_peer(pair[0], &from));
	cr_assert_eq(from.pid, getpid());
	(void)close(pair[0]);
	(void)close(pair[1]);
}
