/* Clients of listening sockets, for tests. */
#ifndef BH_TESTS_SUPERVISOR_INET_H
#define BH_TESTS_SUPERVISOR_INET_H

#include <stdbool.h>

/* Whether this host has ::1. */
bool has_ipv6(void);
/* What stands behind the last colon of a socket's name. */
unsigned port_of(const char *name);
/* A client of this address; -1 when it is refused. type: SOCK_DGRAM or SOCK_STREAM. */
int dial(int type, int family, const char *ip, unsigned port);
/* A datagram from a socket of this family to that address reaches fd, whose name has the port. */
void assert_udp_arrives(const char *name, int fd, int family, const char *ip);

#endif
