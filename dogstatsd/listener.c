#include "dogstatsd/listener.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Batch memory stays below this; 64 datagrams are where longer batches stop paying. */
#define BATCH_BYTES ((size_t)2 << 20)
#define BATCH_MAX   64
#define BATCH_MIN   4

/* A drop counter and the sender. */
#define CONTROL_SIZE (CMSG_SPACE(sizeof(uint32_t)) + CMSG_SPACE(sizeof(struct ucred)))

int bh_batch_init(struct bh_batch *b, size_t size)
{
	size_t n = BATCH_BYTES / size;

	n = BH_MAX(BH_MIN(n, (size_t)BATCH_MAX), (size_t)BATCH_MIN);
	*b = (struct bh_batch){.size = size, .n = (unsigned)n};
	b->messages = calloc(n, sizeof(*b->messages));
	b->iov = calloc(n, sizeof(*b->iov));
	b->control = calloc(n, CONTROL_SIZE);
	b->data = malloc(n * size);
	if (!b->messages || !b->iov || !b->control || !b->data) {
		bh_batch_release(b);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		b->iov[i] = (struct iovec){b->data + i * size, size};
		b->messages[i].msg_hdr.msg_iov = &b->iov[i];
		b->messages[i].msg_hdr.msg_iovlen = 1;
		b->messages[i].msg_hdr.msg_control = b->control + i * CONTROL_SIZE;
	}
	return 0;
}

void bh_batch_release(struct bh_batch *b)
{
	free(b->messages);
	free(b->iov);
	free(b->control);
	free(b->data);
	*b = (struct bh_batch){0};
}

void bh_listener_init(
    struct bh_listener *l, int fd, const char *name, bool eol_required, bool first_incarnation)
{
	int on = 1;

	*l = (struct bh_listener){
	    .watch = {.fd = -1},
	    .fd = fd,
	    .name = name,
	    .is_unix = strncmp(name, "uds:", 4) == 0,
	    .eol_required = eol_required,
	};
	/* Unix sockets have no such counter: their senders wait instead. */
	(void)setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on));
	if (!first_incarnation)
		bh_kernel_drops_skip(&l->drops, fd);
}

void bh_listener_release(struct bh_listener *l)
{
	if (l->fd >= 0)
		(void)close(l->fd);
	l->fd = -1;
}

static void note_drops(struct bh_listener *l, uint32_t more)
{
	l->kernel_drops += more;
	l->ledger.received += more;
	bh_ledger_drop(&l->ledger, BH_DROP_KERNEL, more);
}

void bh_listener_update_drops(struct bh_listener *l)
{
	if (l->fd >= 0)
		note_drops(l, bh_kernel_drops_ask(&l->drops, l->fd));
}

/* Whether a Unix socket without datagrams was shut down for reading: it would stay readable for
 * ever. */
static bool is_shut_down(const struct bh_listener *l)
{
	struct pollfd p = {.fd = l->fd, .events = POLLRDHUP};

	return l->is_unix && poll(&p, 1, 0) == 1 && (p.revents & POLLRDHUP);
}

static int read_error(struct bh_listener *l, int error)
{
	switch (error) {
	case EAGAIN:
		l->ended = is_shut_down(l);
		return 0;
	case EINTR:
		return 0;
	case ENOMEM:
	case ENOBUFS:
	case ECONNREFUSED:
		l->read_errors++;
		return 0;
	default:
		l->read_errors++;
		return -error;
	}
}

static void tap(struct bh_listener *l, struct bh_str datagram, const struct msghdr *h, int64_t now)
{
	struct bh_sender from;
	bool known = l->is_unix && h->msg_controllen && bh_sender_of(h, &from);

	bh_tap_packet(l->tap, datagram, known ? &from : NULL, now);
}

int bh_listener_read(struct bh_listener *l, struct bh_batch *b, struct bh_ingest *in, int64_t now,
    struct bh_bad_line *bad)
{
	unsigned flags = l->eol_required ? BH_DATAGRAM_EOL_REQUIRED : 0;
	int n;

	if (l->ended)
		return 0;
	for (unsigned i = 0; i < b->n; i++)
		b->messages[i].msg_hdr.msg_controllen = CONTROL_SIZE;
	n = recvmmsg(l->fd, b->messages, b->n, MSG_DONTWAIT, NULL);
	if (n < 0)
		return read_error(l, errno);
	for (int i = 0; i < n; i++) {
		struct mmsghdr *m = &b->messages[i];
		bool cut = (m->msg_hdr.msg_flags & MSG_TRUNC) != 0;
		struct bh_str datagram = {b->iov[i].iov_base, m->msg_len};

		l->datagrams++;
		l->bytes += m->msg_len;
		l->truncated += cut;
		if (l->tap)
			tap(l, datagram, &m->msg_hdr, now);
		bh_ingest_datagram(
		    in, datagram, cut ? flags | BH_DATAGRAM_CUT : flags, now, &l->ledger, bad);
		note_drops(l, bh_kernel_drops_read(&l->drops, &m->msg_hdr));
	}
	return n;
}
