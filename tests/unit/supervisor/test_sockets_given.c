#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "supervisor/sockets.h"

/* Sockets that the service manager holds: spec/supervision.md §14 */

static char dir[] = "/tmp/bh-given-XXXXXX";
static char path[64];
static struct bh_config cfg;
static struct bh_sockets sockets;
static struct bh_given given;
static int held[2]; /* the manager's own descriptors of the same sockets */

static void set_text(char **field, const char *text)
{
	free(*field);
	*field = strdup(text);
}

static int make_udp(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	cfg.dogstatsd_port = ntohs(a.sin_port);
	return fd;
}

static int make_unix(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)snprintf(path, sizeof(path), "%s/dsd.socket", dir);
	memcpy(a.sun_path, path, strlen(path) + 1);
	cr_assert_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static void set_up(void)
{
	cr_assert(mkdtemp(dir));
	bh_config_defaults(&cfg);
	set_text(&cfg.bind_host, "127.0.0.1");
	held[0] = make_udp();
	held[1] = make_unix();
	set_text(&cfg.dogstatsd_socket, path);
	given = (struct bh_given){.fd = {dup(held[0]), dup(held[1])}, .n = 2};
}

static void tear_down(void)
{
	bh_sockets_release(&sockets);
	bh_config_release(&cfg);
	(void)close(held[0]);
	(void)close(held[1]);
	(void)unlink(path);
	cr_expect_eq(rmdir(dir), 0);
}

TestSuite(sockets_given, .init = set_up, .fini = tear_down);

static bool same_socket(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_ino == y.st_ino;
}

static void send_unix(const char *text)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(a.sun_path, path, strlen(path) + 1);
	cr_expect_eq(sendto(fd, text, strlen(text), 0, (struct sockaddr *)&a, sizeof(a)),
	    (ssize_t)strlen(text));
	(void)close(fd);
}

Test(sockets_given, listeners_with_their_addresses_take_them)
{
	cr_assert_eq(bh_sockets_open(&sockets, &cfg, &given), 0);
	cr_assert_eq(sockets.n, 2, "%s", sockets.notes.n ? sockets.notes.v[0] : "");
	cr_expect_eq(sockets.notes.n, 0);
	cr_expect(same_socket(sockets.v[0].fd, held[0]));
	cr_expect(same_socket(sockets.v[1].fd, held[1]));
	cr_expect_eq(given.n, 0);
}

Test(sockets_given, a_path_through_a_link_names_the_same_socket)
{
	char link[64], other[96];

	(void)snprintf(link, sizeof(link), "%s.link", dir);
	cr_assert_eq(symlink(dir, link), 0);
	(void)snprintf(other, sizeof(other), "%s/dsd.socket", link);
	set_text(&cfg.dogstatsd_socket, other);
	cr_assert_eq(bh_sockets_open(&sockets, &cfg, &given), 0);
	cr_expect(sockets.n == 2 && same_socket(sockets.v[1].fd, held[1]));
	cr_assert_eq(unlink(link), 0);
}

Test(sockets_given, what_is_unread_at_the_end_waits_for_the_next_start)
{
	char got[8] = "";

	cr_assert_eq(bh_sockets_open(&sockets, &cfg, &given), 0);
	bh_sockets_close_intake(&sockets);
	send_unix("late");
	cr_expect_not(bh_sockets_unread(&sockets), "not lost with us");
	bh_sockets_release(&sockets);
	cr_expect_eq(access(path, F_OK), 0);
	cr_expect_eq(recv(held[1], got, sizeof(got) - 1, MSG_DONTWAIT), 4);
	cr_expect_str_eq(got, "late");
}

Test(sockets_given, one_that_no_option_names_is_closed_and_told)
{
	cfg.dogstatsd_port = 0;
	cr_assert_eq(bh_sockets_open(&sockets, &cfg, &given), 0);
	cr_expect_eq(sockets.n, 1);
	cr_assert_eq(sockets.notes.n, 1);
	cr_expect(strstr(sockets.notes.v[0], "127.0.0.1:"), "%s", sockets.notes.v[0]);
}

Test(sockets_given, variables_for_another_process_or_without_numbers_mean_none)
{
	static char *const envs[][3] = {
	    {NULL},
	    {"LISTEN_PID=1", "LISTEN_FDS=2", NULL},
	    {"LISTEN_FDS=2", NULL},
	    {"LISTEN_PID=77", NULL},
	    {"LISTEN_PID=77", "LISTEN_FDS=two", NULL},
	    {"LISTEN_PID=77", "LISTEN_FDS=-1", NULL},
	    {"LISTEN_PID=77", "LISTEN_FDS=0", NULL},
	    {"LISTEN_PID=", "LISTEN_FDS=2", NULL},
	};
	struct bh_given g;

	for (size_t i = 0; i < BH_ARRAY_LEN(envs); i++) {
		bh_given_take(&g, envs[i], 77);
		cr_expect_eq(g.n, 0, "case %zu", i);
	}
}
