/*
 * What the service manager is told (spec/supervision.md §11): READY, RELOADING, STOPPING, STATUS,
 * WATCHDOG, EXTEND_TIMEOUT_USEC, as datagrams to $NOTIFY_SOCKET. Without that variable every call
 * does nothing. The variables are taken out of our environment, so that nobody we start sees them.
 */
#ifndef BH_SUPERVISOR_NOTIFY_H
#define BH_SUPERVISOR_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/attrs.h"
#include "common/loop.h"

#define BH_NOTIFY_READY_NS (15 * BH_NS_PER_S) /* READY is sent by then, whatever is missing */

struct bh_notify {
	int fd; /* -1 = nobody listens */
	struct sockaddr_un to;
	socklen_t to_len;
	struct bh_loop *loop;
	int64_t watchdog_ns; /* between two WATCHDOG=1; 0 = none is wanted */
	struct bh_timer watchdog;
};

/* First of all: reads and unsets NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. */
void bh_notify_init(struct bh_notify *n);
/* The watchdog beats from here on: its timer runs only when the loop does. */
void bh_notify_start(struct bh_notify *n, struct bh_loop *loop);
void bh_notify_release(struct bh_notify *n);

/* One datagram: lines such as "READY=1\nSTATUS=…". A newline within data must not come in. */
void bh_notify_send(const struct bh_notify *n, const char *fmt, ...) BH_PRINTF(2, 3);
/* RELOADING=1 with its time; READY=1 follows when it is over. */
void bh_notify_reloading(const struct bh_notify *n);

#endif
