#include <criterion/criterion.h>

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dogstatsd/listener.h"
#include "tests/unit/dogstatsd/fixture.h"

static struct fixture f;
static struct bh_batch batch;
static struct bh_listener listener;
static struct bh_bad_line bad;
static int client;

static void setup(void)
{
	fixture_defaults(&f);
	fixture_open(&f);
	cr_assert_eq(bh_batch_init(&batch, 64), 0);
	client = -1;
}

static void teardown(void)
{
	fixture_close(&f);
	bh_batch_release(&batch);
	bh_listener_release(&listener);
	if (client >= 0)
		(void)close(client);
}

TestSuite(listener, .init = setup, .fini = teardown);

static void open_unix(bool eol_required)
{
	int pair[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
	client = pair[0];
	bh_listener_init(&listener, pair[1], "uds:/run/x", eol_required, true);
}

static void open_udp(int rcvbuf)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf)), 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	client = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(connect(client, (struct sockaddr *)&a, sizeof(a)), 0);
	bh_listener_init(&listener, fd, "udp:127.0.0.1:0", false, true);
}

static void post(const char *text)
{
	cr_assert_eq(send(client, text, strlen(text), MSG_DONTWAIT), (ssize_t)strlen(text));
}

static int read_once(void)
{
	return bh_listener_read(&listener, &batch, &f.ingest, 1000, &bad);
}

Test(listener, reads_a_batch_and_then_would_block)
{
	open_unix(false);
	post("a:1|c");
	post("b:2|g\na:1|c\n");
	cr_expect_eq(read_once(), 2);
	cr_expect_eq(read_once(), 0);
	cr_expect_not(listener.ended);
	cr_expect_eq(listener.datagrams, 2);
	cr_expect_eq(listener.bytes, 17);
	cr_expect_eq(listener.ledger.delivered, 3);
	cr_expect_str_eq(fixture_flush(&f, 1010, false),
	    "a rate host=h tags= interval=10 1000:0.2\n"
	    "b gauge host=h tags= interval=10 1000:2\n");
}

Test(listener, counts_datagrams_longer_than_the_buffer)
{
	open_unix(false);
	post("a:1|c\nbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb:1|c");
	post("0123456789012345678901234567890123456789012345678901234567:1|c|#x");
	cr_expect_eq(read_once(), 2);
	cr_expect_eq(listener.truncated, 2);
	cr_expect_eq(listener.ledger.dropped[BH_DROP_TRUNCATED], 2);
	cr_expect_eq(listener.ledger.delivered, 1);
	cr_expect_eq(bh_ledger_gap(&listener.ledger), 0);
}

Test(listener, a_datagram_that_just_fits_is_whole)
{
	open_unix(false);
	post("012345678901234567890123456789012345678901234567890123456789:1|c");
	cr_expect_eq(read_once(), 1);
	cr_expect_eq(listener.truncated, 0);
	cr_expect_eq(listener.ledger.delivered, 1);
}

Test(listener, honours_eol_required)
{
	open_unix(true);
	post("a:1|c\nb:1|c");
	cr_expect_eq(read_once(), 1);
	cr_expect_eq(listener.ledger.dropped[BH_DROP_UNTERMINATED], 1);
	cr_expect_eq(listener.ledger.delivered, 1);
}

Test(listener, tells_the_first_bad_lines)
{
	open_unix(false);
	post("oops");
	cr_expect_eq(read_once(), 1);
	cr_expect(bh_str_eq(bad.line, BH_STR_LIT("oops")));
	cr_expect_eq(bad.why, BH_PARSE_NO_TYPE);
}

Test(listener, an_empty_datagram_is_not_the_end)
{
	open_unix(false);
	cr_assert_eq(send(client, "", 0, 0), 0);
	post("a:1|c");
	cr_expect_eq(read_once(), 2);
	cr_expect_not(listener.ended);
	cr_expect_eq(listener.ledger.delivered, 1);
}

Test(listener, reads_what_was_queued_when_the_socket_is_shut_down_and_then_ends)
{
	open_unix(false);
	post("a:1|c");
	post("a:1|c");
	cr_assert_eq(shutdown(listener.fd, SHUT_RD), 0);
	while (read_once() > 0)
		;
	cr_expect(listener.ended);
	cr_expect_eq(listener.ledger.delivered, 2);
	cr_expect_eq(listener.datagrams, 2);
	cr_expect_eq(send(client, "a:1|c", 5, MSG_NOSIGNAL), -1);
}

Test(listener, counts_what_the_kernel_dropped)
{
	uint64_t sent = 0;

	open_udp(1024);
	while (sent < 3000) {
		post("a:1|c");
		sent++;
	}
	while (read_once() > 0)
		;
	/* The last drops are reported by no datagram. */
	bh_listener_update_drops(&listener);
	cr_expect_gt(listener.kernel_drops, 0);
	cr_expect_eq(listener.kernel_drops + listener.datagrams, sent);
	cr_expect_eq(listener.ledger.received, sent);
	cr_expect_eq(bh_ledger_gap(&listener.ledger), 0);
}

Test(listener, a_later_incarnation_does_not_report_drops_again)
{
	struct bh_listener second;

	open_udp(1024);
	for (int i = 0; i < 3000; i++)
		post("a:1|c");
	bh_listener_init(&second, dup(listener.fd), "udp:127.0.0.1:0", false, false);
	bh_listener_update_drops(&second);
	cr_expect_eq(second.kernel_drops, 0);
	bh_listener_release(&second);
}

Test(listener, reports_a_descriptor_that_is_no_socket)
{
	bh_listener_init(&listener, dup(STDERR_FILENO), "udp:x", false, true);
	cr_expect_lt(read_once(), 0);
	cr_expect_eq(listener.read_errors, 1);
}
