/*
 * Sockets of clients that the service manager holds and passes at the start (LISTEN_PID, LISTEN_FDS
 * as for sd_listen_fds(3); spec/supervision.md §14): they are there before bulkhead runs and while
 * it is replaced. A listener of the configuration takes the one with its address in place of a
 * socket of its own. What is unread when bulkhead stops waits in it for the next start.
 */
#ifndef BH_SUPERVISOR_SOCKETS_GIVEN_H
#define BH_SUPERVISOR_SOCKETS_GIVEN_H

#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "common/attrs.h"
#include "common/config.h"

#define BH_GIVEN_MAX 8

struct bh_given {
	int fd[BH_GIVEN_MAX]; /* owned; -1 = taken by a listener */
	size_t n;
};

/* The descriptors meant for the process self; none when the variables name another or are no
 * numbers. They are moved out of the way and close at exec; those beyond BH_GIVEN_MAX are closed.
 */
void bh_given_take(struct bh_given *g, char *const *environ_, pid_t self);

/* The socket of this type bound to that address, then the caller's: non-blocking, SO_RXQ_OVFL set.
 * Unix sockets are the same when their paths are, or name the same file. -1: there is none. g may
 * be NULL. */
int bh_given_find(struct bh_given *g, const struct sockaddr *address, socklen_t n, int type);

/* Closes what no listener took, with a note for each. 0 or -ENOMEM. */
int bh_given_release(struct bh_given *g, struct bh_strlist *notes) BH_MUST_CHECK;

#endif
