/* Stream sockets: spec/dogstatsd.md §2.3. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "dogstatsd/streams.h"
#include "tests/unit/dogstatsd/fixture.h"

#define FRAME_MAX 100

static struct fixture f;
static struct bh_loop loop;
static struct bh_streams streams;
static struct bh_tap tap;
static struct bh_stream_result last;
static char dir[] = "/tmp/bh-streams-XXXXXX", path[64];

static void readable(void *owner, struct bh_stream *c)
{
	struct bh_bad_line bad = {{NULL, 0}, BH_PARSE_OK};

	(void)owner;
	last = bh_stream_read(c, &f.ingest, 1000, &bad);
}

static struct sockaddr_un address(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};

	memcpy(sun.sun_path, path, strlen(path) + 1);
	return sun;
}

static void setup(void)
{
	struct bh_streams_config cfg = {.loop = &loop,
	    .name = "uds-stream:x",
	    .frame_max = FRAME_MAX,
	    .readable = readable,
	    .tap = &tap};
	struct sockaddr_un sun;
	int fd;

	fixture_defaults(&f);
	fixture_open(&f);
	tap.relay.fd = -1;
	bh_capture_init(&tap.capture, &bh_clock_system, NULL);
	cr_assert_not_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/s", dir);
	sun = address();
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	cr_assert_eq(listen(fd, 64), 0);
	cr_assert_eq(bh_loop_init(&loop, &bh_clock_system), 0);
	cr_assert_eq(bh_streams_init(&streams, fd, &cfg), 0);
}

static void teardown(void)
{
	bh_streams_release(&streams);
	cr_expect_eq(bh_ledger_gap(&streams.ledger), 0, "the ledger does not close");
	bh_loop_release(&loop);
	fixture_close(&f);
	(void)unlink(path);
	(void)rmdir(dir);
}

TestSuite(streams, .init = setup, .fini = teardown);

static int dial(void)
{
	struct sockaddr_un sun = address();
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	return fd;
}

static void put(int fd, const void *p, size_t n)
{
	cr_assert_eq(send(fd, p, n, MSG_NOSIGNAL), (ssize_t)n);
}

static size_t frame(char *out, const char *lines)
{
	uint32_t n = (uint32_t)strlen(lines);

	memcpy(out, &n, sizeof(n)); /* little-endian here as on the wire */
	memcpy(out + sizeof(n), lines, n);
	return sizeof(n) + n;
}

static void put_frame(int fd, const char *lines)
{
	char text[256];

	put(fd, text, frame(text, lines));
}

/* Turns the loop until nothing happens any more. */
static void settle(void)
{
	uint64_t before;

	do {
		before = streams.bytes + streams.accepted + streams.n + streams.cut;
		cr_assert_eq(bh_loop_turn(&loop, 20 * BH_NS_PER_MS), 0);
	} while (streams.bytes + streams.accepted + streams.n + streams.cut != before);
}

Test(streams, frames_are_taken_whatever_pieces_they_come_in)
{
	char text[600];
	size_t n = 0;
	int fd = dial();

	for (int i = 0; i < 5; i++)
		n += frame(text + n, "a:1|c\nb:2|g\n");
	for (size_t i = 0; i < n; i++) {
		put(fd, text + i, 1);
		settle();
	}
	put(fd, text, n);
	settle();
	cr_expect_eq(streams.frames, 10);
	cr_expect_eq(streams.ledger.delivered, 20);
	cr_expect_eq(streams.n, 1);
	cr_expect_null(streams.head->rest.data, "nothing is kept between frames");
	(void)close(fd);
	settle();
	cr_expect_eq(streams.n, 0);
	cr_expect_eq(streams.cut, 0);
}

Test(streams, a_client_that_sends_and_leaves_loses_nothing)
{
	for (int i = 0; i < 30; i++) {
		int fd = dial();

		put_frame(fd, "a:1|c");
		(void)close(fd);
	}
	settle();
	cr_expect_eq(streams.ledger.delivered, 30);
	cr_expect_eq(streams.n, 0);
}

Test(streams, a_frame_that_is_too_long_or_empty_ends_its_connection_only)
{
	const uint32_t too_long = FRAME_MAX + 1, empty = 0;
	int bad = dial(), good = dial(), zero = dial();
	char byte;

	put_frame(bad, "a:1|c");
	put(bad, &too_long, 4);
	put(bad, "start", 5);
	put(zero, &empty, 4);
	put_frame(good, "b:1|c");
	settle();
	cr_expect_eq(streams.ledger.delivered, 2);
	cr_expect_eq(streams.too_long, 1);
	cr_expect_eq(streams.ledger.dropped[BH_DROP_TOO_LARGE], 1);
	cr_expect_eq(streams.n, 1);
	cr_expect_leq(recv(bad, &byte, 1, 0), 0);
	cr_expect_leq(recv(zero, &byte, 1, 0), 0);
	put_frame(good, "b:1|c");
	settle();
	cr_expect_eq(streams.ledger.delivered, 3);
	(void)close(good);
	(void)close(bad);
	(void)close(zero);
}

Test(streams, what_is_refused_is_shown_by_its_beginning)
{
	int fd = dial();

	cr_assert_eq(bh_loop_turn(&loop, BH_NS_PER_S), 0);
	put(fd, "\xff\xff\xff\xffGET / HTTP", 14);
	cr_assert_eq(bh_loop_turn(&loop, BH_NS_PER_S), 0);
	cr_expect(last.ended && last.refused_len == UINT32_MAX);
	cr_expect_eq(last.refused.n, 10);
	cr_expect_eq(memcmp(last.refused.p, "GET / HTTP", 10), 0);
	(void)close(fd);
}

Test(streams, half_a_frame_at_the_end_is_counted)
{
	const uint32_t n = 50;
	int fd = dial();

	put_frame(fd, "a:1|c");
	put(fd, &n, 4);
	put(fd, "b:1|c", 5);
	(void)close(fd);
	settle();
	cr_expect_eq(streams.cut, 1);
	cr_expect_eq(streams.ledger.dropped[BH_DROP_TRUNCATED], 1);
	cr_expect_eq(streams.ledger.delivered, 1);
}

Test(streams, silent_connections_make_room_for_new_ones)
{
	static int fds[BH_STREAMS_MAX + 20];
	const size_t n = BH_STREAMS_MAX - 900; /* descriptors of a test are few */
	int talker = dial();

	put_frame(talker, "a:1|c");
	settle();
	for (size_t i = 0; i < n; i++) {
		fds[i] = dial();
		settle();
	}
	/* The oldest silent one goes first; one that spoke since stays. */
	put_frame(talker, "a:1|c");
	settle();
	cr_expect_eq(streams.head->fd >= 0 && streams.n == n + 1, true);
	cr_expect_neq(streams.tail, streams.head);
	for (size_t i = 0; i < n; i++)
		(void)close(fds[i]);
	(void)close(talker);
	settle();
	cr_expect_eq(streams.n, 0);
}

Test(streams, a_drain_reads_what_has_come_also_from_those_that_wait)
{
	struct bh_bad_line bad = {{NULL, 0}, BH_PARSE_OK};
	int early = dial(), late[40];

	put_frame(early, "a:1|c");
	settle();
	for (int i = 0; i < 40; i++) {
		late[i] = dial(); /* never accepted by the loop */
		put_frame(late[i], "a:1|c");
	}
	put_frame(early, "a:1|c");
	cr_assert_eq(shutdown(streams.fd, SHUT_RD), 0); /* the supervisor's part */
	bh_streams_stop(&streams);
	while (bh_streams_read_all(&streams, &f.ingest, 1000, &bad) > 0)
		;
	cr_expect_eq(streams.ledger.delivered, 42);
	cr_assert_eq(bh_loop_turn(&loop, BH_NS_PER_MS), 0);
	for (int i = 0; i < 40; i++)
		(void)close(late[i]);
	(void)close(early);
}

Test(streams, frames_are_sent_on)
{
	char got[64];
	int pair[2], fd = dial();

	cr_assert_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
	tap.relay.fd = pair[0];
	put_frame(fd, "a:1|c\nbad");
	settle();
	cr_expect_eq(recv(pair[1], got, sizeof(got), MSG_DONTWAIT), 9);
	cr_expect_eq(tap.relay.sent, 1);
	(void)close(pair[1]);
	put_frame(fd, "a:1|c");
	settle();
	cr_expect_eq(tap.relay.failed, 1, "what is not taken is counted, and nothing else happens");
	cr_expect_eq(streams.ledger.delivered, 2);
	(void)close(pair[0]);
	(void)close(fd);
}
