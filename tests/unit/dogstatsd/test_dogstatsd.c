/* The process as a whole, but for main(): real sockets, the real link, a drain. It runs as an
 * orphan, so that nothing is sent on a control channel; the end of the drain stops the loop. */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/version.h"
#include "dogstatsd/dogstatsd.h"
#include "dogstatsd/outlet.h"
#include "tests/unit/dogstatsd/fixture.h"
#include "tests/unit/dogstatsd/peer.h"

static struct bh_child child;
static struct bh_dogstatsd *d;
static struct peer peer;
static struct fixture f;
static int client;
static char dir[64], link_dir[80];

static int64_t real_mono(void *ctx)
{
	(void)ctx;
	return bh_mono_ns(&bh_clock_system);
}

/* It is 16 minutes and 43 seconds past the epoch: the bucket of 1000 is open and stays so. */
static int64_t fixed_wall(void *ctx)
{
	(void)ctx;
	return 1003 * BH_NS_PER_S;
}

static const struct bh_clock clock_ = {real_mono, fixed_wall, NULL};

static void make_dirs(void)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/bh-dsd-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	(void)snprintf(link_dir, sizeof(link_dir), "%s/link", dir);
	cr_assert_eq(mkdir(link_dir, 0700), 0);
}

static void setup(void)
{
	static char name[] = "uds:/x";
	int pair[2];

	make_dirs();
	fixture_defaults(&f);
	fixture_open(&f);
	child = (struct bh_child){.role = BH_ROLE_DOGSTATSD, .generation = 1, .orphan = true};
	child.control.fd = child.signals.fd = -1;
	child.config = f.cfg;
	child.config.run_dir = dir;
	child.config.dogstatsd_buffer_size = 8192;
	child.config.dogstatsd_flush_interval_ms = 15000;
	child.config.dogstatsd_flush_incomplete_buckets = true;
	bh_log_init(&child.log, &bh_clock_system, "dogstatsd", STDERR_FILENO);
	cr_assert_eq(bh_loop_init(&child.loop, &clock_), 0);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
	child.log.fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	client = pair[0];
	child.fds[0] = (struct bh_child_fd){name, pair[1]};
	child.fds_n = 1;
}

static void start(void)
{
	struct bh_err err = BH_ERR_INIT;

	cr_assert_eq(bh_dogstatsd_new(&d, &child, &err), 0, "%s", err.text);
	cr_assert_eq(child.fds[0].fd, -1);
	child.ops = &bh_dogstatsd_child_ops;
	child.ctx = d;
}

static void teardown(void)
{
	char path[128];

	bh_dogstatsd_free(d);
	if (peer.data)
		peer_close(&peer);
	fixture_close(&f);
	bh_loop_release(&child.loop);
	(void)close(client);
	(void)close(child.log.fd);
	(void)snprintf(path, sizeof(path), "%s/dogstatsd.data", link_dir);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/dogstatsd.answer", link_dir);
	(void)unlink(path);
	(void)rmdir(link_dir);
	cr_expect_eq(rmdir(dir), 0, "%s is not empty", dir);
}

TestSuite(dogstatsd, .init = setup, .fini = teardown);

static void drain(int64_t ms)
{
	int64_t deadline = bh_mono_ns(&bh_clock_system) + ms * BH_NS_PER_MS;

	bh_dogstatsd_child_ops.drain(d, deadline, BH_DRAIN_FULL);
	while (!child.loop.stop)
		cr_assert_eq(bh_loop_turn(&child.loop, BH_NS_PER_S), 0);
}

static void post(const char *text)
{
	while (send(client, text, strlen(text), MSG_DONTWAIT) < 0) {
		cr_assert_eq(errno, EAGAIN);
		cr_assert_eq(bh_loop_turn(&child.loop, BH_NS_PER_S), 0);
	}
}

/* Sum of all points of the named series. */
static double sum_of(const char *text, const char *name)
{
	double sum = 0;

	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		const char *p = strstr(line, "interval=");

		if (strncmp(line, name, strlen(name)) != 0 || line[strlen(name)] != ' ')
			continue;
		for (p = strchr(p, ' '); p && *p == ' '; p = strpbrk(p + 1, " \n")) {
			p = strchr(p, ':');
			sum += strtod(p + 1, NULL);
		}
	}
	return sum;
}

static const char *taken(void)
{
	f.payloads = peer.payloads;
	peer.payloads = NULL;
	return fixture_text(&f);
}

Test(dogstatsd, a_drain_delivers_what_was_in_the_sockets_and_in_open_buckets)
{
	const char *text;

	peer_open(&peer, &child.loop, dir);
	start();
	for (int i = 0; i < 500; i++)
		post("load:2|c\nload:3|c|#x\nlate:7|g|T1700000000\n");
	drain(10000);
	text = taken();
	cr_expect_float_eq(sum_of(text, "load"), 250, 1e-9, "%s", text);
	cr_expect_float_eq(sum_of(text, "late"), 3500, 1e-9);
	cr_expect_not_null(strstr(text, "datadog.agent.running gauge host=h"));
}

Test(dogstatsd, a_drain_hands_everything_over_when_credit_is_scarce)
{
	char line[32];

	child.config.serializer_max_series_points_per_payload = 1;
	peer.credit = 1;
	peer_open(&peer, &child.loop, dir);
	start();
	for (int i = 0; i < 50; i++) {
		(void)snprintf(line, sizeof(line), "load:10|c|#n:%d", i);
		post(line);
	}
	drain(10000);
	cr_expect_float_eq(sum_of(taken(), "load"), 50, 1e-9);
	cr_expect_eq(peer.base, 50 + 2, "and what the agent says of itself");
}

Test(dogstatsd, a_drain_ends_when_the_forwarder_refuses_payloads)
{
	peer.refuse = true;
	peer_open(&peer, &child.loop, dir);
	start();
	post("load:10|c");
	drain(10000);
	cr_expect(child.drained);
}

Test(dogstatsd, a_drain_waits_for_a_forwarder_that_comes_late)
{
	start();
	post("load:20|c");
	bh_dogstatsd_child_ops.drain(
	    d, bh_mono_ns(&bh_clock_system) + 10 * BH_NS_PER_S, BH_DRAIN_FULL);
	for (int i = 0; i < 5; i++)
		cr_assert_eq(bh_loop_turn(&child.loop, 10 * BH_NS_PER_MS), 0);
	cr_assert_not(child.loop.stop);
	peer_open(&peer, &child.loop, dir);
	while (!child.loop.stop)
		cr_assert_eq(bh_loop_turn(&child.loop, BH_NS_PER_S), 0);
	cr_expect_float_eq(sum_of(taken(), "load"), 2, 1e-9);
}

Test(dogstatsd, a_drain_ends_at_its_deadline_when_nothing_is_acknowledged)
{
	int64_t begin = bh_mono_ms(&bh_clock_system), took;

	peer.mute = true;
	peer_open(&peer, &child.loop, dir);
	start();
	post("load:20|c");
	drain(400);
	took = bh_mono_ms(&bh_clock_system) - begin;
	cr_expect(took >= 200 && took <= 400, "%d ms", (int)took);
	cr_expect_null(peer.payloads);
}

Test(dogstatsd, an_earlier_deadline_of_a_second_drain_counts)
{
	int64_t begin = bh_mono_ms(&bh_clock_system);

	start();
	bh_dogstatsd_child_ops.drain(
	    d, bh_mono_ns(&bh_clock_system) + 60 * BH_NS_PER_S, BH_DRAIN_FULL);
	drain(100);
	cr_expect_lt(bh_mono_ms(&bh_clock_system) - begin, 1000);
}

Test(dogstatsd, open_buckets_stay_when_the_configuration_says_so)
{
	child.config.dogstatsd_flush_incomplete_buckets = false;
	peer_open(&peer, &child.loop, dir);
	start();
	post("load:20|c");
	drain(10000);
	cr_expect_str_eq(taken(),
	    "[{\"check\":\"datadog.agent.up\",\"host_name\":\"h\",\"timestamp\":1003,\"status\":0,"
	    "\"message\":\"\",\"tags\":[]}]\n"
	    "datadog.agent.running gauge host=h tags=version:" BH_AGENT_VERSION
	    " interval=0 1003:1\n");
}

Test(dogstatsd, host_tags_are_on_everything_for_a_while_after_the_start)
{
	char *words[] = {(char[]){"team:x"}};
	const char *text;

	child.config.tags = fixture_list(words, 1);
	child.config.expected_tags_duration_ms = 3600000;
	peer_open(&peer, &child.loop, dir);
	start();
	post("load:20|c|#a:b\ndist:1|d\nthen:1|g|T17");
	drain(10000);
	text = taken();
	cr_expect_not_null(strstr(text, "load rate host=h tags=a:b,team:x "));
	cr_expect_not_null(strstr(text, "dist sketch host=h tags=team:x "));
	cr_expect_not_null(strstr(text, "then gauge host=h tags=team:x "));
}

Test(dogstatsd, a_socket_that_was_shut_down_is_read_to_its_end_and_left_alone)
{
	peer_open(&peer, &child.loop, dir);
	start();
	post("load:1|c");
	post("load:1|c");
	cr_assert_eq(shutdown(client, SHUT_WR), 0);
	drain(10000);
	cr_expect_float_eq(sum_of(taken(), "load"), 0.2, 1e-9);
}

static void set_flag(void *ctx)
{
	*(bool *)ctx = true;
}

/* The outlet alone on the link: three points and a check go out, the row of the ledger is returned.
 */
static struct bh_ledger send_four_items(void)
{
	struct bh_rng rng;
	struct bh_outlet o;
	struct bh_producer_config link = {.loop = &child.loop,
	    .log = &child.log,
	    .rng = &rng,
	    .role = BH_ROLE_DOGSTATSD,
	    .run_dir = dir,
	    .generation = 1};
	struct bh_err err = BH_ERR_INIT;
	struct bh_flush_set *set;
	struct bh_ledger l;
	bool done = false;

	bh_rng_seed(&rng, 1);
	(void)close(child.fds[0].fd);
	cr_assert_eq(bh_outlet_init(&o, &child.loop, &child.config, &clock_, NULL, &err), 0);
	o.drained = set_flag;
	o.ctx = &done;
	cr_assert_eq(bh_outlet_connect(&o, &link, &err), 0, "%s", err.text);
	fixture_send(&f, 1000, "a:1|c\nd:1|d");
	cr_assert_eq(bh_sampler_flush(&f.sampler, 1010, false, &set), 0);
	cr_assert(bh_outlet_ready(&o));
	bh_outlet_flush(&o, set, &f.notices);
	bh_outlet_fence(&o);
	while (!done)
		cr_assert_eq(bh_loop_turn(&child.loop, BH_NS_PER_S), 0);
	bh_outlet_ledger(&o, &f.late, &f.notices, &l);
	bh_outlet_release(&o);
	return l;
}

Test(dogstatsd, points_that_are_acknowledged_count_as_delivered)
{
	struct bh_ledger l;

	peer_open(&peer, &child.loop, dir);
	l = send_four_items();
	cr_expect(l.received == 4 && l.delivered == 4 && l.in_flight == 0);
	cr_expect_eq(bh_ledger_gap(&l), 0);
}

Test(dogstatsd, points_that_are_refused_count_as_dropped)
{
	struct bh_ledger l;

	peer.refuse = true;
	peer_open(&peer, &child.loop, dir);
	l = send_four_items();
	cr_expect(l.received == 4 && l.delivered == 0 && l.in_flight == 0);
	cr_expect_eq(l.dropped[BH_DROP_REFUSED_LINK], 4);
	cr_expect_eq(bh_ledger_gap(&l), 0);
}

Test(dogstatsd, a_wrong_size_in_the_configuration_is_refused)
{
	struct bh_err err = BH_ERR_INIT;

	child.config.dogstatsd_buffer_size = 0;
	cr_expect_eq(bh_dogstatsd_new(&d, &child, &err), BH_E_CONFIG);
	cr_expect_not_null(strstr(err.text, "dogstatsd_buffer_size"));
	(void)close(child.fds[0].fd);
	d = NULL;
}
