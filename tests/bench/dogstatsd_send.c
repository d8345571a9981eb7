/*
 * Sends a DogStatsD load over a Unix datagram socket as fast as the receiver takes it (blocking),
 * and prints one JSON line: what was sent and how long it took.
 *
 *   dogstatsd-send SOCKET LOAD CONTEXTS MEGABYTES SEED
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/bench/load.h"

static int dial(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(sa.sun_path))
		return -1;
	memcpy(sa.sun_path, path, strlen(path) + 1);
	return connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ? -1 : fd;
}

int main(int argc, char **argv)
{
	struct bh_load load;
	int64_t begin, spent;
	int fd;

	if (argc != 6 || bh_load_make(&load, argv[2], (unsigned)strtoul(argv[3], NULL, 10),
			     (unsigned)strtoul(argv[4], NULL, 10), strtoull(argv[5], NULL, 10))) {
		(void)fprintf(
		    stderr, "usage: dogstatsd-send SOCKET statsd|seed CONTEXTS MIB SEED\n");
		return 2;
	}
	fd = dial(argv[1]);
	if (fd < 0) {
		(void)fprintf(stderr, "connect %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	begin = bh_mono_ns(&bh_clock_system);
	for (size_t i = 0; i < load.n; i++) {
		size_t n = load.offsets[i + 1] - load.offsets[i];

		if (send(fd, load.bytes + load.offsets[i], n, 0) < 0) {
			(void)fprintf(stderr, "send: %s\n", strerror(errno));
			return 1;
		}
	}
	spent = bh_mono_ns(&bh_clock_system) - begin;
	(void)printf("{\"datagrams\":%zu,\"bytes\":%u,\"lines\":%llu,\"counter_sum\":%llu,"
		     "\"seconds\":%.3f}\n",
	    load.n, load.offsets[load.n], (unsigned long long)load.lines,
	    (unsigned long long)load.counter_sum, (double)spent / (double)BH_NS_PER_S);
	(void)close(fd);
	bh_load_release(&load);
	return 0;
}
