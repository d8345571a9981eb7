#include "common/kernel_drops.h"

#include <linux/sock_diag.h>
#include <stdbool.h>
#include <string.h>

static bool socket_counter(int fd, uint32_t *counter)
{
	uint32_t info[SK_MEMINFO_VARS] = {0};
	socklen_t len = sizeof(info);

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len) < 0 ||
	    len < (SK_MEMINFO_DROPS + 1) * sizeof(info[0]))
		return false;
	*counter = info[SK_MEMINFO_DROPS];
	return true;
}

static uint32_t news(struct bh_kernel_drops *d, uint32_t counter)
{
	uint32_t more = counter - d->seen;

	/* Of two reports the older one may be read last. */
	if (more > UINT32_MAX / 2)
		return 0;
	d->seen = counter;
	return more;
}

void bh_kernel_drops_skip(struct bh_kernel_drops *d, int fd)
{
	(void)socket_counter(fd, &d->seen);
}

uint32_t bh_kernel_drops_ask(struct bh_kernel_drops *d, int fd)
{
	uint32_t counter;

	return socket_counter(fd, &counter) ? news(d, counter) : 0;
}

uint32_t bh_kernel_drops_read(struct bh_kernel_drops *d, struct msghdr *h)
{
	uint32_t more = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		uint32_t counter;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_RXQ_OVFL ||
		    c->cmsg_len < CMSG_LEN(sizeof(counter)))
			continue;
		memcpy(&counter, CMSG_DATA(c), sizeof(counter));
		more += news(d, counter);
	}
	return more;
}
