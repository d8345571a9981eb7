#include "common/outgoing.h"

#include <errno.h>
#include <unistd.h>

#include "common/pass_fd.h"

void bh_outgoing_release(struct bh_outgoing *o)
{
	bh_outgoing_take_fd(o, -1);
	bh_buf_release(&o->bytes);
	o->sent = 0;
}

void bh_outgoing_clear(struct bh_outgoing *o)
{
	bh_buf_clear(&o->bytes);
	o->sent = 0;
}

void bh_outgoing_take_fd(struct bh_outgoing *o, int fd)
{
	if (o->fd >= 0)
		(void)close(o->fd);
	o->fd = fd;
}

int bh_outgoing_send(struct bh_outgoing *o, int to, int flags)
{
	while (o->sent < o->bytes.len) {
		struct bh_str left = {o->bytes.data + o->sent, o->bytes.len - o->sent};
		ssize_t n = bh_pass_fd_send(to, left, o->fd, flags);

		if (n < 0)
			return n == -EAGAIN ? 0 : (int)n;
		o->sent += (size_t)n;
		bh_outgoing_take_fd(o, -1);
	}
	return 1;
}
