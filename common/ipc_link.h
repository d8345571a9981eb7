/* A message of the link (proto/link.h) over a socket of common/ipc.h. */
#ifndef BH_COMMON_IPC_LINK_H
#define BH_COMMON_IPC_LINK_H

#include "common/attrs.h"
#include "common/ipc.h"
#include "proto/link.h"

/* Messages without a body. 0 = the library took it; -EAGAIN = its queue is full; -ENOMEM and the
 * errors of bh_link_encode_into() and bh_ipc_send(). */
int bh_ipc_send_link(struct bh_ipc *ipc, const struct bh_link_msg *m) BH_MUST_CHECK;

#endif
