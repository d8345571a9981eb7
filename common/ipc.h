/*
 * The only door to nng (1.5.2). One-way sockets: a PUSH side and a PULL side, either may listen.
 * Everything is non-blocking and driven by our loop through nng's pollable descriptors; no nng
 * callback touches our state. What that library does wrong is contained here (spec/durability.md
 * §12, supervision.md §13): a listener that a half-open peer made deaf is recycled, a stalled
 * socket is abandoned and replaced (renewal), receive sizes are limited, peers are checked by uid.
 *
 * "sent" means queued, nothing more: only proto/LINK.md acknowledgements count.
 */
#ifndef BH_COMMON_IPC_H
#define BH_COMMON_IPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/attrs.h"
#include "common/err.h"
#include "common/log.h"
#include "common/loop.h"

/* A received or to-be-sent message; owns its bytes. */
struct bh_ipc_msg;

int bh_ipc_msg_new(struct bh_ipc_msg **msg, size_t n) BH_MUST_CHECK; /* -ENOMEM */
void bh_ipc_msg_free(struct bh_ipc_msg *msg);                        /* NULL is fine */
void *bh_ipc_msg_data(struct bh_ipc_msg *msg);
size_t bh_ipc_msg_size(const struct bh_ipc_msg *msg);

enum bh_ipc_way { BH_IPC_PUSH, BH_IPC_PULL };
enum bh_ipc_side { BH_IPC_LISTEN, BH_IPC_DIAL };

struct bh_ipc_config {
	enum bh_ipc_way way;
	enum bh_ipc_side side;
	const char *path;       /* file system path of the socket, <= 107 bytes; copied */
	size_t recv_max;        /* bytes; larger messages close the pipe */
	int send_buf, recv_buf; /* messages */
	uid_t peer_uid;         /* who may connect; (uid_t)-1 = own uid */
	int64_t recycle_ns;     /* listeners: recycle when there is no live peer for so long while
				 * bh_ipc_expect_peer(true), four times as long otherwise; 0 = never */
};

struct bh_ipc;

typedef void bh_ipc_recv_fn(void *ctx, struct bh_ipc_msg *msg); /* takes msg */

/* Opens, listens or dials, and registers with the loop. on_recv for PULL only; on_writable (may be
 * NULL) for PUSH: called when a send may succeed again after -EAGAIN. BH_E_NET with text, -ENOMEM,
 * -ENAMETOOLONG. */
int bh_ipc_open(struct bh_ipc **out, struct bh_loop *loop, struct bh_log *log,
    const struct bh_ipc_config *cfg, bh_ipc_recv_fn *on_recv, void (*on_writable)(void *ctx),
    void *ctx, struct bh_err *err) BH_MUST_CHECK;

/* Non-blocking send. 0: the library took the message (*msg is NULL now). -EAGAIN: queue full or no
 * peer, *msg is kept. Other errors: BH_E_NET. */
int bh_ipc_send(struct bh_ipc *ipc, struct bh_ipc_msg **msg) BH_MUST_CHECK;

/* Listener rule: whether a live peer ought to be there (PEER_STATE RUNNING). A peer that is still
 * starting may have been killed inside the handshake before, so the listener is renewed, more
 * slowly, without this too. Nothing wakes up while a peer is there. */
void bh_ipc_expect_peer(struct bh_ipc *ipc, bool expected);

/* Renewal: the old nng socket is left behind (closing it may block for ever), a new one dials the
 * same path. What still arrives through old PULL sockets is given on: where the old connection
 * lives, the other side spreads its messages over both. On an error everything is as before. The
 * caller counts and asks for a restart after 16. */
int bh_ipc_renew(struct bh_ipc *ipc, struct bh_err *err) BH_MUST_CHECK;
unsigned bh_ipc_renewals(const struct bh_ipc *ipc);

uint64_t bh_ipc_recycles(
    const struct bh_ipc *ipc); /* listeners replaced because nobody got through */
unsigned bh_ipc_refused(const struct bh_ipc *ipc); /* peers refused for their uid */

bool bh_ipc_connected(const struct bh_ipc *ipc); /* a peer that was let in is there now */

/* Leaves the loop and frees. The nng socket stays until the process ends, as those of renewals do.
 */
void bh_ipc_close(struct bh_ipc *ipc);

#endif
