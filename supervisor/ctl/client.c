#include "supervisor/ctl/client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/pass_fd.h"

static int open_socket(const char *path, struct bh_err *err)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd, rc;

	if (strlen(path) >= sizeof(sun.sun_path))
		return bh_err_set(err, -ENAMETOOLONG, "%s", path);
	memcpy(sun.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return bh_err_set(err, -errno, "socket");
	if (connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) == 0)
		return fd;
	rc = -errno;
	(void)close(fd);
	if (rc == -ENOENT || rc == -ECONNREFUSED) {
		(void)bh_err_set(err, BH_E_STATE,
		    "bulkhead does not run: nobody listens on %s; next: systemctl "
		    "start bulkhead, or bulkhead run",
		    path);
		return rc;
	}
	return bh_err_set(err, rc, "connect to %s", path);
}

static int read_answer(int from, int64_t end_ms, struct bh_buf *out, int *fd, struct bh_err *err)
{
	struct pollfd p = {.fd = from, .events = POLLIN};
	char part[4096];

	for (;;) {
		int64_t left = end_ms - bh_mono_ms(&bh_clock_system);
		int ready = left > 0 ? poll(&p, 1, (int)left) : 0;
		ssize_t n;

		if (ready < 0 && errno == EINTR)
			continue;
		if (ready == 0)
			return bh_err_set(err, -ETIMEDOUT, "the supervisor does not answer");
		n = ready < 0 ? -errno : bh_pass_fd_receive(from, part, sizeof(part), fd, 0);
		if (n < 0)
			return bh_err_set(err, (int)n, "read the answer");
		if (n == 0)
			return bh_err_set(
			    err, BH_E_CLOSED, "the supervisor ended without an answer");
		if (bh_buf_append(out, part, (size_t)n))
			return bh_err_set(err, bh_buf_failed(out), "read the answer");
		if (out->data[out->len - 1] == '\n') {
			out->data[--out->len] = '\0';
			return 0;
		}
	}
}

int bh_ctl_ask(const char *socket_path, const char *verb, const struct bh_ctl_member *members,
    size_t n, int timeout_ms, struct bh_buf *out, int *fd, struct bh_err *err)
{
	int64_t end_ms = bh_mono_ms(&bh_clock_system) + timeout_ms;
	struct bh_buf request = BH_BUF_INIT;
	int to = open_socket(socket_path, err);
	int rc;

	*fd = -1;
	if (to < 0)
		return to;
	rc = bh_buf_printf(&request, "{\"verb\":\"%s\"", verb);
	for (size_t i = 0; i < n && !rc; i++)
		rc = bh_buf_printf(&request, ",\"%s\":\"%s\"", members[i].name, members[i].value);
	if (!rc)
		rc = bh_buf_str(&request, "}\n");
	if (rc)
		(void)bh_err_set(err, rc, "ask %s", verb);
	/* One that is turned away finds the reason in the answer, although its request was not
	 * taken. */
	else if (send(to, request.data, request.len, MSG_NOSIGNAL) < 0 && errno != EPIPE)
		rc = bh_err_set(err, -errno, "ask %s", verb);
	if (!rc)
		rc = read_answer(to, end_ms, out, fd, err);
	if (rc && *fd >= 0) {
		(void)close(*fd);
		*fd = -1;
	}
	bh_buf_release(&request);
	(void)close(to);
	return rc;
}
