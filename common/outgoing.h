/*
 * An answer on its way to a socket, as fast as the other side reads; a descriptor may go with its
 * first byte. The socket is the owner's.
 */
#ifndef BH_COMMON_OUTGOING_H
#define BH_COMMON_OUTGOING_H

#include <stddef.h>

#include "common/attrs.h"
#include "common/buf.h"

struct bh_outgoing {
	struct bh_buf bytes; /* appended to by the owner */
	size_t sent;         /* of these */
	int fd;              /* owned; goes with the next byte; -1 = none */
};

#define BH_OUTGOING_INIT \
	{ \
		BH_BUF_INIT, 0, -1 \
	}

void bh_outgoing_release(struct bh_outgoing *o); /* frees and closes; o is empty again */
void bh_outgoing_clear(struct bh_outgoing *o);   /* the bytes are forgotten, the descriptor stays */
void bh_outgoing_take_fd(struct bh_outgoing *o, int fd); /* in place of one that has not left */

/* Sends what is left, or as much as the socket to takes. flags: MSG_DONTWAIT, or 0 to be bound by
 * the socket's own mode. 1 = all is sent, 0 = the rest has to wait until it is writable, -errno =
 * the other side is gone. */
int bh_outgoing_send(struct bh_outgoing *o, int to, int flags) BH_MUST_CHECK;

#endif
