/* The child's side of the control channel, run in a process of its own with the test as supervisor.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/child.h"
#include "common/pass_fd.h"
#include "supervisor/spawn.h"

static struct bh_child child;
static int channel = -1;
static pid_t pid = -1;

/* --- a child that does what it is told ---------------------------------------------------------
 */

static void on_drain(void *ctx, int64_t deadline_ns, enum bh_drain_mode mode)
{
	struct bh_ctl_drained d = {.complete = true, .durable = (uint64_t)mode};

	(void)ctx;
	(void)deadline_ns;
	bh_child_progress(&child, 3, 4);
	bh_child_drained(&child, &d);
	bh_child_drained(&child, &d);
}

static void on_stats(void *ctx, struct bh_child *c)
{
	struct bh_ledger l = {.received = 1, .delivered = 1};

	(void)ctx;
	bh_child_stat_ledger(c, BH_LEDGER_SOURCE, "src", 3, &l);
	bh_child_stat_number(c, "n", 7);
	bh_child_stat_note(c, "note", "%s", "text");
}

static void on_heartbeat(void *ctx, struct bh_ctl_heartbeat *hb)
{
	(void)ctx;
	hb->pending_items = 5;
}

static void on_peer(void *ctx, enum bh_role role, bool running)
{
	(void)ctx;
	bh_child_stat_number(&child, bh_role_name(role), running);
}

static void on_stream(void *ctx, int fd, const struct bh_stream_filter *filter)
{
	(void)ctx;
	if (send(fd, filter->service, strlen(filter->service), 0) < 0)
		_exit(1);
	(void)close(fd);
}

static void on_reload(void *ctx, struct bh_config *next, struct bh_ctl_reloaded *r)
{
	(void)ctx;
	r->restart = strcmp(next->hostname, child.config.hostname) != 0;
	r->sources = (struct bh_sources_change){1, 2, 3, 4};
}

static const struct bh_child_ops ops = {.drain = on_drain,
    .peer_state = on_peer,
    .stats = on_stats,
    .heartbeat = on_heartbeat,
    .stream = on_stream,
    .reload = on_reload};

static int child_main(void)
{
	struct bh_err err = BH_ERR_INIT;
	int code = BH_EXIT_INTERNAL;

	if (bh_child_boot(&child, BH_ROLE_LOGS, &code, &err) == 0 &&
	    bh_child_start(&child, &ops, NULL) == 0) {
		if (child.fds_n == 2 && strcmp(child.fds[0].name, "udp:[::1]:8125") == 0 &&
		    child.fds[0].fd == 5 && strcmp(child.fds[1].name, "uds:/x") == 0 &&
		    strcmp(child.config.hostname, "example.org") == 0 && child.run_id == 0xfeed)
			bh_child_ready(&child);
		code = bh_child_run(&child);
	}
	bh_child_release(&child);
	return code;
}

/* --- the test as its supervisor -----------------------------------------------------------------
 */

static int sealed_config(void)
{
	struct bh_buf bytes = BH_BUF_INIT;
	struct bh_config cfg;
	int fd;

	bh_config_defaults(&cfg);
	free(cfg.hostname);
	cfg.hostname = strdup("example.org");
	cr_assert_eq(bh_config_encode(&cfg, BH_ROLE_LOGS, &bytes), 0);
	fd = bh_spawn_seal("test", bytes.data, bytes.len);
	cr_assert_geq(fd, 0);
	bh_buf_release(&bytes);
	bh_config_release(&cfg);
	return fd;
}

static void start(int config_fd)
{
	const struct timeval limit = {10, 0};
	int pair[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	(void)setenv("BULKHEAD_GENERATION", "9", 1);
	(void)setenv("BULKHEAD_RUN_ID", "feed", 1);
	(void)setenv("BULKHEAD_FDS", "udp:[::1]:8125:5,uds:/x:6", 1);
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		int control = fcntl(pair[1], F_DUPFD, 100);
		int config = fcntl(config_fd, F_DUPFD, 100);

		for (int fd = 5; fd <= 6; fd++)
			(void)dup2(STDERR_FILENO, fd);
		(void)dup2(control, BH_CHILD_FD_CONTROL);
		(void)dup2(config, BH_CHILD_FD_CONFIG);
		(void)close_range(7, ~0U, 0);
		_exit(child_main());
	}
	(void)close(pair[1]);
	(void)close(config_fd);
	channel = pair[0];
	(void)setsockopt(channel, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

static void end(void)
{
	if (channel >= 0)
		(void)close(channel);
	if (pid > 0) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
	}
}

TestSuite(child, .fini = end);

static struct bh_ctl_msg hear(enum bh_ctl_type type)
{
	static char raw[BH_CTL_MSG_MAX];
	struct bh_ctl_msg m;
	ssize_t n = recv(channel, raw, sizeof(raw), 0);

	cr_assert_gt(n, 0, "the channel is closed or silent");
	cr_assert_eq(bh_ctl_decode(raw, (size_t)n, &m), 0);
	cr_assert_eq(m.type, type, "type %d", (int)m.type);
	cr_assert_eq(m.generation, 9);
	return m;
}

static void tell_as(enum bh_ctl_type type, uint32_t generation)
{
	struct bh_ctl_msg m;
	struct bh_buf out = BH_BUF_INIT;

	memset(&m, 0, sizeof(m));
	m.type = type;
	m.generation = generation;
	m.id = type == BH_CTL_STATS ? 77 : 0;
	if (type == BH_CTL_DRAIN)
		m.u.drain = (struct bh_ctl_drain){1000, BH_DRAIN_FAST};
	if (type == BH_CTL_PEER_STATE) {
		m.u.peer.role = BH_ROLE_FORWARDER;
		m.u.peer.running = true;
	}
	cr_assert_eq(bh_ctl_encode(&m, &out), 0);
	cr_assert_eq(send(channel, out.data, out.len, MSG_NOSIGNAL), (ssize_t)out.len);
	bh_buf_release(&out);
}

static void tell(enum bh_ctl_type type)
{
	tell_as(type, 9);
}

static int exit_status(void)
{
	int status = 0;

	cr_assert_eq(waitpid(pid, &status, 0), pid);
	pid = -1;
	cr_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void start_ready(void)
{
	struct bh_ctl_msg m;

	start(sealed_config());
	m = hear(BH_CTL_HELLO);
	cr_assert_eq(m.u.hello.role, BH_ROLE_LOGS);
	cr_assert_eq(m.u.hello.pid, (uint32_t)pid);
	(void)hear(BH_CTL_READY);
	m = hear(BH_CTL_HEARTBEAT);
	cr_assert_eq(m.u.heartbeat.pending_items, 5);
	cr_assert_gt(m.u.heartbeat.rss_kib, 0);
}

static void hear_stats(uint32_t id)
{
	static const enum bh_stat_type types[] = {
	    BH_STAT_LEDGER, BH_STAT_NUMBER, BH_STAT_NOTE, BH_STAT_END};

	for (size_t i = 0; i < BH_ARRAY_LEN(types); i++) {
		struct bh_ctl_msg m = hear(BH_CTL_STATS_REPLY);

		cr_assert_eq(m.u.stat.type, types[i]);
		cr_assert_eq(m.id, id);
	}
}

/* A message with a descriptor, which the test does not keep. */
static void tell_with(const struct bh_ctl_msg *m, int fd)
{
	struct bh_buf out = BH_BUF_INIT;

	cr_assert_eq(bh_ctl_encode(m, &out), 0);
	cr_assert_eq(bh_pass_fd_send(channel, bh_buf_view(&out), fd, 0), (ssize_t)out.len);
	(void)close(fd);
	bh_buf_release(&out);
}

Test(child, what_comes_with_a_message_is_given_to_its_operation_or_closed)
{
	static const enum bh_ctl_type types[] = {
	    BH_CTL_STREAM, BH_CTL_CAPTURE /* without an operation */, BH_CTL_STATS};

	start_ready();
	for (size_t i = 0; i < BH_ARRAY_LEN(types); i++) {
		struct bh_ctl_msg m = {.type = types[i], .generation = 9, .id = 77};
		char said[16] = "";
		int pair[2];

		cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
		if (types[i] == BH_CTL_STREAM) {
			(void)snprintf(m.u.stream.service, sizeof(m.u.stream.service), "web");
			tell_with(&m, pair[1]);
			cr_assert_eq(recv(pair[0], said, sizeof(said), 0), 3);
			cr_assert_str_eq(said, "web");
		} else {
			tell_with(&m, pair[1]);
		}
		cr_assert_eq(recv(pair[0], said, sizeof(said), 0), 0, "type %d", (int)types[i]);
		(void)close(pair[0]);
	}
}

Test(child, a_new_configuration_is_applied_or_takes_a_start)
{
	struct bh_ctl_msg m = {.type = BH_CTL_RELOAD, .generation = 9, .id = 5}, answer;

	start_ready();
	tell_with(&m, sealed_config());
	answer = hear(BH_CTL_RELOADED);
	cr_assert_eq(answer.id, 5);
	cr_assert_not(answer.u.reloaded.restart);
	cr_assert_eq(answer.u.reloaded.sources.changed, 3);
	m.id = 6;
	tell_with(&m, bh_spawn_seal("test", "no configuration", 16));
	answer = hear(BH_CTL_RELOADED);
	cr_assert_eq(answer.id, 6);
	cr_assert(answer.u.reloaded.restart);
	tell(BH_CTL_RELOAD); /* and nothing with it */
	cr_assert(hear(BH_CTL_RELOADED).u.reloaded.restart);
	tell(BH_CTL_STATS);
	hear_stats(77);
}

Test(child, it_takes_over_what_was_handed_to_it_and_says_hello_ready_and_beats)
{
	start_ready();
}

Test(child, an_answer_to_stats_carries_the_id_of_the_question_and_an_end)
{
	start_ready();
	tell(BH_CTL_STATS);
	hear_stats(77);
}

Test(child, a_drain_ends_with_final_figures_one_acknowledgement_and_exit_0)
{
	struct bh_ctl_msg m;

	start_ready();
	tell(BH_CTL_DRAIN);
	m = hear(BH_CTL_DRAIN_PROGRESS);
	cr_assert_eq(m.u.heartbeat.pending_items, 3);
	hear_stats(0);
	m = hear(BH_CTL_DRAIN_ACK);
	cr_assert(m.u.drained.complete);
	cr_assert_eq(m.u.drained.durable, BH_DRAIN_FAST);
	tell(BH_CTL_EXIT);
	cr_assert_eq(exit_status(), 0);
}

Test(child, peer_states_reach_the_role)
{
	struct bh_ctl_msg m;

	start_ready();
	tell(BH_CTL_PEER_STATE);
	m = hear(BH_CTL_STATS_REPLY);
	cr_assert_str_eq(m.u.stat.name, "forwarder");
	cr_assert_eq(m.u.stat.number, 1);
}

Test(child, a_message_of_another_generation_is_dropped)
{
	start_ready();
	tell_as(BH_CTL_EXIT, 8);
	tell(BH_CTL_STATS);
	hear_stats(77);
}

Test(child, term_is_ignored_while_the_supervisor_is_there_and_quit_is_not)
{
	start_ready();
	(void)kill(pid, SIGTERM);
	(void)kill(pid, SIGINT);
	(void)kill(pid, SIGHUP);
	tell(BH_CTL_STATS);
	hear_stats(77);
	(void)kill(pid, SIGQUIT);
	cr_assert_eq(exit_status(), 131);
}

Test(child, without_a_supervisor_it_drains_by_itself_and_exits_75)
{
	start_ready();
	(void)close(channel);
	channel = -1;
	cr_assert_eq(exit_status(), BH_EXIT_UNPROVEN);
}

Test(child, a_message_that_does_not_decode_ends_it_with_78)
{
	start_ready();
	cr_assert_eq(send(channel, "garbage", 7, 0), 7);
	cr_assert_eq(exit_status(), BH_EXIT_CONFIG);
}

Test(child, a_configuration_that_does_not_decode_ends_it_with_78)
{
	start(bh_spawn_seal("test", "garbage", 7));
	cr_assert_eq(exit_status(), BH_EXIT_CONFIG);
}

Test(child, without_a_control_channel_it_says_that_it_is_not_started_by_hand)
{
	struct bh_err err = BH_ERR_INIT;
	int code = 0;

	pid = fork();
	if (pid == 0) {
		(void)close(BH_CHILD_FD_CONTROL);
		if (bh_child_boot(&child, BH_ROLE_LOGS, &code, &err) == 0)
			_exit(0);
		_exit(strstr(err.text, "bulkhead run") ? code : 1);
	}
	cr_assert_eq(exit_status(), BH_EXIT_USAGE);
}
