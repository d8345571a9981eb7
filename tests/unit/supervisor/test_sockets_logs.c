/* Ports of log sources (spec/logs.md §11). */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/config_logs.h"
#include "supervisor/sockets_logs.h"
#include "tests/unit/supervisor/inet.h"

static struct bh_config cfg;
static struct bh_log_sockets sockets, other;

static void set_text(char **field, const char *text)
{
	free(*field);
	*field = strdup(text);
}

static void set_up(void)
{
	bh_config_defaults(&cfg);
	cfg.logs_enabled = true;
}

static void tear_down(void)
{
	bh_log_sockets_release(&sockets);
	bh_log_sockets_release(&other);
	bh_config_release(&cfg);
}

TestSuite(sockets_logs, .init = set_up, .fini = tear_down);

/* Port 0, which no configuration can hold, is a free one here. */
static struct bh_log_source *add(const char *type, const char *host, unsigned port)
{
	struct bh_log_source *s;

	cfg.log_sources =
	    reallocarray(cfg.log_sources, cfg.log_sources_n + 1, sizeof(*cfg.log_sources));
	s = &cfg.log_sources[cfg.log_sources_n++];
	cr_assert_eq(bh_log_source_init(s), 0);
	set_text(&s->type, type);
	set_text(&s->bind_host, host);
	set_text(&s->where, "x.d/conf.yaml:3");
	s->port = (uint16_t)port;
	return s;
}

static void open_all(struct bh_log_sockets *s)
{
	cr_assert_eq(bh_log_sockets_open(s, &cfg), 0);
}

static void assert_tcp_waits(const struct bh_spawn_fd *s, int family, const char *ip)
{
	int fd = dial(SOCK_STREAM, family, ip, port_of(s->name)), peer;

	cr_assert_geq(fd, 0, "%s %s", s->name, ip);
	peer = accept(s->fd, NULL, NULL);
	cr_assert_geq(peer, 0);
	(void)close(peer);
	(void)close(fd);
}

static int option_of(int fd, int name)
{
	int v = -1;
	socklen_t n = sizeof(v);

	cr_assert_eq(getsockopt(fd, SOL_SOCKET, name, &v, &n), 0);
	return v;
}

Test(sockets_logs, without_bind_host_both_families_arrive_at_one_socket)
{
	add("tcp", "", 0);
	add("udp", "", 0);
	open_all(&sockets);
	cr_assert_eq(sockets.n, 2);
	cr_assert_eq(sockets.notes.n, 0);
	cr_assert(strncmp(sockets.fds[0].name, "logs-tcp:", 9) == 0, "%s", sockets.fds[0].name);
	cr_assert(strncmp(sockets.fds[1].name, "logs-udp:", 9) == 0, "%s", sockets.fds[1].name);
	assert_tcp_waits(&sockets.fds[0], AF_INET, "127.0.0.1");
	assert_udp_arrives(sockets.fds[1].name, sockets.fds[1].fd, AF_INET, "127.0.0.1");
	if (has_ipv6()) {
		assert_tcp_waits(&sockets.fds[0], AF_INET6, "::1");
		assert_udp_arrives(sockets.fds[1].name, sockets.fds[1].fd, AF_INET6, "::1");
	}
}

Test(sockets_logs, bind_host_is_the_only_address)
{
	static const struct {
		const char *host;
		bool v4, v6;
	} cases[] = {{"127.0.0.1", true, false}, {"localhost", true, false}, {"::1", false, true},
	    {"0.0.0.0", true, false}, {"::", true, true}};

	if (!has_ipv6())
		cr_skip_test("no IPv6 here");
	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++)
		add("tcp", cases[i].host, 0);
	open_all(&sockets);
	cr_assert_eq(sockets.n, BH_ARRAY_LEN(cases));
	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		unsigned port = port_of(sockets.fds[i].name);
		int v4 = dial(SOCK_STREAM, AF_INET, "127.0.0.1", port);
		int v6 = dial(SOCK_STREAM, AF_INET6, "::1", port);

		cr_assert_eq(v4 >= 0, cases[i].v4, "%s", cases[i].host);
		cr_assert_eq(v6 >= 0, cases[i].v6, "%s", cases[i].host);
		if (v4 >= 0)
			(void)close(v4);
		if (v6 >= 0)
			(void)close(v6);
	}
}

Test(sockets_logs, descriptors_do_not_block_nor_leak_and_udp_counts_its_drops)
{
	int udp, room;

	add("tcp", "127.0.0.1", 0);
	add("udp", "127.0.0.1", 0);
	open_all(&sockets);
	for (size_t i = 0; i < 2; i++) {
		cr_assert(fcntl(sockets.fds[i].fd, F_GETFL) & O_NONBLOCK);
		cr_assert(fcntl(sockets.fds[i].fd, F_GETFD) & FD_CLOEXEC);
	}
	cr_assert_eq(option_of(sockets.fds[0].fd, SO_ACCEPTCONN), 1);
	cr_assert_eq(option_of(sockets.fds[0].fd, SO_REUSEADDR), 1);
	udp = sockets.fds[1].fd;
	cr_assert_eq(option_of(udp, SO_RXQ_OVFL), 1);
	room = option_of(udp, SO_RCVBUF) / 2;
	cr_assert_eq(sockets.warnings.n, room < BH_LOG_RCVBUF_BYTES, "%d bytes", room);
	if (sockets.warnings.n) {
		cr_assert_not_null(strstr(sockets.warnings.v[0], "net.core.rmem_max"));
		cr_assert_not_null(strstr(sockets.warnings.v[0], "x.d/conf.yaml:3"));
	}
}

static void assert_note(size_t i, const char *a, const char *b, const char *c)
{
	cr_assert_lt(i, sockets.notes.n);
	cr_assert_not_null(strstr(sockets.notes.v[i], a), "%s", sockets.notes.v[i]);
	cr_assert_not_null(strstr(sockets.notes.v[i], b), "%s", sockets.notes.v[i]);
	cr_assert_not_null(strstr(sockets.notes.v[i], c), "%s", sockets.notes.v[i]);
}

Test(sockets_logs, a_port_that_cannot_be_had_is_named_and_the_others_stand)
{
	unsigned tcp, udp;
	char text[32];

	add("tcp", "127.0.0.1", 0);
	add("udp", "127.0.0.1", 0);
	open_all(&other);
	tcp = port_of(other.fds[0].name);
	udp = port_of(other.fds[1].name);
	cfg.log_sources[0].port = (uint16_t)tcp;
	cfg.log_sources[1].port = (uint16_t)udp;
	add("tcp", "192.0.2.1", 1);
	add("udp", "no-such-host.invalid", 2);
	add("tcp", "127.0.0.1", 0);
	open_all(&sockets);
	cr_assert_eq(sockets.n, 1);
	assert_tcp_waits(&sockets.fds[0], AF_INET, "127.0.0.1");
	cr_assert_eq(sockets.notes.n, 4);
	(void)snprintf(text, sizeof(text), "TCP port %u of 127.0.0.1", tcp);
	assert_note(0, text, "in use", "another port");
	(void)snprintf(text, sizeof(text), "UDP port %u of 127.0.0.1", udp);
	assert_note(1, text, "in use", "x.d/conf.yaml:3");
	cr_assert_not_null(strstr(sockets.notes.v[2], "192.0.2.1: this host has no such address"));
	assert_note(3, "no-such-host.invalid", "port 2", "use an address of this host");
}

Test(sockets_logs, a_port_can_be_had_again_at_once)
{
	unsigned port;
	int client, peer;

	add("tcp", "127.0.0.1", 0);
	open_all(&other);
	port = port_of(other.fds[0].name);
	client = dial(SOCK_STREAM, AF_INET, "127.0.0.1", port);
	peer = accept(other.fds[0].fd, NULL, NULL);
	(void)close(peer); /* closes first: the port lingers */
	(void)close(client);
	bh_log_sockets_release(&other);
	cfg.log_sources[0].port = (uint16_t)port;
	open_all(&sockets);
	cr_assert_eq(sockets.n, 1, "%s", sockets.notes.n ? sockets.notes.v[0] : "");
}

Test(sockets_logs, nothing_listens_for_what_does_not_run)
{
	set_text(&add("tcp", "", 0)->fault, "two with one port");
	add("file", "", 0);
	add("journald", "", 0);
	open_all(&sockets);
	cr_assert_eq(sockets.n, 0);
	add("udp", "", 0);
	cfg.logs_enabled = false;
	open_all(&sockets);
	cr_assert_eq(sockets.n, 0);
	cfg.logs_enabled = true;
	set_text(&cfg.log_rules_fault, "a rule is wrong");
	open_all(&sockets);
	cr_assert_eq(sockets.n, 0);
	cr_assert_eq(sockets.notes.n, 0);
}

Test(sockets_logs, more_ports_than_a_child_can_inherit_are_named)
{
	for (unsigned i = 0; i < BH_LOG_SOCKETS_MAX + 2; i++)
		add("tcp", "127.0.0.1", 0);
	open_all(&sockets);
	cr_assert_eq(sockets.n, BH_LOG_SOCKETS_MAX);
	cr_assert_eq(sockets.notes.n, 2);
	assert_note(0, "x.d/conf.yaml:3", "more than 64 ports", "leave some out");
}

/* --- a reload ----------------------------------------------------------------------------------
 */

static bool update(void)
{
	bool opened;

	cr_assert_eq(bh_log_sockets_update(&sockets, &cfg, &opened), 0);
	return opened;
}

static void remove_first(void)
{
	bh_log_source_release(&cfg.log_sources[0]);
	memmove(&cfg.log_sources[0], &cfg.log_sources[1],
	    --cfg.log_sources_n * sizeof(*cfg.log_sources));
}

Test(sockets_logs, an_update_keeps_closes_and_opens)
{
	struct bh_spawn_fd udp;
	unsigned tcp_port;

	add("tcp", "127.0.0.1", 0);
	add("udp", "127.0.0.1", 0);
	open_all(&sockets);
	cr_assert_eq(sockets.n, 2);
	udp = sockets.fds[1];
	tcp_port = port_of(sockets.fds[0].name);
	cr_assert_not(update(), "nothing is new");
	cr_assert_eq(sockets.n, 2);
	cr_assert_eq(sockets.fds[1].fd, udp.fd);
	remove_first();
	cr_assert_not(update());
	cr_assert_eq(sockets.n, 1);
	cr_assert_eq(sockets.fds[0].fd, udp.fd);
	cr_assert_str_eq(sockets.fds[0].name, udp.name);
	cr_assert_lt(dial(SOCK_STREAM, AF_INET, "127.0.0.1", tcp_port), 0, "it was closed");
	add("tcp", "127.0.0.1", 0);
	cr_assert(update());
	cr_assert_eq(sockets.n, 2);
	assert_tcp_waits(&sockets.fds[1], AF_INET, "127.0.0.1");
	assert_udp_arrives(sockets.fds[0].name, sockets.fds[0].fd, AF_INET, "127.0.0.1");
	cfg.logs_enabled = true;
	set_text(&cfg.log_sources[0].fault, "does not run");
	cr_assert_not(update());
	cr_assert_eq(sockets.n, 1);
}

Test(sockets_logs, an_update_tries_a_port_again_that_was_in_use)
{
	struct bh_log_source *s = add("tcp", "127.0.0.1", 0);

	open_all(&other);
	s->port = (uint16_t)port_of(other.fds[0].name);
	open_all(&sockets);
	cr_assert_eq(sockets.n, 0);
	cr_assert_eq(sockets.notes.n, 1);
	cr_assert_not(update());
	cr_assert_eq(sockets.notes.n, 1, "said once, not once more");
	bh_log_sockets_release(&other);
	cr_assert(update());
	cr_assert_eq(sockets.n, 1);
	cr_assert_eq(sockets.notes.n, 0);
}
