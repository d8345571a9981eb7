#include "supervisor/ctl/replay.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "proto/capture.h"

static int dial(const char *path, struct bh_err *err)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(sun.sun_path))
		return bh_err_set(err, fd < 0 ? -errno : -ENAMETOOLONG, "%s", path);
	memcpy(sun.sun_path, path, strlen(path) + 1);
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0)
		return fd;
	(void)bh_err_set(err, -errno, "%s", path);
	(void)close(fd);
	return err->code;
}

/* Waits until as much time has passed since the first packet as had passed when it was captured. */
static void wait_for(int64_t begin_ns, int64_t after_ns)
{
	int64_t at = begin_ns + after_ns;
	struct timespec t = {at / BH_NS_PER_S, at % BH_NS_PER_S};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

static int send_all(struct bh_capture_reader *r, int fd, uint64_t *packets, struct bh_err *err)
{
	int64_t begin_ns = bh_mono_ns(&bh_clock_system), first_ns = 0;
	struct bh_captured p;
	int rc;

	while ((rc = bh_capture_next(r, &p)) == 1) {
		if (*packets == 0)
			first_ns = p.wall_ns;
		if (p.wall_ns > first_ns)
			wait_for(begin_ns, p.wall_ns - first_ns);
		if (send(fd, p.payload.p, p.payload.n, MSG_NOSIGNAL) < 0)
			return bh_err_set(
			    err, -errno, "packet %llu", (unsigned long long)*packets + 1);
		++*packets;
	}
	return rc ? bh_err_set(err, rc, "packet %llu", (unsigned long long)*packets + 1) : 0;
}

static int replay_mapped(
    const void *map, size_t n, const char *socket_path, uint64_t *packets, struct bh_err *err)
{
	struct bh_capture_reader r;
	int rc = bh_capture_begin(&r, map, n), fd;

	if (rc)
		return bh_err_set(err, rc, "no capture of DogStatsD");
	fd = dial(socket_path, err);
	if (fd < 0)
		return fd;
	rc = send_all(&r, fd, packets, err);
	(void)close(fd);
	return rc;
}

int bh_replay(const char *file, const char *socket_path, uint64_t *packets, struct bh_err *err)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC), rc;
	struct stat st;
	void *map;

	*packets = 0;
	if (fd < 0 || fstat(fd, &st) < 0) {
		rc = bh_err_set(err, -errno, "%s", file);
		if (fd >= 0)
			(void)close(fd);
		return rc;
	}
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	(void)close(fd);
	if (map == MAP_FAILED)
		return bh_err_set(err, -errno, "%s", file);
	rc = replay_mapped(map, (size_t)st.st_size, socket_path, packets, err);
	(void)munmap(map, (size_t)st.st_size);
	return rc ? bh_err_prefix(err, "%s", file) : 0;
}
