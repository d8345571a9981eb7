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
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/err.h"

#define UDS_MODE 0722

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_storage room;
};

BH_PRINTF(2, 3) static int note(struct bh_sockets *s, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return bh_strlist_add(&s->notes, text, strlen(text));
}

static socklen_t address_len(const union address *a)
{
	return a->any.sa_family == AF_INET6 ? sizeof(a->v6) : sizeof(a->v4);
}

static void set_port(union address *a, uint16_t port)
{
	if (a->any.sa_family == AF_INET6)
		a->v6.sin6_port = htons(port);
	else
		a->v4.sin_port = htons(port);
}

static uint16_t get_port(const union address *a)
{
	return ntohs(a->any.sa_family == AF_INET6 ? a->v6.sin6_port : a->v4.sin_port);
}

static void address_text(const union address *a, char *out, size_t cap)
{
	char ip[INET6_ADDRSTRLEN] = "?";

	if (a->any.sa_family == AF_INET6) {
		(void)inet_ntop(AF_INET6, &a->v6.sin6_addr, ip, sizeof(ip));
		(void)snprintf(out, cap, "[%s]:%u", ip, get_port(a));
	} else {
		(void)inet_ntop(AF_INET, &a->v4.sin_addr, ip, sizeof(ip));
		(void)snprintf(out, cap, "%s:%u", ip, get_port(a));
	}
}

static int keep(struct bh_sockets *s, int fd, const char *scheme, const char *where)
{
	char *name = NULL;

	if (s->n == BH_SOCKETS_MAX || asprintf(&name, "%s:%s", scheme, where) < 0) {
		(void)close(fd);
		return -ENOMEM;
	}
	s->v[s->n++] = (struct bh_socket){name, fd};
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

static int rcvbuf_note(struct bh_sockets *s, const char *what, int64_t want, int got)
{
	if (got < 0)
		return note(
		    s, "%s: dogstatsd_so_rcvbuf %" PRId64 ": %s", what, want, strerror(-got));
	if (got > 0)
		return note(s,
		    "%s: the receive buffer is %d bytes instead of %" PRId64
		    ": raise net.core.rmem_max or lower dogstatsd_so_rcvbuf",
		    what, got, want);
	return 0;
}

static int bind_udp(const union address *a, bool dual, int *fd)
{
	int on = 1, off = 0;
	int rc;

	*fd = socket(a->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd < 0)
		return -errno;
	(void)setsockopt(*fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on));
	if (a->any.sa_family == AF_INET6 &&
	    setsockopt(*fd, IPPROTO_IPV6, IPV6_V6ONLY, dual ? &off : &on, sizeof(on)) < 0)
		goto fail;
	if (bind(*fd, &a->any, address_len(a)) == 0)
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
		return note(s,
		    "UDP %s is in use by another process (an agent?): stop it, or set "
		    "dogstatsd_port to "
		    "another port or 0",
		    where);
	if (rc == -EACCES)
		return note(s,
		    "UDP %s: no permission; ports below 1024 need root or CAP_NET_BIND_SERVICE: "
		    "set "
		    "dogstatsd_port to a higher one",
		    where);
	if (rc == -EADDRNOTAVAIL)
		return note(s, "UDP %s: this host has no such address: correct bind_host", where);
	return note(s, "UDP %s: %s", where, strerror(-rc));
}

static int finish_udp(struct bh_sockets *s, int fd, const struct bh_config *cfg, uint16_t *port)
{
	union address bound = {0};
	socklen_t n = sizeof(bound);
	char where[80], what[96];
	int got, rc;

	(void)getsockname(fd, &bound.any, &n);
	*port = get_port(&bound);
	address_text(&bound, where, sizeof(where));
	(void)snprintf(what, sizeof(what), "UDP %s", where);
	got = set_rcvbuf(fd, cfg->dogstatsd_so_rcvbuf);
	rc = rcvbuf_note(s, what, cfg->dogstatsd_so_rcvbuf, got);
	if (rc || got < 0) {
		(void)close(fd);
		return rc;
	}
	return keep(s, fd, "udp", where);
}

static int resolve(struct bh_sockets *s, const char *host, union address *a)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM};
	struct addrinfo *list = NULL;
	int rc = getaddrinfo(host, NULL, &hints, &list);

	if (rc || !list || list->ai_addrlen > sizeof(*a)) {
		if (list)
			freeaddrinfo(list);
		rc = note(s, "bind_host \"%s\": %s: use an address of this host, or localhost",
		    host, rc ? gai_strerror(rc) : "no address");
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
	union address a = {.v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT}};
	uint16_t port = cfg->dogstatsd_port > 0 ? (uint16_t)cfg->dogstatsd_port : 0;
	char where[80];
	int fd, rc = 0;

	if (local)
		a.v4 = (struct sockaddr_in){AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {0}};
	else if (!all)
		rc = resolve(s, cfg->bind_host, &a);
	if (rc)
		return rc == BH_E_CONFIG ? 0 : rc;
	set_port(&a, port);
	rc = bind_udp(&a, all, &fd);
	if (all && (rc == -EAFNOSUPPORT || rc == -EADDRNOTAVAIL)) {
		a.v4 = (struct sockaddr_in){AF_INET, htons(port), {htonl(INADDR_ANY)}, {0}};
		rc = bind_udp(&a, false, &fd);
	}
	if (rc) {
		address_text(&a, where, sizeof(where));
		return udp_failed(s, where, rc);
	}
	rc = finish_udp(s, fd, cfg, &port);
	if (rc || !local || s->n == 0)
		return rc;
	a.v6 = (struct sockaddr_in6){
	    .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	rc = bind_udp(&a, false, &fd);
	if (rc == -EADDRINUSE && cfg->dogstatsd_port > 0) {
		address_text(&a, where, sizeof(where));
		return udp_failed(s, where, rc);
	}
	return rc ? 0 : finish_udp(s, fd, cfg, &port); /* a host without IPv6 is no fault */
}

/* Whether somebody receives on that path. A refusal means that its owner is gone. */
static bool uds_alive(const struct sockaddr_un *sun)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool alive = true;

	if (fd < 0)
		return alive;
	if (connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) < 0)
		alive = errno != ECONNREFUSED && errno != ENOENT;
	(void)close(fd);
	return alive;
}

/* true when the path is free for us; a leftover of a dead process is removed. */
static bool clear_path(struct bh_sockets *s, const struct sockaddr_un *sun, int *rc)
{
	const char *path = sun->sun_path;
	struct stat st;

	*rc = 0;
	if (lstat(path, &st) < 0) {
		if (errno == ENOENT)
			return true;
		*rc = note(s, "Unix socket %s: %s", path, strerror(errno));
		return false;
	}
	if (!S_ISSOCK(st.st_mode)) {
		*rc = note(s,
		    "Unix socket %s: the path exists and is not a socket; it is left alone: move "
		    "it away, "
		    "or set dogstatsd_socket",
		    path);
		return false;
	}
	if (uds_alive(sun)) {
		*rc = note(s,
		    "Unix socket %s is in use by another process (an agent?): stop it, or set "
		    "dogstatsd_socket",
		    path);
		return false;
	}
	if (unlink(path) < 0 && errno != ENOENT) {
		*rc = note(s, "Unix socket %s: the stale file cannot be removed: %s", path,
		    strerror(errno));
		return false;
	}
	return true;
}

static int uds_failed(struct bh_sockets *s, const char *path, int rc)
{
	int dir = (int)BH_MAX(strrchr(path, '/') - path, (ptrdiff_t)1);

	if (rc == -ENOENT)
		return note(s,
		    "Unix socket %s: the directory does not exist: create it (install -d %.*s), or "
		    "set "
		    "dogstatsd_socket",
		    path, dir, path);
	if (rc == -EACCES || rc == -EPERM || rc == -EROFS)
		return note(s,
		    "Unix socket %s: no permission to create it in %.*s: grant it, or set "
		    "dogstatsd_socket",
		    path, dir, path);
	return note(s, "Unix socket %s: %s", path, strerror(-rc));
}

static int bind_uds(const struct sockaddr_un *sun, int *fd)
{
	int on = 1, rc;

	*fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd < 0)
		return -errno;
	(void)setsockopt(*fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on));
	if (bind(*fd, (const struct sockaddr *)sun, sizeof(*sun)) == 0 &&
	    chmod(sun->sun_path, UDS_MODE) == 0)
		return 0;
	rc = -errno;
	(void)close(*fd);
	return rc;
}

static int open_uds(struct bh_sockets *s, const struct bh_config *cfg)
{
	const char *path = cfg->dogstatsd_socket;
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	char what[160];
	int fd, rc;

	if (path[0] != '/')
		return note(
		    s, "Unix socket %s: the path is not absolute: correct dogstatsd_socket", path);
	if (strlen(path) >= sizeof(sun.sun_path))
		return note(s,
		    "Unix socket %s: the path is longer than %zu bytes: shorten dogstatsd_socket",
		    path, sizeof(sun.sun_path) - 1);
	memcpy(sun.sun_path, path, strlen(path) + 1);
	if (!clear_path(s, &sun, &rc))
		return rc;
	rc = bind_uds(&sun, &fd);
	if (rc)
		return uds_failed(s, path, rc);
	s->uds_path = strdup(path);
	if (!s->uds_path) {
		(void)close(fd);
		return -ENOMEM;
	}
	(void)snprintf(what, sizeof(what), "Unix socket %s", path);
	rc = rcvbuf_note(
	    s, what, cfg->dogstatsd_so_rcvbuf, set_rcvbuf(fd, cfg->dogstatsd_so_rcvbuf));
	if (rc) {
		(void)close(fd);
		return rc;
	}
	return keep(s, fd, "uds", path);
}

int bh_sockets_open(struct bh_sockets *s, const struct bh_config *cfg)
{
	int rc = 0;

	*s = (struct bh_sockets){0};
	if (!cfg->use_dogstatsd)
		return 0;
	if (cfg->dogstatsd_port != 0)
		rc = open_udp(s, cfg);
	if (!rc && cfg->dogstatsd_socket[0])
		rc = open_uds(s, cfg);
	return rc;
}

static bool is_unix(const struct bh_socket *s)
{
	return strncmp(s->name, "uds:", 4) == 0;
}

void bh_sockets_close_intake(struct bh_sockets *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (is_unix(&s->v[i]))
			(void)shutdown(s->v[i].fd, SHUT_RD);
	}
}

bool bh_sockets_unread(const struct bh_sockets *s)
{
	for (size_t i = 0; i < s->n; i++) {
		int bytes = 0;

		if (is_unix(&s->v[i]) && ioctl(s->v[i].fd, FIONREAD, &bytes) == 0 && bytes > 0)
			return true;
	}
	return false;
}

/* Once ours is closed, one that still receives is another's. */
static void remove_uds(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	struct stat st;

	memcpy(sun.sun_path, path, strlen(path) + 1);
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) && !uds_alive(&sun))
		(void)unlink(path);
}

void bh_sockets_release(struct bh_sockets *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->v[i].fd >= 0)
			(void)close(s->v[i].fd);
		free(s->v[i].name);
	}
	if (s->uds_path)
		remove_uds(s->uds_path);
	free(s->uds_path);
	bh_strlist_release(&s->notes);
	*s = (struct bh_sockets){0};
}
