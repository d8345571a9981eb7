#include "dogstatsd/relay.h"

#include <sys/socket.h>

void bh_relay_send(struct bh_relay *r, struct bh_str packet)
{
	if (packet.n == 0)
		return;
	if (send(r->fd, packet.p, packet.n, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)packet.n)
		r->sent++;
	else
		r->failed++;
}
