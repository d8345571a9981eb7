#include "tests/intake/listen.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Splits in place: "[::1]:80" → "::1", "80". */
static int split(char *text, char **host, char **port)
{
	char *colon = strrchr(text, ':');

	if (!colon || colon == text || colon[1] == '\0')
		return BH_E_FORMAT;
	*colon = '\0';
	*port = colon + 1;
	*host = text;
	if (text[0] != '[')
		return strchr(text, ':') ? BH_E_FORMAT : 0;
	if (colon[-1] != ']')
		return BH_E_FORMAT;
	colon[-1] = '\0';
	*host = text + 1;
	return 0;
}

static int open_socket(const struct addrinfo *ai)
{
	int one = 1;
	int rc;
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, 256) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

static int name_socket(int fd, char *bound, size_t size)
{
	struct sockaddr_storage addr = {0};
	socklen_t len = sizeof(addr);
	char host[64];
	char port[8];

	if (getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
		return -errno;
	if (getnameinfo((struct sockaddr *)&addr, len, host, sizeof(host), port, sizeof(port),
		NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return -EINVAL;
	snprintf(bound, size, addr.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
	return 0;
}

int bh_listen(const char *text, char *bound, size_t bound_size, struct bh_err *err)
{
	struct addrinfo hints = {
	    .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
	struct addrinfo *ai = NULL;
	char copy[BH_LISTEN_TEXT_MAX];
	char *host = NULL;
	char *port = NULL;
	size_t n = strlen(text);
	int fd;
	int rc;

	if (n >= sizeof(copy))
		return bh_err_set(err, BH_E_FORMAT, "address %.40s… is too long", text);
	memcpy(copy, text, n + 1);
	if (split(copy, &host, &port) < 0 || getaddrinfo(host, port, &hints, &ai) != 0)
		return bh_err_set(err, BH_E_FORMAT, "\"%s\" is not ADDRESS:PORT", text);
	fd = open_socket(ai);
	freeaddrinfo(ai);
	if (fd < 0)
		return bh_err_set(err, fd, "listen on %s", text);
	rc = name_socket(fd, bound, bound_size);
	if (rc < 0) {
		close(fd);
		return bh_err_set(err, rc, "name of %s", text);
	}
	return fd;
}
