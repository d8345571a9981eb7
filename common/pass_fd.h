/*
 * Bytes over a unix socket with one descriptor beside them, or none (SCM_RIGHTS).
 *
 * Both calls try again when a signal interrupts them. flags are those of sendmsg() and recvmsg()
 * that say whether to wait: MSG_DONTWAIT or 0. No SIGPIPE is raised.
 */
#ifndef BH_COMMON_PASS_FD_H
#define BH_COMMON_PASS_FD_H

#include <stddef.h>
#include <sys/types.h>

#include "common/attrs.h"
#include "common/str.h"

/* Bytes that were taken, or -errno. fd (-1 = none) stays the caller's; once a byte was taken it is
 * on its way, and is not to be sent again with the rest. bytes is not empty: a stream socket
 * carries a descriptor only beside a byte. */
ssize_t bh_pass_fd_send(int to, struct bh_str bytes, int fd, int flags) BH_MUST_CHECK;

/*
 * Bytes that came, 0 at the end, or -errno. *fd is the caller's: -1, or the descriptor of an
 * earlier call. It is changed only when exactly one comes whole: the earlier one is closed, and the
 * new one has FD_CLOEXEC. More than one, or what was cut off because this process has no descriptor
 * left, is closed and counts as none: the bytes are returned all the same, and who needs a
 * descriptor sees that there is none.
 */
ssize_t bh_pass_fd_receive(int from, void *out, size_t cap, int *fd, int flags) BH_MUST_CHECK;

#endif
