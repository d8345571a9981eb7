#include "supervisor/sockets_given.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "supervisor/sockets_internal.h"

#define FIRST_FD 3  /* where the service manager begins */
#define CLEAR_OF 16 /* ours stay above: low numbers have a meaning at exec */

union given_address {
	struct sockaddr any;
	struct sockaddr_un un;
	union bh_address inet;
};

static long number_of(char *const *environ_, const char *name)
{
	size_t len = strlen(name);
	char *end;
	long value;

	for (; environ_ && *environ_; environ_++) {
		if (strncmp(*environ_, name, len) != 0 || (*environ_)[len] != '=')
			continue;
		value = strtol(*environ_ + len + 1, &end, 10);
		return *end || end == *environ_ + len + 1 ? -1 : value;
	}
	return -1;
}

void bh_given_take(struct bh_given *g, char *const *environ_, pid_t self)
{
	long n = number_of(environ_, "LISTEN_FDS");

	*g = (struct bh_given){0};
	if (number_of(environ_, "LISTEN_PID") != self || n < 0 || n > 1024)
		return;
	for (int fd = FIRST_FD; fd < FIRST_FD + n; fd++) {
		int moved = g->n < BH_GIVEN_MAX ? fcntl(fd, F_DUPFD_CLOEXEC, CLEAR_OF) : -1;

		if (moved >= 0)
			g->fd[g->n++] = moved;
		(void)close(fd);
	}
}

static bool same_file(const char *a, const char *b)
{
	struct stat x, y;

	return strcmp(a, b) == 0 || (stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev &&
					x.st_ino == y.st_ino);
}

static bool same_address(const union given_address *a, const union given_address *b)
{
	if (a->any.sa_family != b->any.sa_family)
		return false;
	switch (a->any.sa_family) {
	case AF_UNIX:
		return same_file(a->un.sun_path, b->un.sun_path);
	case AF_INET:
		return a->inet.v4.sin_port == b->inet.v4.sin_port &&
		       a->inet.v4.sin_addr.s_addr == b->inet.v4.sin_addr.s_addr;
	case AF_INET6:
		return a->inet.v6.sin6_port == b->inet.v6.sin6_port &&
		       memcmp(&a->inet.v6.sin6_addr, &b->inet.v6.sin6_addr,
			   sizeof(a->inet.v6.sin6_addr)) == 0;
	default:
		return false;
	}
}

static bool fits(int fd, const union given_address *wanted, int type)
{
	union given_address own = {0};
	socklen_t n = sizeof(own), type_n = sizeof(int);
	int own_type = 0;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &own_type, &type_n) == 0 && own_type == type &&
	       getsockname(fd, &own.any, &n) == 0 && same_address(&own, wanted);
}

/* What bulkhead's own sockets have from the start. */
static int prepare(int fd)
{
	int flags = fcntl(fd, F_GETFL), on = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on));
	return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -1 : fd;
}

int bh_given_find(struct bh_given *g, const struct sockaddr *address, socklen_t n, int type)
{
	union given_address wanted = {0};

	if (!g || n > sizeof(wanted))
		return -1;
	memcpy(&wanted, address, n);
	for (size_t i = 0; i < g->n; i++) {
		int fd = g->fd[i];

		if (fd < 0 || !fits(fd, &wanted, type))
			continue;
		if (prepare(fd) < 0)
			return -1;
		g->fd[i] = -1;
		return fd;
	}
	return -1;
}

static void describe(int fd, char *out, size_t cap)
{
	union given_address own = {0};
	socklen_t n = sizeof(own);
	char where[80] = "of an unknown kind";

	if (getsockname(fd, &own.any, &n) < 0)
		own.any.sa_family = AF_UNSPEC;
	if (own.any.sa_family == AF_INET || own.any.sa_family == AF_INET6)
		bh_address_text(&own.inet, where, sizeof(where));
	(void)snprintf(out, cap, "%s", own.any.sa_family == AF_UNIX ? own.un.sun_path : where);
}

int bh_given_release(struct bh_given *g, struct bh_strlist *notes)
{
	char where[160];
	int rc = 0;

	for (size_t i = 0; i < g->n; i++) {
		if (g->fd[i] < 0)
			continue;
		describe(g->fd[i], where, sizeof(where));
		(void)close(g->fd[i]);
		if (!rc)
			rc = bh_sockets_note(notes,
			    "the service manager passes the socket %s, which no option names: it "
			    "is "
			    "not read; make the socket unit and datadog.yaml agree",
			    where);
	}
	*g = (struct bh_given){0};
	return rc;
}
