/*
 * The floor a DogStatsD server is compared with: recvmmsg, cut lines, hash the name and every tag,
 * look the context up, add the value. It checks nothing, keeps no tags and aggregates nothing.
 *
 *   dogstatsd-floor SOCKET     binds, reads until SIGTERM, prints {"lines":N,"cpu_s":S}
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define BATCH 32
#define SIZE  8192
#define SLOTS (1u << 20)

struct slot {
	uint64_t key;
	double sum;
};

struct floor {
	struct slot *slots;
	char *data;
	uint64_t lines;
};

static void add(struct floor *f, uint64_t key, double v)
{
	size_t i = key & (SLOTS - 1);

	while (f->slots[i].key && f->slots[i].key != key)
		i = (i + 1) & (SLOTS - 1);
	f->slots[i].key = key;
	f->slots[i].sum += v;
}

static void line(struct floor *f, const char *p, const char *end)
{
	const char *colon = memchr(p, ':', (size_t)(end - p));
	const char *tags = colon ? memchr(colon, '#', (size_t)(end - colon)) : NULL;
	uint64_t key;
	double v = 0;

	if (!colon)
		return;
	key = XXH3_64bits(p, (size_t)(colon - p));
	for (const char *q = colon + 1; q < end && *q >= '0' && *q <= '9'; q++)
		v = v * 10 + (*q - '0');
	for (const char *q = tags ? tags + 1 : end; q < end;) {
		const char *comma = memchr(q, ',', (size_t)(end - q));
		const char *stop = comma ? comma : end;

		key ^= XXH3_64bits(q, (size_t)(stop - q));
		q = stop + 1;
	}
	add(f, key, v);
	f->lines++;
}

static void datagram(struct floor *f, const char *p, size_t n)
{
	const char *end = p + n;

	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		const char *stop = nl ? nl : end;

		line(f, p, stop);
		p = stop + 1;
	}
}

static void drain_socket(struct floor *f, int fd)
{
	struct mmsghdr msgs[BATCH];
	struct iovec iov[BATCH];
	int n;

	memset(msgs, 0, sizeof(msgs));
	for (int i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){f->data + (size_t)i * SIZE, SIZE};
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	while ((n = recvmmsg(fd, msgs, BATCH, MSG_DONTWAIT, NULL)) > 0) {
		for (int i = 0; i < n; i++)
			datagram(f, iov[i].iov_base, msgs[i].msg_len);
	}
}

static int listen_on(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(sa.sun_path))
		return -1;
	memcpy(sa.sun_path, path, strlen(path) + 1);
	(void)unlink(path);
	return bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ? -1 : fd;
}

int main(int argc, char **argv)
{
	struct floor f = {calloc(SLOTS, sizeof(struct slot)), malloc((size_t)BATCH * SIZE), 0};
	int fd = argc == 2 ? listen_on(argv[1]) : -1;
	struct pollfd fds[2];
	struct rusage ru;
	sigset_t term;

	(void)sigemptyset(&term);
	(void)sigaddset(&term, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &term, NULL);
	fds[0] = (struct pollfd){fd, POLLIN, 0};
	fds[1] = (struct pollfd){signalfd(-1, &term, SFD_CLOEXEC), POLLIN, 0};
	if (fd < 0 || fds[1].fd < 0 || !f.slots || !f.data) {
		(void)fprintf(stderr, "usage: dogstatsd-floor SOCKET\n");
		return 2;
	}
	while (poll(fds, 2, -1) >= 0) {
		drain_socket(&f, fd);
		if (fds[1].revents)
			break;
	}
	(void)getrusage(RUSAGE_SELF, &ru);
	(void)printf("{\"lines\":%llu,\"cpu_s\":%.3f}\n", (unsigned long long)f.lines,
	    (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) +
		(double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6);
	(void)unlink(argv[1]);
	free(f.slots);
	free(f.data);
	return 0;
}
