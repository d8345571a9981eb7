#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "common/kernel_drops.h"

static int bound(struct sockaddr_in *at)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1, size = 4096;
	socklen_t len = sizeof(*at);

	*at = (struct sockaddr_in){
	    .sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on)), 0);
	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)at, sizeof(*at)), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)at, &len), 0);
	return fd;
}

static void send_some(const struct sockaddr_in *to, int n)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	for (int i = 0; i < n; i++)
		cr_assert_eq(sendto(fd, "x", 1, 0, (const struct sockaddr *)to, sizeof(*to)), 1);
	(void)close(fd);
}

/* Reads the queue empty; what the datagrams said was dropped goes to *said. */
static int read_all(int fd, struct bh_kernel_drops *d, uint32_t *said)
{
	char data[8], control[64];
	struct iovec iov = {data, sizeof(data)};
	int n = 0;

	for (;; n++) {
		struct msghdr h = {.msg_iov = &iov,
		    .msg_iovlen = 1,
		    .msg_control = control,
		    .msg_controllen = sizeof(control)};

		if (recvmsg(fd, &h, 0) < 0)
			return n;
		*said += bh_kernel_drops_read(d, &h);
	}
}

Test(kernel_drops, what_was_sent_was_read_or_dropped)
{
	struct bh_kernel_drops d = {0};
	struct sockaddr_in at;
	int fd = bound(&at);
	uint32_t said = 0;
	int n;

	send_some(&at, 200);
	n = read_all(fd, &d, &said);
	send_some(&at, 1); /* tells what was dropped before it */
	n += read_all(fd, &d, &said);
	said += bh_kernel_drops_ask(&d, fd);
	cr_expect_gt(said, 0);
	cr_expect_eq(n + (int)said, 201);
	cr_expect_eq(bh_kernel_drops_ask(&d, fd), 0, "told twice");
	(void)close(fd);
}

Test(kernel_drops, what_is_skipped_is_no_news)
{
	struct bh_kernel_drops d = {0};
	struct sockaddr_in at;
	int fd = bound(&at);

	send_some(&at, 200);
	bh_kernel_drops_skip(&d, fd);
	cr_expect_gt(d.seen, 0);
	cr_expect_eq(bh_kernel_drops_ask(&d, fd), 0);
	(void)close(fd);
}

static uint32_t report(struct bh_kernel_drops *d, uint32_t counter)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(uint32_t))];
	} control = {.head = {CMSG_LEN(sizeof(counter)), SOL_SOCKET, SO_RXQ_OVFL}};
	struct msghdr h = {.msg_control = &control, .msg_controllen = CMSG_SPACE(sizeof(counter))};

	memcpy(CMSG_DATA(&control.head), &counter, sizeof(counter));
	return bh_kernel_drops_read(d, &h);
}

Test(kernel_drops, the_counter_wraps_and_late_reports_are_old)
{
	struct bh_kernel_drops d = {.seen = UINT32_MAX - 1};

	cr_expect_eq(report(&d, 3), 5);
	cr_expect_eq(report(&d, 2), 0);
	cr_expect_eq(report(&d, 3), 0);
	cr_expect_eq(report(&d, 4), 1);
}
