/*
 * Writes log lines and prints one JSON line: lines, bytes, seconds, when the last was written.
 *
 *   logs-write backlog FILE KIND MIB SEED
 *   logs-write file FILE KIND MIB/S SECONDS STREAM SEED ROTATE_MIB KEPT
 *   logs-write tcp PORT KIND MIB/S SECONDS STREAM SEED
 *   logs-write many FOLDER FILES KIND LINES/S SECONDS SEED
 *
 * "file" rotates by rename once the file has ROTATE_MIB (0: never): FILE becomes FILE.1, that one
 * FILE.2, and so on. "many" appends lines to FOLDER/N.log in turn, each file a stream of its own.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/bench/logs_load.h"

#define BLOCK    ((size_t)64 << 10)
#define STEP_NS  (5 * BH_NS_PER_MS)
#define EPOCH_MS 1700000000000 /* times of a backlog, so that it is the same every time */

struct out {
	const char *path; /* of a file that rotates */
	int fd;
	uint64_t rotate, kept; /* bytes, files */
	uint64_t in_file;      /* bytes since the last rotation */
	char *block;
	size_t n; /* bytes of it in use */
	uint64_t lines, bytes;
};

static int die(const char *what)
{
	(void)fprintf(stderr, "logs-write: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_log(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	return fd < 0 ? die(path) : fd;
}

static void write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno != EINTR)
			(void)die("write");
		p += done > 0 ? done : 0;
		n -= done > 0 ? (size_t)done : 0;
	}
}

static void rotate(struct out *o)
{
	char from[PATH_MAX], to[PATH_MAX];

	for (uint64_t i = o->kept; i-- > 0;) {
		(void)snprintf(to, sizeof(to), "%s.%llu", o->path, (unsigned long long)i + 1);
		(void)snprintf(
		    from, sizeof(from), i ? "%s.%llu" : "%s", o->path, (unsigned long long)i);
		if (rename(from, to) < 0 && errno != ENOENT)
			(void)die(from);
	}
	(void)close(o->fd);
	o->fd = open_log(o->path);
	o->in_file = 0;
}

static void flush(struct out *o)
{
	write_all(o->fd, o->block, o->n);
	o->in_file += o->n;
	o->n = 0;
	if (o->rotate && o->in_file >= o->rotate)
		rotate(o);
}

static void put_line(struct out *o, struct bh_log_load *load, int64_t wall_ms)
{
	size_t n = bh_log_load_line(load, wall_ms, o->block + o->n);

	o->n += n;
	o->bytes += n;
	o->lines++;
	if (o->n >= BLOCK)
		flush(o);
}

static int64_t now_ns(void)
{
	return bh_mono_ns(&bh_clock_system);
}

static void sleep_until(int64_t at)
{
	struct timespec t = {at / BH_NS_PER_S, at % BH_NS_PER_S};

	(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void at_rate(struct out *o, struct bh_log_load *load, double per_s, double seconds)
{
	int64_t begin = now_ns(), end = begin + (int64_t)(seconds * 1e9);

	for (int64_t now = begin; now < end; now = now_ns()) {
		double due = per_s * (double)(now - begin) / 1e9;
		int64_t wall = bh_wall_ms(&bh_clock_system);

		while ((double)o->bytes < due)
			put_line(o, load, wall);
		flush(o);
		sleep_until(now + STEP_NS);
	}
}

static void backlog(struct out *o, struct bh_log_load *load, uint64_t bytes)
{
	while (o->bytes < bytes)
		put_line(o, load, EPOCH_MS + (int64_t)(o->lines / 10));
	flush(o);
}

static int dial(const char *port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
	    .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ? die(port) : fd;
}

static void many(struct out *o, const char *folder, char **arg)
{
	size_t files = strtoul(arg[0], NULL, 10);
	struct bh_log_load *loads = calloc(files, sizeof(*loads));
	double per_s = strtod(arg[2], NULL), seconds = strtod(arg[3], NULL);
	uint64_t total = (uint64_t)(per_s * seconds);
	int64_t begin = now_ns();

	for (size_t i = 0; loads && i < files; i++) {
		if (bh_log_load_init(&loads[i], arg[1], (uint32_t)i, strtoull(arg[4], NULL, 10)))
			(void)die(arg[1]);
	}
	for (uint64_t i = 0; loads && i < total; i++) {
		char path[PATH_MAX];

		sleep_until(begin + (int64_t)((double)i / per_s * 1e9));
		(void)snprintf(path, sizeof(path), "%s/%zu.log", folder, (size_t)(i % files));
		o->fd = open_log(path);
		put_line(o, &loads[i % files], bh_wall_ms(&bh_clock_system));
		flush(o);
		(void)close(o->fd);
		o->fd = -1;
	}
	free(loads);
}

static void load_init(
    struct bh_log_load *load, const char *kind, const char *stream, const char *seed)
{
	errno = EINVAL;
	if (bh_log_load_init(
		load, kind, (uint32_t)strtoul(stream, NULL, 10), strtoull(seed, NULL, 10)))
		(void)die(kind);
}

static bool run(struct out *o, int argc, char **argv)
{
	struct bh_log_load load;

	if (argc == 6 && strcmp(argv[1], "backlog") == 0) {
		(void)unlink(argv[2]);
		o->fd = open_log(argv[2]);
		load_init(&load, argv[3], "0", argv[5]);
		backlog(o, &load, strtoull(argv[4], NULL, 10) << 20);
	} else if (argc == 10 && strcmp(argv[1], "file") == 0) {
		o->path = argv[2];
		o->fd = open_log(argv[2]);
		o->rotate = strtoull(argv[8], NULL, 10) << 20;
		o->kept = strtoull(argv[9], NULL, 10);
		load_init(&load, argv[3], argv[6], argv[7]);
		at_rate(o, &load, strtod(argv[4], NULL) * (1 << 20), strtod(argv[5], NULL));
	} else if (argc == 8 && strcmp(argv[1], "tcp") == 0) {
		o->fd = dial(argv[2]);
		load_init(&load, argv[3], argv[6], argv[7]);
		at_rate(o, &load, strtod(argv[4], NULL) * (1 << 20), strtod(argv[5], NULL));
	} else if (argc == 8 && strcmp(argv[1], "many") == 0) {
		many(o, argv[2], argv + 3);
	} else {
		return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	struct out o = {.fd = -1, .block = malloc(BLOCK + BH_LOG_LINE_MAX)};
	int64_t begin = now_ns();

	if (!o.block)
		return 1;
	if (!run(&o, argc, argv)) {
		(void)fprintf(
		    stderr, "usage: logs-write backlog|file|tcp|many …, see its source\n");
		return 2;
	}
	(void)printf("{\"lines\":%llu,\"bytes\":%llu,\"seconds\":%.3f,\"end_ms\":%lld}\n",
	    (unsigned long long)o.lines, (unsigned long long)o.bytes,
	    (double)(now_ns() - begin) / 1e9, (long long)bh_wall_ms(&bh_clock_system));
	if (o.fd >= 0)
		(void)close(o.fd);
	free(o.block);
	return 0;
}
