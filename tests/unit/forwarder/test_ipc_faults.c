/* What nng 1.5.2 does wrong, contained: each test is one of the faults of spec/supervision.md §13.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/ipc.h"

#define HALF_OPEN   400
#define DEADLINE_NS (20 * BH_NS_PER_S)

struct fixture {
	char dir[64], path[96];
	struct bh_loop loop;
	struct bh_ipc *listener, *dialer;
	unsigned received;
};

static void count(void *ctx, struct bh_ipc_msg *msg)
{
	((struct fixture *)ctx)->received++;
	bh_ipc_msg_free(msg);
}

static void nothing(void *ctx)
{
	(void)ctx;
}

static void open_listener(struct fixture *f, size_t recv_max, uid_t uid)
{
	struct bh_ipc_config cfg = {
	    BH_IPC_PULL, BH_IPC_LISTEN, f->path, recv_max, 0, 4, uid, 100 * BH_NS_PER_MS};
	struct bh_err err = BH_ERR_INIT;

	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/bh-ipc-XXXXXX");
	cr_assert_not_null(mkdtemp(f->dir));
	(void)snprintf(f->path, sizeof(f->path), "%s/s", f->dir);
	cfg.path = f->path;
	cr_assert_eq(bh_loop_init(&f->loop, &bh_clock_system), 0);
	cr_assert_eq(bh_ipc_open(&f->listener, &f->loop, NULL, &cfg, count, NULL, f, &err), 0, "%s",
	    err.text);
}

static void open_dialer(struct fixture *f)
{
	struct bh_ipc_config cfg = {BH_IPC_PUSH, BH_IPC_DIAL, f->path, 0, 4, 0, (uid_t)-1, 0};
	struct bh_err err = BH_ERR_INIT;

	cr_assert_eq(bh_ipc_open(&f->dialer, &f->loop, NULL, &cfg, NULL, nothing, f, &err), 0, "%s",
	    err.text);
}

static void send_one(struct fixture *f, size_t n)
{
	int64_t end = bh_mono_ns(&bh_clock_system) + DEADLINE_NS;
	struct bh_ipc_msg *msg = NULL;

	cr_assert_eq(bh_ipc_msg_new(&msg, n), 0);
	memset(bh_ipc_msg_data(msg), 'x', n);
	while (msg && bh_mono_ns(&bh_clock_system) < end) {
		if (bh_ipc_send(f->dialer, &msg) != 0)
			cr_assert_eq(bh_loop_turn(&f->loop, 10 * BH_NS_PER_MS), 0);
	}
	cr_assert_null(msg, "never taken");
}

static void wait_received(struct fixture *f, unsigned n)
{
	int64_t end = bh_mono_ns(&bh_clock_system) + DEADLINE_NS;

	while (f->received < n && bh_mono_ns(&bh_clock_system) < end)
		cr_assert_eq(bh_loop_turn(&f->loop, 20 * BH_NS_PER_MS), 0);
	cr_assert_eq(f->received, n, "%u of %u, recycles %llu, connected %d", f->received, n,
	    (unsigned long long)bh_ipc_recycles(f->listener), bh_ipc_connected(f->listener));
}

static void turn_for(struct fixture *f, int64_t ns)
{
	int64_t end = bh_mono_ns(&bh_clock_system) + ns;

	while (bh_mono_ns(&bh_clock_system) < end)
		cr_assert_eq(bh_loop_turn(&f->loop, 10 * BH_NS_PER_MS), 0);
}

static void done(struct fixture *f)
{
	bh_ipc_close(f->dialer);
	bh_ipc_close(f->listener);
	bh_loop_release(&f->loop);
	(void)unlink(f->path);
	(void)rmdir(f->dir);
}

/* Connects and leaves before, or in the middle of, the 8 bytes of the handshake. */
static void half_open(const char *path, int i)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	/* A deaf listener's queue fills: a blocking connect would wait for ever. */
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	cr_assert_geq(fd, 0);
	memcpy(sa.sun_path, path, strlen(path) + 1);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 && i % 2)
		(void)send(fd, "\0SP\0", (size_t)(i % 4), MSG_NOSIGNAL);
	(void)close(fd);
}

Test(ipc, hears_again_after_400_peers_that_left_inside_the_handshake)
{
	struct fixture f = {.received = 0};

	open_listener(&f, 1 << 20, (uid_t)-1);
	bh_ipc_expect_peer(f.listener, true);
	for (int i = 0; i < HALF_OPEN; i++) {
		half_open(f.path, i);
		if (i % 20 == 0)
			cr_assert_eq(bh_loop_turn(&f.loop, BH_NS_PER_MS), 0);
	}
	open_dialer(&f);
	/* "Sent" means queued: what was queued for a connection that the recycling ended is gone,
	 * as the link expects. So it is said again, like HELLO, until somebody hears it. */
	for (int i = 0; i < 100 && f.received == 0; i++) {
		send_one(&f, 100);
		turn_for(&f, 50 * BH_NS_PER_MS);
	}
	cr_assert_gt(
	    f.received, 0, "deaf: recycles %llu", (unsigned long long)bh_ipc_recycles(f.listener));
	done(&f);
}

/* Who is to be turned away speaks the handshake by hand: a PUSH socket of this nng uses freed
 * memory when the other side closes soon after it, and that peer's health is not what is tested. */
static int knock(const char *path)
{
	static const unsigned char push_greeting[8] = {0, 'S', 'P', 0, 0, 0x50, 0, 0};
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_geq(fd, 0);
	memcpy(sa.sun_path, path, strlen(path) + 1);
	cr_assert_eq(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	cr_assert_eq(send(fd, push_greeting, 8, MSG_NOSIGNAL), 8);
	return fd;
}

/* A message of n bytes as nng frames it on a Unix socket: 1, the length, the bytes. */
static void say(int fd, size_t n)
{
	static unsigned char frame[9 + 8192] = {1};

	cr_assert_leq(n, sizeof(frame) - 9);
	for (int i = 0; i < 8; i++)
		frame[8 - i] = (unsigned char)(n >> (8 * i));
	cr_assert_eq(send(fd, frame, 9 + n, MSG_NOSIGNAL), (ssize_t)(9 + n));
}

/* Runs the loop until the listener has closed the connection. */
static void wait_closed(struct fixture *f, int fd)
{
	int64_t end = bh_mono_ns(&bh_clock_system) + DEADLINE_NS;
	char greeting[8];
	ssize_t got;

	do {
		cr_assert_eq(bh_loop_turn(&f->loop, 10 * BH_NS_PER_MS), 0);
		got = recv(fd, greeting, sizeof(greeting), MSG_DONTWAIT);
	} while (got != 0 && errno != ECONNRESET && bh_mono_ns(&bh_clock_system) < end);
	cr_assert(got == 0 || errno == ECONNRESET, "the connection was left open");
	(void)close(fd);
}

Test(ipc, an_oversize_message_is_not_received_and_the_next_one_is)
{
	struct fixture f = {.received = 0};
	int fd;

	open_listener(&f, 1000, (uid_t)-1);
	fd = knock(f.path);
	say(fd, 5000);
	wait_closed(&f, fd);
	cr_assert_eq(f.received, 0);
	fd = knock(f.path);
	say(fd, 500);
	wait_received(&f, 1);
	(void)close(fd);
	done(&f);
}

Test(ipc, a_peer_of_another_user_is_refused)
{
	struct fixture f = {.received = 0};

	open_listener(&f, 1000, getuid() + 1);
	wait_closed(&f, knock(f.path));
	cr_assert_eq(bh_ipc_refused(f.listener), 1);
	cr_assert_not(bh_ipc_connected(f.listener));
	cr_assert_eq(f.received, 0);
	done(&f);
}

Test(ipc, a_renewed_dialer_gets_through)
{
	struct fixture f = {.received = 0};
	struct bh_err err = BH_ERR_INIT;

	open_listener(&f, 1000, (uid_t)-1);
	open_dialer(&f);
	send_one(&f, 10);
	wait_received(&f, 1);
	cr_assert_eq(bh_ipc_renew(f.dialer, &err), 0, "%s", err.text);
	cr_assert_eq(bh_ipc_renewals(f.dialer), 1);
	send_one(&f, 10);
	wait_received(&f, 2);
	done(&f);
}
