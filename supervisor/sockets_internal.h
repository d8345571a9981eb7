/* Shared by sockets.c (UDP, the whole) and sockets_unix.c (sockets with a path). */
#ifndef BH_SUPERVISOR_SOCKETS_INTERNAL_H
#define BH_SUPERVISOR_SOCKETS_INTERNAL_H

#include "supervisor/sockets.h"

/* Says what could not be made. 0 or -ENOMEM. */
int bh_sockets_note(struct bh_sockets *s, const char *fmt, ...) BH_PRINTF(2, 3);
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
