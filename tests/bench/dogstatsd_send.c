/*
 * Sends a DogStatsD load as fast as the receiver takes it (Unix sockets) or as it can (UDP),
 * and prints one JSON line: what was sent, how long it took, and how long the receiver made it
 * wait: the longest send, and that of every thousandth.
 *
 *   dogstatsd-send TARGET LOAD CONTEXTS MEGABYTES SEED [SECONDS [RATE]]
 *
 * With SECONDS the same datagrams are sent over and over until they have passed; with RATE at so
 * many MiB a second.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/bench/load.h"

/* Where to: "/path" (Unix datagrams), "udp:PORT" on this host, "stream:N:/path" (N connections). */
struct target {
	int fds[64];
	size_t n;
	bool framed;
};

static int dial_unix(const char *path, int type)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(sa.sun_path))
		return -1;
	memcpy(sa.sun_path, path, strlen(path) + 1);
	return connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ? -1 : fd;
}

static int dial_udp(unsigned long port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port),
	    .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ? -1 : fd;
}

static int dial(struct target *t, const char *where)
{
	char *path = NULL;

	*t = (struct target){.n = 1};
	if (strncmp(where, "udp:", 4) == 0) {
		t->fds[0] = dial_udp(strtoul(where + 4, NULL, 10));
	} else if (strncmp(where, "stream:", 7) == 0) {
		t->framed = true;
		t->n = BH_MIN(strtoul(where + 7, &path, 10), BH_ARRAY_LEN(t->fds));
		for (size_t i = 0; i < t->n; i++)
			t->fds[i] = dial_unix(path + 1, SOCK_STREAM);
	} else {
		t->fds[0] = dial_unix(where, SOCK_DGRAM);
	}
	for (size_t i = 0; i < t->n; i++) {
		if (t->fds[i] < 0)
			return -1;
	}
	return 0;
}

static int send_one(const struct target *t, size_t i, char *p, uint32_t n)
{
	struct iovec iov[2] = {{&n, sizeof(n)}, {p, n}};
	size_t want = n + (t->framed ? sizeof(n) : 0);
	ssize_t got = writev(t->fds[i % t->n], iov + !t->framed, 1 + t->framed);

	/* Nobody listens on UDP yet, or any more: that is a drop, not an end. */
	if (got < 0 && errno == ECONNREFUSED)
		return 0;
	return got == (ssize_t)want ? 0 : -1;
}

#define WAITS_US 4000000 /* longer waits count as this */

struct sent {
	uint64_t datagrams, bytes, lines, counter_sum;
	uint32_t *waits; /* sends that took so many microseconds */
	int64_t begin_ns, end_ns;
	double rate; /* bytes a second; 0 = as fast as it goes */
};

/* Keeps to the rate: waits as long as what was sent is ahead of it. */
static void pace(const struct sent *sent, uint64_t bytes)
{
	int64_t at = sent->begin_ns + (int64_t)((double)bytes / sent->rate * 1e9);
	struct timespec t = {at / BH_NS_PER_S, at % BH_NS_PER_S};

	if (at > bh_mono_ns(&bh_clock_system) + BH_NS_PER_MS)
		(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static int send_all(const struct target *t, const struct bh_load *load, struct sent *sent)
{
	int64_t before = bh_mono_ns(&bh_clock_system);

	for (size_t i = 0; i < load->n; i++) {
		uint32_t n = load->offsets[i + 1] - load->offsets[i];
		int64_t now;

		if (send_one(t, i, load->bytes + load->offsets[i], n)) {
			(void)fprintf(stderr, "send: %s\n", strerror(errno));
			return -1;
		}
		now = bh_mono_ns(&bh_clock_system);
		sent->waits[BH_MIN((now - before) / 1000, WAITS_US - 1)]++;
		if (sent->rate > 0) {
			pace(sent, sent->bytes + load->offsets[i + 1]);
			now = bh_mono_ns(&bh_clock_system);
			if (now >= sent->end_ns) {
				/* Lines and their sum are known of whole loads only. */
				sent->datagrams += i + 1;
				sent->bytes += load->offsets[i + 1];
				return 0;
			}
		}
		before = now;
	}
	sent->datagrams += load->n;
	sent->bytes += load->offsets[load->n];
	sent->lines += load->lines;
	sent->counter_sum += load->counter_sum;
	return 0;
}

/* The wait that only one in `one_in` sends exceeds, in microseconds. */
static unsigned wait_of(const struct sent *sent, uint64_t one_in)
{
	uint64_t above = 0;

	for (unsigned us = WAITS_US; us-- > 0;) {
		above += sent->waits[us];
		if (above > sent->datagrams / one_in)
			return us;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct sent sent = {.waits = calloc(WAITS_US, sizeof(uint32_t))};
	struct bh_load load;
	int64_t begin, spent, least;
	struct target target;

	if (!sent.waits)
		return 1;
	if (argc < 6 || argc > 8 ||
	    bh_load_make(&load, argv[2], (unsigned)strtoul(argv[3], NULL, 10),
		(unsigned)strtoul(argv[4], NULL, 10), strtoull(argv[5], NULL, 10))) {
		(void)fprintf(stderr, "usage: dogstatsd-send TARGET statsd|seed CONTEXTS MIB SEED "
				      "[SECONDS [RATE]]\n");
		return 2;
	}
	if (dial(&target, argv[1])) {
		(void)fprintf(stderr, "connect %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	least = argc >= 7 ? strtoll(argv[6], NULL, 10) * BH_NS_PER_S : 0;
	begin = bh_mono_ns(&bh_clock_system);
	sent.begin_ns = begin;
	sent.end_ns = begin + least;
	sent.rate = argc == 8 ? strtod(argv[7], NULL) * (1 << 20) : 0;
	do {
		if (send_all(&target, &load, &sent))
			return 1;
		spent = bh_mono_ns(&bh_clock_system) - begin;
	} while (spent < least);
	(void)printf("{\"datagrams\":%llu,\"bytes\":%llu,\"lines\":%llu,\"counter_sum\":%llu,"
		     "\"seconds\":%.3f,\"wait_p999_us\":%u,\"wait_max_us\":%u}\n",
	    (unsigned long long)sent.datagrams, (unsigned long long)sent.bytes,
	    (unsigned long long)sent.lines, (unsigned long long)sent.counter_sum,
	    (double)spent / (double)BH_NS_PER_S, wait_of(&sent, 1000), wait_of(&sent, UINT64_MAX));
	free(sent.waits);
	for (size_t i = 0; i < target.n; i++)
		(void)close(target.fds[i]);
	bh_load_release(&load);
	return 0;
}
