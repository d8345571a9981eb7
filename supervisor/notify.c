#include "supervisor/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"

#define MESSAGE_MAX 512

/* The time between two beats: half of what is asked for; 0 when it is not for us. */
static int64_t read_watchdog(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	char *end = NULL;
	unsigned long long n;

	if (!usec || (pid && strtol(pid, NULL, 10) != (long)getpid()))
		return 0;
	errno = 0;
	n = strtoull(usec, &end, 10);
	if (errno || *end || !n || n > (unsigned long long)INT64_MAX / 1000)
		return 0;
	return (int64_t)n * 1000 / 2;
}

/* A path, or "@name" in the abstract name space. */
static bool read_address(struct bh_notify *n, const char *name)
{
	size_t len = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || len < 2 || len >= sizeof(n->to.sun_path))
		return false;
	n->to = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(n->to.sun_path, name, len);
	if (name[0] == '@')
		n->to.sun_path[0] = '\0';
	n->to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	return true;
}

void bh_notify_init(struct bh_notify *n)
{
	const char *name = getenv("NOTIFY_SOCKET");

	*n = (struct bh_notify){.fd = -1, .watchdog_ns = read_watchdog()};
	if (name && read_address(n, name))
		n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	(void)unsetenv("NOTIFY_SOCKET");
	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("WATCHDOG_PID");
}

static void on_watchdog(struct bh_timer *t)
{
	struct bh_notify *n = BH_CONTAINER(t, struct bh_notify, watchdog);

	bh_notify_send(n, "WATCHDOG=1");
	bh_timer_in(n->loop, t, n->watchdog_ns, on_watchdog);
}

void bh_notify_start(struct bh_notify *n, struct bh_loop *loop)
{
	n->loop = loop;
	if (n->fd >= 0 && n->watchdog_ns)
		bh_timer_in(loop, &n->watchdog, n->watchdog_ns, on_watchdog);
}

void bh_notify_release(struct bh_notify *n)
{
	bh_timer_cancel(&n->watchdog);
	if (n->fd >= 0)
		(void)close(n->fd);
	n->fd = -1;
}

void bh_notify_send(const struct bh_notify *n, const char *fmt, ...)
{
	char text[MESSAGE_MAX];
	va_list ap;
	int len;

	if (n->fd < 0)
		return;
	va_start(ap, fmt);
	len = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* A manager that does not read is no reason to wait. */
	if (len > 0 && sendto(n->fd, text, BH_MIN((size_t)len, sizeof(text) - 1), MSG_NOSIGNAL,
			   (const struct sockaddr *)&n->to, n->to_len) < 0)
		return;
}

void bh_notify_reloading(const struct bh_notify *n)
{
	bh_notify_send(
	    n, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, bh_mono_ns(&bh_clock_system) / 1000);
}
