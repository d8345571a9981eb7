#include "supervisor/sockets_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define MODE 0722 /* clients write, nothing else */

static int type_of(enum bh_socket_kind kind)
{
	return kind == BH_SOCKET_STREAM ? SOCK_STREAM : SOCK_DGRAM;
}

/* The option that names the path, for messages. */
static const char *key_of(enum bh_socket_kind kind)
{
	return kind == BH_SOCKET_STREAM ? "dogstatsd_stream_socket" : "dogstatsd_socket";
}

/* Whether somebody receives on that path. A refusal means that its owner is gone. */
static bool is_alive(const struct sockaddr_un *sun, enum bh_socket_kind kind)
{
	int fd = socket(AF_UNIX, type_of(kind) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool alive = true;

	if (fd < 0)
		return alive;
	if (connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) < 0)
		alive = errno != ECONNREFUSED && errno != ENOENT;
	(void)close(fd);
	return alive;
}

/* true when the path is free for us; a leftover of a dead process is removed. */
static bool clear_path(
    struct bh_sockets *s, const struct sockaddr_un *sun, enum bh_socket_kind kind, int *rc)
{
	const char *path = sun->sun_path;
	struct stat st;

	*rc = 0;
	if (lstat(path, &st) < 0) {
		if (errno == ENOENT)
			return true;
		*rc = bh_sockets_note(&s->notes, "Unix socket %s: %s", path, strerror(errno));
		return false;
	}
	if (!S_ISSOCK(st.st_mode)) {
		*rc = bh_sockets_note(&s->notes,
		    "Unix socket %s: the path exists and is not a socket; it is left alone: move "
		    "it away, or set %s",
		    path, key_of(kind));
		return false;
	}
	if (is_alive(sun, kind)) {
		*rc = bh_sockets_note(&s->notes,
		    "Unix socket %s is in use by another process (an agent?): stop it, or set %s",
		    path, key_of(kind));
		return false;
	}
	if (unlink(path) < 0 && errno != ENOENT) {
		*rc = bh_sockets_note(&s->notes,
		    "Unix socket %s: the stale file cannot be removed: %s", path, strerror(errno));
		return false;
	}
	return true;
}

static int failed(struct bh_sockets *s, const char *path, enum bh_socket_kind kind, int rc)
{
	int dir = (int)BH_MAX(strrchr(path, '/') - path, (ptrdiff_t)1);

	if (rc == -ENOENT)
		return bh_sockets_note(&s->notes,
		    "Unix socket %s: the directory does not exist: create it (install -d %.*s), or "
		    "set %s",
		    path, dir, path, key_of(kind));
	if (rc == -EACCES || rc == -EPERM || rc == -EROFS)
		return bh_sockets_note(&s->notes,
		    "Unix socket %s: no permission to create it in %.*s: grant it, or set %s", path,
		    dir, path, key_of(kind));
	return bh_sockets_note(&s->notes, "Unix socket %s: %s", path, strerror(-rc));
}

/* credentials: of the sender, with every datagram from the first on (spec/dogstatsd.md §2.2). */
static int bind_unix(
    const struct sockaddr_un *sun, enum bh_socket_kind kind, bool credentials, int *fd)
{
	int on = 1, rc;

	*fd = socket(AF_UNIX, type_of(kind) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd < 0)
		return -errno;
	(void)setsockopt(*fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on));
	if (credentials)
		(void)setsockopt(*fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
	if (bind(*fd, (const struct sockaddr *)sun, sizeof(*sun)) == 0 &&
	    (kind != BH_SOCKET_STREAM || listen(*fd, SOMAXCONN) == 0) &&
	    chmod(sun->sun_path, MODE) == 0)
		return 0;
	rc = -errno;
	(void)close(*fd);
	return rc;
}

/* The one the service manager holds for this path, if there is one. */
static bool take_given(struct bh_sockets *s, const struct sockaddr_un *sun,
    enum bh_socket_kind kind, bool credentials, int *fd)
{
	int on = 1;

	*fd = bh_given_find(s->given, (const struct sockaddr *)sun, sizeof(*sun), type_of(kind));
	if (*fd >= 0 && credentials)
		(void)setsockopt(*fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
	return *fd >= 0;
}

int bh_sockets_open_unix(
    struct bh_sockets *s, const struct bh_config *cfg, enum bh_socket_kind kind)
{
	const char *path =
	    kind == BH_SOCKET_STREAM ? cfg->dogstatsd_stream_socket : cfg->dogstatsd_socket;
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	char what[160];
	bool refused, ours;
	int fd, rc = 0;

	if (path[0] != '/')
		return bh_sockets_note(&s->notes,
		    "Unix socket %s: the path is not absolute: correct %s", path, key_of(kind));
	if (strlen(path) >= sizeof(sun.sun_path))
		return bh_sockets_note(&s->notes,
		    "Unix socket %s: the path is longer than %zu bytes: shorten %s", path,
		    sizeof(sun.sun_path) - 1, key_of(kind));
	memcpy(sun.sun_path, path, strlen(path) + 1);
	ours = !take_given(s, &sun, kind, cfg->dogstatsd_origin_detection, &fd);
	if (ours && !clear_path(s, &sun, kind, &rc))
		return rc;
	if (ours)
		rc = bind_unix(&sun, kind, cfg->dogstatsd_origin_detection, &fd);
	if (rc)
		return failed(s, path, kind, rc);
	rc = bh_sockets_keep(s, fd, kind, path);
	if (rc)
		return rc;
	if (ours && !(s->v[s->n - 1].path = strdup(path)))
		return -ENOMEM;
	(void)snprintf(what, sizeof(what), "Unix socket %s", path);
	return bh_sockets_rcvbuf(s, fd, what, cfg->dogstatsd_so_rcvbuf, &refused);
}

void bh_sockets_remove_unix(const char *path, enum bh_socket_kind kind)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	struct stat st;

	/* Once ours is closed, one that still receives is another's. */
	memcpy(sun.sun_path, path, strlen(path) + 1);
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) && !is_alive(&sun, kind))
		(void)unlink(path);
}
