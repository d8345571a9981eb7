/*
 * Datagrams the kernel dropped because a socket's queue was full: its own 32-bit counter, read from
 * a datagram's ancillary data (SO_RXQ_OVFL, set by who binds) or asked of the socket.
 */
#ifndef BH_COMMON_KERNEL_DROPS_H
#define BH_COMMON_KERNEL_DROPS_H

#include <stdint.h>
#include <sys/socket.h>

/* Zeroed: all drops since the socket was made are news. */
struct bh_kernel_drops {
	uint32_t seen;
};

/* What was dropped until now is no news. Where the kernel does not tell, nothing changes. */
void bh_kernel_drops_skip(struct bh_kernel_drops *d, int fd);
/* Drops since the last answer, as the socket says; 0 where the kernel does not tell. */
uint32_t bh_kernel_drops_ask(struct bh_kernel_drops *d, int fd);
/* The same, as a received datagram says. */
uint32_t bh_kernel_drops_read(struct bh_kernel_drops *d, struct msghdr *h);

#endif
