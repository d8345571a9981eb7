#include "supervisor/page.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "supervisor/openmetrics.h"
#include "supervisor/page_request.h"

#define BACKLOG 128 /* who comes in a burst is told that there is no place */
#define PLAIN   "text/plain; charset=utf-8"

void bh_page_init(struct bh_page *p)
{
	*p = (struct bh_page){.path = NULL};
	p->socket.fd = p->port.fd = -1;
	for (size_t i = 0; i < BH_PAGE_CONNS; i++)
		p->conn[i].io = (struct bh_conn)BH_CONN_INIT;
}

/* --- one connection --------------------------------------------------------------------------- */

static void answer(struct bh_page_conn *c, const char *status, const char *type, struct bh_str body)
{
	bh_outgoing_clear(&c->io.out);
	(void)bh_buf_printf(&c->io.out.bytes,
	    "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
	    "Connection: close\r\n\r\n",
	    status, type, body.n);
	if (!c->head)
		(void)bh_buf_append(&c->io.out.bytes, body.p, body.n);
	(void)bh_loop_mod_fd(&c->io.watch, 0);
	bh_conn_answer(&c->io);
}

void bh_page_answer(struct bh_page_conn *c, struct bh_str page)
{
	answer(c, "200 OK", BH_OPENMETRICS_TYPE, page);
}

static void take_request(struct bh_page_conn *c, enum bh_page_want want)
{
	switch (want) {
	case BH_PAGE_GET:
	case BH_PAGE_HEAD:
		c->head = want == BH_PAGE_HEAD;
		c->io.asked = true;
		/* Whoever leaves while it waits is seen as a hang-up. */
		(void)bh_loop_mod_fd(&c->io.watch, 0);
		c->page->handle(c->page->ctx, c);
		return;
	case BH_PAGE_ABSENT:
		answer(c, "404 Not Found", PLAIN, BH_STR_LIT("ask for /metrics\n"));
		return;
	case BH_PAGE_METHOD:
		answer(c, "405 Method Not Allowed", PLAIN, BH_STR_LIT("GET or HEAD\n"));
		return;
	case BH_PAGE_BAD:
		answer(c, "400 Bad Request", PLAIN, BH_STR_LIT("not a request of HTTP/1\n"));
		return;
	case BH_PAGE_MORE:
		if (c->io.in.len >= BH_PAGE_REQUEST_MAX)
			answer(c, "431 Request Header Fields Too Large", PLAIN,
			    BH_STR_LIT("at most 8192 bytes\n"));
		return;
	}
}

static void on_conn(struct bh_watch *w, unsigned events)
{
	struct bh_page_conn *c = BH_CONTAINER(w, struct bh_page_conn, io.watch);

	if (c->io.answered && (events & BH_LOOP_WRITE)) {
		bh_conn_write(&c->io);
	} else if (!c->io.asked && !c->io.answered && (events & BH_LOOP_READ)) {
		if (bh_conn_read(&c->io, BH_PAGE_REQUEST_MAX - c->io.in.len))
			take_request(c, bh_page_request(bh_buf_view(&c->io.in)));
	} else if (events & BH_LOOP_HANGUP) {
		bh_conn_close(&c->io);
	}
}

/* --- listeners -------------------------------------------------------------------------------- */

static void turn_away(int fd)
{
	static const char text[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"
				   "Connection: close\r\n\r\n";

	if (send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		(void)shutdown(fd, SHUT_RDWR);
	(void)close(fd);
}

static void greet(struct bh_page *p, int fd)
{
	for (size_t i = 0; i < BH_PAGE_CONNS; i++) {
		struct bh_page_conn *c = &p->conn[i];

		if (c->io.watch.fd >= 0)
			continue;
		*c = (struct bh_page_conn){.page = p, .io = BH_CONN_INIT};
		(void)!bh_conn_open(&c->io, p->loop, fd, on_conn); /* on error it was closed */
		return;
	}
	turn_away(fd);
}

static void on_socket(struct bh_watch *w, unsigned events)
{
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd >= 0)
		greet(BH_CONTAINER(w, struct bh_page, socket), fd);
}

static void on_port(struct bh_watch *w, unsigned events)
{
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd >= 0)
		greet(BH_CONTAINER(w, struct bh_page, port), fd);
}

static int listen_on(struct bh_page *p, struct bh_watch *w, int family, const struct sockaddr *at,
    socklen_t n, bh_watch_fn *fn)
{
	const int on = 1;
	int rc, fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (family == AF_INET && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		goto fail;
	if (bind(fd, at, n) < 0 || (family == AF_UNIX && chmod(p->path, 0660) < 0) ||
	    listen(fd, BACKLOG) < 0)
		goto fail;
	rc = bh_loop_add_fd(p->loop, w, fd, BH_LOOP_READ, fn);
	if (rc) {
		w->fd = -1;
		(void)close(fd);
	}
	return rc;
fail:
	rc = -errno;
	(void)close(fd);
	return rc;
}

static int open_socket(struct bh_page *p, const char *run_dir, struct bh_err *err)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int rc;

	if (asprintf(&p->path, "%s/metrics.sock", run_dir) < 0) {
		p->path = NULL;
		return bh_err_set(err, -ENOMEM, "metrics page");
	}
	if (strlen(p->path) >= sizeof(sun.sun_path))
		return bh_err_set(err, BH_E_CONFIG,
		    "metrics page %s: the path is longer than %zu bytes: choose a shorter "
		    "bulkhead.run_dir",
		    p->path, sizeof(sun.sun_path) - 1);
	memcpy(sun.sun_path, p->path, strlen(p->path) + 1);
	if (unlink(p->path) < 0 && errno != ENOENT)
		return bh_err_set(err, -errno, "metrics page %s", p->path);
	rc = listen_on(
	    p, &p->socket, AF_UNIX, (const struct sockaddr *)&sun, sizeof(sun), on_socket);
	return rc ? bh_err_set(err, rc, "metrics page %s", p->path) : 0;
}

int bh_page_open(struct bh_page *p, struct bh_loop *loop, struct bh_log *log, const char *run_dir,
    uint16_t port, struct bh_err *err)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
	    .sin_port = htons(port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int rc;

	p->loop = loop;
	p->log = log;
	rc = open_socket(p, run_dir, err);
	if (!rc && port) {
		rc = listen_on(
		    p, &p->port, AF_INET, (const struct sockaddr *)&in, sizeof(in), on_port);
		if (rc)
			(void)bh_err_set(err, rc, "metrics page 127.0.0.1:%u", (unsigned)port);
	}
	if (rc)
		bh_page_close(p);
	return rc;
}

void bh_page_close(struct bh_page *p)
{
	for (size_t i = 0; i < BH_PAGE_CONNS; i++) {
		if (p->conn[i].io.watch.fd >= 0)
			bh_conn_close(&p->conn[i].io);
	}
	if (p->socket.fd >= 0)
		(void)unlink(p->path);
	bh_loop_close_fd(&p->socket);
	bh_loop_close_fd(&p->port);
	free(p->path);
	p->path = NULL;
}
