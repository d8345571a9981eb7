/* What the service manager is told (spec/supervision.md §11). */
#include <criterion/criterion.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "supervisor/notify.h"

static int manager; /* listens */

/* The name as systemd gives it. */
static void listen_at(const char *name)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	size_t n = strlen(name);

	memcpy(sun.sun_path, name, n);
	if (name[0] == '@')
		sun.sun_path[0] = '\0';
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(manager, (struct sockaddr *)&sun,
			 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)),
	    0);
	cr_assert_eq(setenv("NOTIFY_SOCKET", name, 1), 0);
}

static const char *heard(void)
{
	static char text[600];
	ssize_t n = recv(manager, text, sizeof(text) - 1, MSG_DONTWAIT);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void hears(const char *name)
{
	struct bh_notify n;

	listen_at(name);
	bh_notify_init(&n);
	cr_assert_null(getenv("NOTIFY_SOCKET"), "nobody we start is to see it");
	bh_notify_send(&n, "READY=1\nSTATUS=%s", "ready");
	cr_assert_str_eq(heard(), "READY=1\nSTATUS=ready");
	bh_notify_reloading(&n);
	cr_assert_eq(strncmp(heard(), "RELOADING=1\nMONOTONIC_USEC=", 27), 0);
	bh_notify_release(&n);
}

Test(notify, a_path_and_an_abstract_name_are_reached)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "@bh-notify-%d", (int)getpid());
	hears(name);
	(void)snprintf(name, sizeof(name), "/tmp/bh-notify-%d", (int)getpid());
	hears(name);
	(void)unlink(name);
}

Test(notify, without_a_manager_nothing_happens)
{
	static const char *const names[] = {"", "relative", "@", "/"};
	struct bh_notify n;

	cr_assert_eq(unsetenv("NOTIFY_SOCKET"), 0);
	bh_notify_init(&n);
	bh_notify_send(&n, "READY=1");
	for (size_t i = 0; i < BH_ARRAY_LEN(names); i++) {
		cr_assert_eq(setenv("NOTIFY_SOCKET", names[i], 1), 0);
		bh_notify_init(&n);
		cr_assert_eq(n.fd, -1, "%s", names[i]);
	}
}

Test(notify, the_watchdog_is_beaten_by_the_loop_twice_in_its_time)
{
	char name[64], pid[16];
	struct bh_loop loop;
	struct bh_notify n;

	(void)snprintf(name, sizeof(name), "@bh-watchdog-%d", (int)getpid());
	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	listen_at(name);
	cr_assert_eq(setenv("WATCHDOG_USEC", "20000", 1), 0);
	cr_assert_eq(setenv("WATCHDOG_PID", pid, 1), 0);
	cr_assert_eq(bh_loop_init(&loop, &bh_clock_system), 0);
	bh_notify_init(&n);
	cr_assert_eq(n.watchdog_ns, 10 * BH_NS_PER_MS);
	cr_assert_null(getenv("WATCHDOG_USEC"));
	bh_notify_start(&n, &loop);
	while (!*heard())
		cr_assert_eq(bh_loop_turn(&loop, -1), 0);
	bh_notify_release(&n);
	bh_loop_release(&loop);
}

Test(notify, a_watchdog_for_another_process_is_not_ours)
{
	struct bh_notify n;

	cr_assert_eq(setenv("WATCHDOG_USEC", "20000", 1), 0);
	cr_assert_eq(setenv("WATCHDOG_PID", "1", 1), 0);
	bh_notify_init(&n);
	cr_assert_eq(n.watchdog_ns, 0);
}
