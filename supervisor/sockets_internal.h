/* Shared by sockets.c (UDP, the whole), sockets_unix.c (sockets with a path) and sockets_logs.c
 * (those of log sources). */
#ifndef BH_SUPERVISOR_SOCKETS_INTERNAL_H
#define BH_SUPERVISOR_SOCKETS_INTERNAL_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "supervisor/sockets.h"

union bh_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_storage room;
};

/* IPv4 unless the family says IPv6. */
socklen_t bh_address_len(const union bh_address *a);
void bh_address_set_port(union bh_address *a, uint16_t port);
uint16_t bh_address_port(const union bh_address *a);
/* "127.0.0.1:8125", "[::1]:8125"; 80 bytes are enough. */
void bh_address_text(const union bh_address *a, char *out, size_t cap);

/* Says what could not be made. 0 or -ENOMEM. */
int bh_sockets_note(struct bh_strlist *notes, const char *fmt, ...) BH_PRINTF(2, 3);
/* Takes fd, also on failure (-ENOMEM). */
int bh_sockets_keep(
    struct bh_sockets *s, int fd, enum bh_socket_kind kind, const char *where) BH_MUST_CHECK;
/* dogstatsd_so_rcvbuf; says so when the kernel gives less or *refused it. */
int bh_sockets_rcvbuf(
    struct bh_sockets *s, int fd, const char *what, int64_t want, bool *refused) BH_MUST_CHECK;

int bh_sockets_open_unix(
    struct bh_sockets *s, const struct bh_config *cfg, enum bh_socket_kind kind) BH_MUST_CHECK;
/* Removes the file of a socket that was closed, unless somebody else receives there now. */
void bh_sockets_remove_unix(const char *path, enum bh_socket_kind kind);

#endif
