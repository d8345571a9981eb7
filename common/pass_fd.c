#include "common/pass_fd.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	struct cmsghdr align;
	char room[CMSG_SPACE(sizeof(int))];
};

ssize_t bh_pass_fd_send(int to, struct bh_str bytes, int fd, int flags)
{
	union control control = {.room = {0}};
	struct iovec iov = {(void *)(uintptr_t)bytes.p, bytes.n};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (fd >= 0) {
		struct cmsghdr *c = &control.align;

		h.msg_control = control.room;
		h.msg_controllen = sizeof(control.room);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	do
		n = sendmsg(to, &h, flags | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* The last of the descriptors, or -1; the others are closed. *n grows by their number. */
static int take_all(struct cmsghdr *c, size_t *n)
{
	int fd = -1;

	if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return -1;
	for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int)) {
		if (fd >= 0)
			(void)close(fd);
		memcpy(&fd, (char *)c + at, sizeof(int));
		++*n;
	}
	return fd;
}

/* The room is for one, but its padding takes a second on 64 bits: the kernel does not call that
 * truncated. */
static void take(struct msghdr *h, bool end, int *fd)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(h);
	size_t n = 0;
	int spare = c ? take_all(c, &n) : -1;

	if (n == 1 && !end && !(h->msg_flags & MSG_CTRUNC)) {
		int got = spare;

		spare = *fd;
		*fd = got;
	}
	if (spare >= 0)
		(void)close(spare);
}

ssize_t bh_pass_fd_receive(int from, void *out, size_t cap, int *fd, int flags)
{
	union control control;
	struct iovec iov = {out, cap};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	do {
		h.msg_control = control.room;
		h.msg_controllen = sizeof(control.room);
		n = recvmsg(from, &h, flags | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	take(&h, n == 0, fd);
	return n;
}
