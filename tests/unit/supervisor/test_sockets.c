#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "supervisor/sockets.h"
#include "tests/unit/supervisor/inet.h"

static char dir[] = "/tmp/bh-sockets-XXXXXX";
static char path[64];
static struct bh_config cfg;
static struct bh_sockets sockets, other;

static void set_text(char **field, const char *text)
{
	free(*field);
	*field = strdup(text);
}

static void set_up(void)
{
	cr_assert(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/dsd.socket", dir);
	bh_config_defaults(&cfg);
	cfg.dogstatsd_port = 0;
	set_text(&cfg.dogstatsd_socket, "");
}

static void tear_down(void)
{
	bh_sockets_release(&sockets);
	bh_sockets_release(&other);
	bh_config_release(&cfg);
	(void)unlink(path);
	(void)rmdir(dir);
}

TestSuite(sockets, .init = set_up, .fini = tear_down);

static void open_all(struct bh_sockets *s)
{
	cr_assert_eq(bh_sockets_open(s, &cfg, NULL), 0);
}

Test(sockets, localhost_is_127_0_0_1_and_also_colon_colon_1)
{
	cfg.dogstatsd_port = -1;
	open_all(&sockets);
	cr_assert_eq(sockets.n, has_ipv6() ? 2 : 1);
	cr_assert_eq(sockets.notes.n, 0);
	cr_assert(strncmp(sockets.v[0].name, "udp:127.0.0.1:", 14) == 0, "%s", sockets.v[0].name);
	assert_udp_arrives(sockets.v[0].name, sockets.v[0].fd, AF_INET, "127.0.0.1");
	if (sockets.n == 2) {
		cr_assert(
		    strncmp(sockets.v[1].name, "udp:[::1]:", 10) == 0, "%s", sockets.v[1].name);
		cr_assert_eq(port_of(sockets.v[0].name), port_of(sockets.v[1].name));
		assert_udp_arrives(sockets.v[1].name, sockets.v[1].fd, AF_INET6, "::1");
	}
}

Test(sockets, non_local_traffic_is_taken_on_both_families_by_one_socket)
{
	cfg.dogstatsd_port = -1;
	cfg.dogstatsd_non_local_traffic = true;
	open_all(&sockets);
	cr_assert_eq(sockets.n, 1);
	assert_udp_arrives(sockets.v[0].name, sockets.v[0].fd, AF_INET, "127.0.0.1");
	if (has_ipv6())
		assert_udp_arrives(sockets.v[0].name, sockets.v[0].fd, AF_INET6, "::1");
}

Test(sockets, bind_host_may_be_an_ipv6_address)
{
	cfg.dogstatsd_port = -1;
	set_text(&cfg.bind_host, "::1");
	open_all(&sockets);
	if (!has_ipv6())
		cr_skip_test("no IPv6 here");
	cr_assert_eq(sockets.n, 1);
	assert_udp_arrives(sockets.v[0].name, sockets.v[0].fd, AF_INET6, "::1");
}

static void assert_note(const struct bh_sockets *s, const char *a, const char *b, const char *c)
{
	cr_assert_eq(s->notes.n, 1);
	cr_assert(strstr(s->notes.v[0], a), "%s", s->notes.v[0]);
	cr_assert(strstr(s->notes.v[0], b), "%s", s->notes.v[0]);
	cr_assert(strstr(s->notes.v[0], c), "%s", s->notes.v[0]);
}

Test(sockets, a_busy_port_is_named_with_the_way_out_and_the_other_listener_stands)
{
	char number[16];

	cfg.dogstatsd_port = -1;
	set_text(&cfg.bind_host, "127.0.0.1");
	open_all(&other);
	cfg.dogstatsd_port = port_of(other.v[0].name);
	(void)snprintf(number, sizeof(number), ":%u ", port_of(other.v[0].name));
	set_text(&cfg.dogstatsd_socket, path);
	open_all(&sockets);
	cr_assert_eq(sockets.n, 1);
	cr_assert(strncmp(sockets.v[0].name, "uds:", 4) == 0);
	assert_note(&sockets, number, "in use", "dogstatsd_port");
}

Test(sockets, an_address_of_another_host_is_named)
{
	cfg.dogstatsd_port = -1;
	set_text(&cfg.bind_host, "192.0.2.1");
	open_all(&sockets);
	cr_assert_eq(sockets.n, 0);
	assert_note(&sockets, "192.0.2.1", "no such address", "bind_host");
}

static int send_uds(const char *text)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc;

	memcpy(sun.sun_path, path, strlen(path) + 1);
	rc = sendto(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&sun,
		 sizeof(sun)) < 0;
	(void)close(fd);
	return rc;
}

Test(sockets, the_unix_socket_can_be_written_by_everyone_and_goes_at_the_end)
{
	struct stat st;

	set_text(&cfg.dogstatsd_socket, path);
	open_all(&sockets);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0722);
	cr_assert_eq(send_uds("a:1|c"), 0);
	bh_sockets_release(&sockets);
	cr_assert_eq(access(path, F_OK), -1);
}

Test(sockets, a_datagram_that_nobody_read_is_noticed)
{
	char byte;

	set_text(&cfg.dogstatsd_socket, path);
	open_all(&sockets);
	cr_assert(!bh_sockets_unread(&sockets));
	cr_assert_eq(send_uds("x"), 0);
	cr_assert(bh_sockets_unread(&sockets));
	cr_assert_eq(recv(sockets.v[0].fd, &byte, 1, 0), 1);
	cr_assert(!bh_sockets_unread(&sockets));
}

Test(sockets, closing_the_intake_refuses_new_datagrams_and_keeps_those_that_came)
{
	char byte;

	set_text(&cfg.dogstatsd_socket, path);
	open_all(&sockets);
	cr_assert_eq(send_uds("x"), 0);
	bh_sockets_close_intake(&sockets);
	cr_assert_neq(send_uds("y"), 0);
	cr_assert_eq(recv(sockets.v[0].fd, &byte, 1, 0), 1);
	cr_assert_eq(byte, 'x');
	cr_assert_eq(
	    recv(sockets.v[0].fd, &byte, 1, 0), -1, "no end-of-file: the queue is just empty");
}

Test(sockets, a_stale_unix_socket_is_replaced)
{
	set_text(&cfg.dogstatsd_socket, path);
	open_all(&other);
	(void)close(other.v[0].fd);
	other.v[0].fd = -1;
	open_all(&sockets);
	cr_assert_eq(sockets.n, 1);
	cr_assert_eq(sockets.notes.n, 0);
	bh_sockets_release(&other);
	cr_assert_eq(access(path, F_OK), 0, "a file that is another's is not removed");
}

Test(sockets, a_unix_socket_that_lives_is_left_to_its_owner)
{
	set_text(&cfg.dogstatsd_socket, path);
	open_all(&other);
	open_all(&sockets);
	cr_assert_eq(sockets.n, 0);
	assert_note(&sockets, path, "in use", "dogstatsd_socket");
	cr_assert_eq(send_uds("x"), 0);
	cr_assert(bh_sockets_unread(&other));
}

Test(sockets, a_file_in_the_place_of_the_socket_is_left_alone)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	(void)close(fd);
	set_text(&cfg.dogstatsd_socket, path);
	open_all(&sockets);
	cr_assert_eq(sockets.n, 0);
	assert_note(&sockets, path, "not a socket", "dogstatsd_socket");
	cr_assert_eq(access(path, F_OK), 0);
}

Test(sockets, a_missing_directory_is_named_with_the_way_out)
{
	char missing[96], way_out[96];

	(void)snprintf(missing, sizeof(missing), "%s/none/dsd.socket", dir);
	(void)snprintf(way_out, sizeof(way_out), "install -d %s/none)", dir);
	set_text(&cfg.dogstatsd_socket, missing);
	open_all(&sockets);
	cr_assert_eq(sockets.n, 0);
	assert_note(&sockets, missing, way_out, "dogstatsd_socket");
}

Test(sockets, a_path_that_is_too_long_or_relative_is_refused)
{
	char longer[160];

	memset(longer, 'x', sizeof(longer) - 1);
	longer[0] = '/';
	longer[sizeof(longer) - 1] = '\0';
	set_text(&cfg.dogstatsd_socket, longer);
	open_all(&sockets);
	assert_note(&sockets, "longer than 107 bytes", "shorten", "dogstatsd_socket");
	bh_sockets_release(&sockets);
	set_text(&cfg.dogstatsd_socket, "here.socket");
	open_all(&sockets);
	assert_note(&sockets, "here.socket", "not absolute", "dogstatsd_socket");
}

Test(sockets, nothing_is_opened_when_dogstatsd_is_off)
{
	cfg.dogstatsd_port = -1;
	set_text(&cfg.dogstatsd_socket, path);
	cfg.use_dogstatsd = false;
	open_all(&sockets);
	cr_assert_eq(sockets.n, 0);
}

Test(sockets, a_receive_buffer_beyond_the_kernels_limit_is_a_note)
{
	cfg.dogstatsd_port = -1;
	set_text(&cfg.bind_host, "127.0.0.1");
	cfg.dogstatsd_so_rcvbuf = 1 << 30;
	open_all(&sockets);
	cr_assert_eq(sockets.n, 1);
	assert_note(&sockets, "receive buffer", "net.core.rmem_max", "dogstatsd_so_rcvbuf");
}

static int dial_stream(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(sun.sun_path, path, strlen(path) + 1);
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

Test(sockets, the_stream_socket_listens_is_kept_from_others_and_goes_at_the_end)
{
	struct stat st;
	int fd;

	set_text(&cfg.dogstatsd_stream_socket, path);
	open_all(&sockets);
	cr_assert_eq(sockets.n, 1);
	cr_assert(strncmp(sockets.v[0].name, "uds-stream:/", 12) == 0, "%s", sockets.v[0].name);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0722);
	fd = dial_stream();
	cr_assert_geq(fd, 0);
	(void)close(fd);
	open_all(&other);
	cr_assert_eq(other.n, 0);
	assert_note(&other, path, "in use", "dogstatsd_stream_socket");
	bh_sockets_close_intake(&sockets);
	cr_assert_lt(dial_stream(), 0, "refused once the intake is closed");
	bh_sockets_release(&sockets);
	cr_assert_lt(stat(path, &st), 0);
}

Test(sockets, the_socket_that_sends_packets_on_is_no_listener)
{
	set_text(&cfg.statsd_forward_host, "127.0.0.1");
	cfg.statsd_forward_port = 9;
	open_all(&sockets);
	cr_assert_eq(sockets.n, 1);
	cr_assert_str_eq(sockets.v[0].name, "forward:127.0.0.1:9");
	cr_assert_not(bh_sockets_listening(&sockets));
	set_text(&cfg.statsd_forward_host, "no-such-host.invalid");
	open_all(&other);
	cr_assert_eq(other.n, 0);
	assert_note(&other, "no-such-host.invalid", "not forwarded", "statsd_forward_host");
}
