#include "tests/unit/supervisor/inet.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

bool has_ipv6(void)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool yes = fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0;

	if (fd >= 0)
		(void)close(fd);
	return yes;
}

unsigned port_of(const char *name)
{
	return (unsigned)strtoul(strrchr(name, ':') + 1, NULL, 10);
}

int dial(int type, int family, const char *ip, unsigned port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = v4.sin_port};
	int fd = socket(family, type | SOCK_CLOEXEC, 0), rc;

	cr_assert_eq(
	    inet_pton(family, ip, family == AF_INET ? (void *)&v4.sin_addr : (void *)&v6.sin6_addr),
	    1);
	rc = family == AF_INET ? connect(fd, (struct sockaddr *)&v4, sizeof(v4))
			       : connect(fd, (struct sockaddr *)&v6, sizeof(v6));
	if (rc == 0)
		return fd;
	(void)close(fd);
	return -1;
}

void assert_udp_arrives(const char *name, int fd, int family, const char *ip)
{
	int client = dial(SOCK_DGRAM, family, ip, port_of(name));
	char back[8] = "";

	cr_assert_eq(send(client, "hi", 2, 0), 2, "%s", name);
	cr_assert_eq(recv(fd, back, sizeof(back), 0), 2, "%s", name);
	cr_assert_str_eq(back, "hi");
	(void)close(client);
}
