/*
 * bulkheadctl stream-logs: a pair of connected sockets, one end for the logs process, the other for
 * the one who asked. What passes between them is not seen here (proto/CONTROL.md).
 */
#ifndef BH_SUPERVISOR_STREAM_H
#define BH_SUPERVISOR_STREAM_H

#include "common/attrs.h"
#include "supervisor/ctl_server.h"

struct bh_supervisor;

/* ends[0] is for reading only, ends[1] for the logs process; the caller owns both. One datagram
 * holds a whole message. -errno. */
int bh_stream_pair(int ends[2]) BH_MUST_CHECK;

/* A request with the verb; answered at once. */
void bh_stream_take(struct bh_supervisor *s, struct bh_ctl_conn *conn);

#endif
