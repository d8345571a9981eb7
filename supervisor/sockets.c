#include "supervisor/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/err.h"
#include "supervisor/sockets_internal.h"

int bh_sockets_note(struct bh_strlist *notes, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return bh_strlist_add(notes, text, strlen(text));
}

socklen_t bh_address_len(const union bh_address *a)
{
	return a->any.sa_family == AF_INET6 ? sizeof(a->v6) : sizeof(a->v4);
}

void bh_address_set_port(union bh_address *a, uint16_t port)
{
	if (a->any.sa_family == AF_INET6)
		a->v6.sin6_port = htons(port);
	else
		a->v4.sin_port = htons(port);
}

uint16_t bh_address_port(const union bh_address *a)
{
	return ntohs(a->any.sa_family == AF_INET6 ? a->v6.sin6_port : a->v4.sin_port);
}

void bh_address_text(const union bh_address *a, char *out, size_t cap)
{
	char ip[INET6_ADDRSTRLEN] = "?";

	if (a->any.sa_family == AF_INET6) {
		(void)inet_ntop(AF_INET6, &a->v6.sin6_addr, ip, sizeof(ip));
		(void)snprintf(out, cap, "[%s]:%u", ip, bh_address_port(a));
	} else {
		(void)inet_ntop(AF_INET, &a->v4.sin_addr, ip, sizeof(ip));
		(void)snprintf(out, cap, "%s:%u", ip, bh_address_port(a));
	}
}

int bh_sockets_keep(struct bh_sockets *s, int fd, enum bh_socket_kind kind, const char *where)
{
	static const char *const schemes[] = {
	    [BH_SOCKET_UDP] = "udp",
	    [BH_SOCKET_DATAGRAM] = "uds",
	    [BH_SOCKET_STREAM] = "uds-stream",
	    [BH_SOCKET_FORWARD] = "forward",
	};
	char *name = NULL;

	if (s->n == BH_SOCKETS_MAX || asprintf(&name, "%s:%s", schemes[kind], where) < 0) {
		(void)close(fd);
		return -ENOMEM;
	}
	s->v[s->n++] = (struct bh_socket){.name = name, .kind = kind, .fd = fd};
	return 0;
}

/* 0 when the buffer is as asked; the size the kernel gives otherwise; -errno. */
static int set_rcvbuf(int fd, int64_t bytes)
{
	int want = (int)BH_MIN(bytes, INT32_MAX / 2), got = 0;
	socklen_t n = sizeof(got);

	if (bytes <= 0)
		return 0;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &want, sizeof(want)) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &n) < 0)
		return -errno;
	return got / 2 < want ? got / 2 : 0; /* the kernel doubles what was asked */
}

int bh_sockets_rcvbuf(struct bh_sockets *s, int fd, const char *what, int64_t want, bool *refused)
{
	int got = set_rcvbuf(fd, want);

	*refused = got < 0;
	if (got < 0)
		return bh_sockets_note(&s->notes, "%s: dogstatsd_so_rcvbuf %" PRId64 ": %s", what,
		    want, strerror(-got));
	if (got > 0)
		return bh_sockets_note(&s->notes,
		    "%s: the receive buffer is %d bytes instead of %" PRId64
		    ": raise net.core.rmem_max or lower dogstatsd_so_rcvbuf",
		    what, got, want);
	return 0;
}

static int bind_udp(struct bh_sockets *s, const union bh_address *a, bool dual, int *fd)
{
	int on = 1, off = 0;
	int rc;

	*fd = bh_given_find(s->given, &a->any, bh_address_len(a), SOCK_DGRAM);
	if (*fd >= 0)
		return 0;
	*fd = socket(a->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd < 0)
		return -errno;
	(void)setsockopt(*fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on));
	if (a->any.sa_family == AF_INET6 &&
	    setsockopt(*fd, IPPROTO_IPV6, IPV6_V6ONLY, dual ? &off : &on, sizeof(on)) < 0)
		goto fail;
	if (bind(*fd, &a->any, bh_address_len(a)) == 0)
		return 0;
fail:
	rc = -errno;
	(void)close(*fd);
	*fd = -1;
	return rc;
}

static int udp_failed(struct bh_sockets *s, const char *where, int rc)
{
	if (rc == -EADDRINUSE)
		return bh_sockets_note(&s->notes,
		    "UDP %s is in use by another process (an agent?): stop it, or set "
		    "dogstatsd_port to "
		    "another port or 0",
		    where);
	if (rc == -EACCES)
		return bh_sockets_note(&s->notes,
		    "UDP %s: no permission; ports below 1024 need root or CAP_NET_BIND_SERVICE: "
		    "set "
		    "dogstatsd_port to a higher one",
		    where);
	if (rc == -EADDRNOTAVAIL)
		return bh_sockets_note(
		    &s->notes, "UDP %s: this host has no such address: correct bind_host", where);
	return bh_sockets_note(&s->notes, "UDP %s: %s", where, strerror(-rc));
}

static int finish_udp(struct bh_sockets *s, int fd, const struct bh_config *cfg, uint16_t *port)
{
	union bh_address bound = {0};
	socklen_t n = sizeof(bound);
	char where[80], what[96];
	bool refused;
	int rc;

	(void)getsockname(fd, &bound.any, &n);
	*port = bh_address_port(&bound);
	bh_address_text(&bound, where, sizeof(where));
	(void)snprintf(what, sizeof(what), "UDP %s", where);
	rc = bh_sockets_rcvbuf(s, fd, what, cfg->dogstatsd_so_rcvbuf, &refused);
	if (rc || refused) {
		(void)close(fd);
		return rc;
	}
	return bh_sockets_keep(s, fd, BH_SOCKET_UDP, where);
}

static int resolve(struct bh_sockets *s, const char *host, union bh_address *a)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM};
	struct addrinfo *list = NULL;
	int rc = getaddrinfo(host, NULL, &hints, &list);

	if (rc || !list || list->ai_addrlen > sizeof(*a)) {
		if (list)
			freeaddrinfo(list);
		rc = bh_sockets_note(&s->notes,
		    "bind_host \"%s\": %s: use an address of this host, or localhost", host,
		    rc ? gai_strerror(rc) : "no address");
		return rc ? rc : BH_E_CONFIG;
	}
	memcpy(a, list->ai_addr, list->ai_addrlen);
	freeaddrinfo(list);
	return 0;
}

/* The one address of the configuration; localhost gets ::1 in addition, where the host has it. */
static int open_udp(struct bh_sockets *s, const struct bh_config *cfg)
{
	bool all = cfg->dogstatsd_non_local_traffic;
	bool local = !all && strcmp(cfg->bind_host, "localhost") == 0;
	union bh_address a = {.v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT}};
	uint16_t port = cfg->dogstatsd_port > 0 ? (uint16_t)cfg->dogstatsd_port : 0;
	char where[80];
	int fd, rc = 0;

	if (local)
		a.v4 = (struct sockaddr_in){AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {0}};
	else if (!all)
		rc = resolve(s, cfg->bind_host, &a);
	if (rc)
		return rc == BH_E_CONFIG ? 0 : rc;
	bh_address_set_port(&a, port);
	rc = bind_udp(s, &a, all, &fd);
	if (all && (rc == -EAFNOSUPPORT || rc == -EADDRNOTAVAIL)) {
		a.v4 = (struct sockaddr_in){AF_INET, htons(port), {htonl(INADDR_ANY)}, {0}};
		rc = bind_udp(s, &a, false, &fd);
	}
	if (rc) {
		bh_address_text(&a, where, sizeof(where));
		return udp_failed(s, where, rc);
	}
	rc = finish_udp(s, fd, cfg, &port);
	if (rc || !local || s->n == 0)
		return rc;
	a.v6 = (struct sockaddr_in6){
	    .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	rc = bind_udp(s, &a, false, &fd);
	if (rc == -EADDRINUSE && cfg->dogstatsd_port > 0) {
		bh_address_text(&a, where, sizeof(where));
		return udp_failed(s, where, rc);
	}
	return rc ? 0 : finish_udp(s, fd, cfg, &port); /* a host without IPv6 is no fault */
}

/* Where packets are sent on, unchanged (spec/dogstatsd.md §2.6). The socket is made here because
 * dogstatsd may open none; nothing is ever read from it. */
static int open_forward(struct bh_sockets *s, const struct bh_config *cfg)
{
	const char *host = cfg->statsd_forward_host;
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM};
	struct addrinfo *list = NULL;
	char port[16], where[300];
	int fd, rc;

	(void)snprintf(port, sizeof(port), "%" PRId64, cfg->statsd_forward_port);
	(void)snprintf(where, sizeof(where), "%.255s:%s", host, port);
	rc = getaddrinfo(host, port, &hints, &list);
	if (rc || !list)
		return bh_sockets_note(&s->notes,
		    "statsd_forward_host %s: %s: packets are not forwarded", where,
		    rc ? gai_strerror(rc) : "no address");
	fd = socket(list->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	rc = fd < 0 || connect(fd, list->ai_addr, list->ai_addrlen) < 0 ? -errno : 0;
	freeaddrinfo(list);
	if (!rc)
		return bh_sockets_keep(s, fd, BH_SOCKET_FORWARD, where);
	if (fd >= 0)
		(void)close(fd);
	return bh_sockets_note(&s->notes, "statsd_forward_host %s: %s: packets are not forwarded",
	    where, strerror(-rc));
}

static int open_all(struct bh_sockets *s, const struct bh_config *cfg)
{
	int rc = 0;

	if (cfg->dogstatsd_port != 0)
		rc = open_udp(s, cfg);
	if (!rc && cfg->dogstatsd_socket[0])
		rc = bh_sockets_open_unix(s, cfg, BH_SOCKET_DATAGRAM);
	if (!rc && cfg->dogstatsd_stream_socket[0])
		rc = bh_sockets_open_unix(s, cfg, BH_SOCKET_STREAM);
	if (!rc && cfg->statsd_forward_host[0] && cfg->statsd_forward_port)
		rc = open_forward(s, cfg);
	return rc;
}

int bh_sockets_open(struct bh_sockets *s, const struct bh_config *cfg, struct bh_given *given)
{
	int rc, rest = 0;

	*s = (struct bh_sockets){.given = given};
	rc = cfg->use_dogstatsd ? open_all(s, cfg) : 0;
	if (given)
		rest = bh_given_release(given, &s->notes);
	s->given = NULL;
	return rc ? rc : rest;
}

bool bh_sockets_wanted(const struct bh_config *cfg)
{
	return cfg->use_dogstatsd && (cfg->dogstatsd_port != 0 || cfg->dogstatsd_socket[0] ||
					 cfg->dogstatsd_stream_socket[0]);
}

bool bh_sockets_listening(const struct bh_sockets *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->v[i].kind != BH_SOCKET_FORWARD)
			return true;
	}
	return false;
}

void bh_sockets_close_intake(struct bh_sockets *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->v[i].path)
			(void)shutdown(s->v[i].fd, SHUT_RD);
	}
}

bool bh_sockets_unread(const struct bh_sockets *s)
{
	for (size_t i = 0; i < s->n; i++) {
		int bytes = 0;

		if (s->v[i].kind == BH_SOCKET_DATAGRAM && s->v[i].path &&
		    ioctl(s->v[i].fd, FIONREAD, &bytes) == 0 && bytes > 0)
			return true;
	}
	return false;
}

void bh_sockets_release(struct bh_sockets *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->v[i].fd >= 0)
			(void)close(s->v[i].fd);
		if (s->v[i].path)
			bh_sockets_remove_unix(s->v[i].path, s->v[i].kind);
		free(s->v[i].path);
		free(s->v[i].name);
	}
	bh_strlist_release(&s->notes);
	*s = (struct bh_sockets){0};
}
