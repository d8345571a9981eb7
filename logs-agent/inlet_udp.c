/* UDP sources (spec/logs.md §11.2): datagrams in batches, joined by sender. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/kernel_drops.h"
#include "logs-agent/inlet_internal.h"

#define BATCH            32
#define BATCHES_PER_TURN 8
#define DATAGRAM_MAX     ((size_t)65536)
#define PEERS_MAX        64 /* senders of a source whose lines are held apart */
#define CONTROL_SIZE     CMSG_SPACE(sizeof(uint32_t))

struct bh_udp_batch {
	struct mmsghdr messages[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_storage from[BATCH];
	char control[BATCH][CONTROL_SIZE] __attribute__((aligned(__alignof__(struct cmsghdr))));
	size_t size; /* bytes used of a datagram */
	char data[];
};

struct bh_peer {
	struct bh_peer *older, *newer;
	struct bh_ip ip;
	struct bh_lane lane;
};

struct bh_udp {
	struct bh_port port;
	struct bh_udp *next;
	struct bh_inlet in;
	struct bh_framer framer; /* between two datagrams empty */
	struct bh_peer *newest, *oldest;
	unsigned peers;
	struct bh_kernel_drops drops;
	size_t drain_left; /* at most the receive buffer's size */
	bool drained;
};

/* --- senders ------------------------------------------------------------------------------------
 */

static void unlink_peer(struct bh_udp *u, struct bh_peer *p)
{
	*(p->newer ? &p->newer->older : &u->newest) = p->older;
	*(p->older ? &p->older->newer : &u->oldest) = p->newer;
}

static void push_peer(struct bh_udp *u, struct bh_peer *p)
{
	p->newer = NULL;
	p->older = u->newest;
	*(u->newest ? &u->newest->newer : &u->oldest) = p;
	u->newest = p;
}

static void free_peer(struct bh_udp *u, struct bh_peer *p)
{
	unlink_peer(u, p);
	bh_inlet_lane_end(u->in.all, &p->lane);
	u->peers--;
	free(p);
}

/* The one that was not heard of for longest makes room. */
static int new_peer(struct bh_udp *u, const struct bh_ip *ip, struct bh_peer **out)
{
	struct bh_peer *p;
	int rc;

	if (u->peers == PEERS_MAX) {
		bh_inlet_flush(&u->oldest->lane);
		free_peer(u, u->oldest);
	}
	p = calloc(1, sizeof(*p));
	rc = p ? bh_inlet_lane(&u->in, &p->lane, ip) : -ENOMEM;
	if (rc) {
		free(p);
		return rc;
	}
	p->ip = *ip;
	push_peer(u, p);
	u->peers++;
	*out = p;
	return 0;
}

static int find_peer(struct bh_udp *u, const struct bh_ip *ip, struct bh_peer **out)
{
	struct bh_peer *p = u->newest;

	while (p && !bh_ip_eq(&p->ip, ip))
		p = p->older;
	if (!p)
		return new_peer(u, ip, out);
	if (p != u->newest) {
		unlink_peer(u, p);
		push_peer(u, p);
	}
	*out = p;
	return 0;
}

/* --- datagrams ----------------------------------------------------------------------------------
 */

/* A datagram of a syslog source is one frame; only its length is cut. */
static int feed_whole(struct bh_lane *lane, size_t limit, const char *p, size_t n)
{
	int rc = 0;

	while (n && !rc) {
		size_t part = BH_MIN(n, limit);
		const struct bh_frame f = {{p, part}, part, part < n};

		rc = bh_lane_frame(lane, &f);
		p += part;
		n -= part;
	}
	return rc;
}

/* Its end ends its last line, whether a newline stands there or not. */
static int feed_lines(struct bh_framer *f, struct bh_lane *lane, const char *p, size_t n)
{
	int rc = bh_framer_feed(f, p, n, bh_lane_frame, lane);

	return rc ? rc : bh_framer_end(f, bh_lane_frame, lane);
}

static void init_framer(struct bh_udp *u)
{
	const struct bh_source *s = u->in.source;

	bh_framer_init(&u->framer, bh_charset_unit(s->decoder.charset), s->limit);
}

static void lose(struct bh_udp *u, enum bh_drop why, uint64_t n)
{
	u->in.source->l.received += n;
	bh_ledger_drop(&u->in.source->l, why, n);
}

static void take(struct bh_udp *u, const struct bh_ip *from, const char *p, size_t n)
{
	struct bh_source *s = u->in.source;
	struct bh_peer *peer;
	int rc = find_peer(u, from, &peer);

	if (rc) {
		lose(u, BH_DROP_NO_MEMORY, 1);
		return;
	}
	peer->lane.last_ns = bh_inlet_now();
	rc = s->format == BH_FORMAT_SYSLOG ? feed_whole(&peer->lane, s->limit, p, n)
					   : feed_lines(&u->framer, &peer->lane, p, n);
	if (rc) {
		bh_lane_reset(&peer->lane, rc);
		bh_framer_release(&u->framer);
		init_framer(u);
	}
	bh_inlet_fed(u->in.all, &peer->lane);
}

static void note_drops(struct bh_udp *u, uint32_t more)
{
	if (!more)
		return;
	u->in.all->udp_kernel_drops += more;
	lose(u, BH_DROP_KERNEL, more);
}

static void truncated(struct bh_udp *u, size_t n)
{
	struct bh_inlets *all = u->in.all;

	all->udp_truncated++;
	lose(u, BH_DROP_TRUNCATED, 1);
	bh_log_limited(&all->logs->child->log, &all->truncated_limit, BH_LOG_WARN, BH_INLET,
	    "udp port %" PRIu16 ": of a datagram of %zu bytes only logs_config.frame_size (%zu) "
	    "are used",
	    u->in.source->cfg->port, n, all->batch->size);
}

static void take_message(struct bh_udp *u, struct bh_udp_batch *b, unsigned i)
{
	struct mmsghdr *m = &b->messages[i];
	size_t n = m->msg_len; /* of the whole datagram */
	struct bh_ip from;

	note_drops(u, bh_kernel_drops_read(&u->drops, &m->msg_hdr));
	u->in.all->datagrams++;
	(void)bh_ip_from(&b->from[i], &from);
	if (!bh_ip_filter_admits(&u->in.filter, &from)) {
		u->in.all->udp_rejected++;
		return;
	}
	if (n > b->size)
		truncated(u, n);
	take(u, &from, b->iov[i].iov_base, BH_MIN(n, b->size));
}

/* A socket whose reading fails for good would be readable for ever. */
static void read_error(struct bh_udp *u, int error)
{
	struct bh_inlets *all = u->in.all;

	if (error == EAGAIN || error == EINTR)
		return;
	all->read_errors++;
	bh_log_limited(&all->logs->child->log, &all->error_limit, BH_LOG_ERROR, BH_INLET,
	    "udp port %" PRIu16 ": %s", u->in.source->cfg->port, bh_err_name(-error));
	if (error == EBADF || error == ENOTSOCK || error == EINVAL || error == EFAULT)
		bh_loop_del_fd(&u->port.watch);
}

/* Datagrams read; fewer than a batch: there are no more now. *bytes grows by their lengths. */
static unsigned read_batch(struct bh_udp *u, size_t *bytes)
{
	struct bh_udp_batch *b = u->in.all->batch;
	int n;

	for (unsigned i = 0; i < BATCH; i++) {
		b->messages[i].msg_hdr.msg_namelen = sizeof(b->from[i]);
		b->messages[i].msg_hdr.msg_controllen = CONTROL_SIZE;
	}
	n = recvmmsg(u->port.fd, b->messages, BATCH, MSG_DONTWAIT | MSG_TRUNC, NULL);
	if (n < 0)
		read_error(u, errno);
	for (int i = 0; i < n; i++) {
		*bytes += b->messages[i].msg_len;
		take_message(u, b, (unsigned)i);
	}
	return n > 0 ? (unsigned)n : 0;
}

static void on_readable(struct bh_port *p)
{
	struct bh_udp *u = BH_CONTAINER(p, struct bh_udp, port);
	size_t bytes = 0;

	for (int i = 0; i < BATCHES_PER_TURN; i++) {
		if (read_batch(u, &bytes) < BATCH || !bh_logs_may_read(u->in.all->logs))
			return;
	}
}

/* --- all of them --------------------------------------------------------------------------------
 */

static struct bh_udp_batch *make_batch(size_t size)
{
	struct bh_udp_batch *b = calloc(1, sizeof(*b) + BATCH * size);

	if (!b)
		return NULL;
	b->size = size;
	for (size_t i = 0; i < BATCH; i++) {
		b->iov[i] = (struct iovec){b->data + i * size, size};
		b->messages[i].msg_hdr = (struct msghdr){
		    .msg_name = &b->from[i],
		    .msg_iov = &b->iov[i],
		    .msg_iovlen = 1,
		    .msg_control = b->control[i],
		};
	}
	return b;
}

int bh_udp_add(struct bh_inlets *all, struct bh_source *source, int fd)
{
	struct bh_udp *u = calloc(1, sizeof(*u));
	int rc = u ? bh_inlet_init(&u->in, all, source) : -ENOMEM;

	if (!rc && !all->batch) {
		all->batch = make_batch(BH_MIN(all->buffer_size, DATAGRAM_MAX));
		rc = all->batch ? 0 : -ENOMEM;
	}
	if (rc) {
		if (u)
			bh_inlet_release(&u->in);
		(void)close(fd);
		free(u);
		return rc;
	}
	init_framer(u);
	u->port = (struct bh_port){.watch = {.fd = -1}, .fd = fd, .all = all};
	/* What was dropped before was told by our predecessor; while nobody read, by nobody. */
	if (all->logs->child->generation > 1)
		bh_kernel_drops_skip(&u->drops, fd);
	u->next = all->udp;
	all->udp = u;
	return 0;
}

static void start(struct bh_udp *u)
{
	struct bh_inlets *all = u->in.all;
	int fd = u->port.fd;
	int rc = bh_port_open(&u->port, all, fd, on_readable);

	if (!rc)
		return;
	u->port.fd = fd;
	bh_error(&all->logs->child->log, BH_INLET, "udp port %" PRIu16 " is not read: %s",
	    u->in.source->cfg->port, bh_err_name(rc));
}

void bh_udp_start(struct bh_inlets *all)
{
	for (struct bh_udp *u = all->udp; u; u = u->next)
		start(u);
}

static void stop(struct bh_udp *u)
{
	int size = 0;
	socklen_t n = sizeof(size);

	bh_port_pause(&u->port);
	(void)getsockopt(u->port.fd, SOL_SOCKET, SO_RCVBUF, &size, &n);
	u->drain_left = size > 0 ? (size_t)size : 0;
}

void bh_udp_stop(struct bh_inlets *all)
{
	for (struct bh_udp *u = all->udp; u; u = u->next)
		stop(u);
}

static void flush_peers(struct bh_udp *u)
{
	u->drained = true;
	for (struct bh_peer *p = u->oldest; p; p = p->newer)
		bh_inlet_flush(&p->lane);
}

static void drain_batch(struct bh_udp *u)
{
	size_t bytes = 0;
	bool more = read_batch(u, &bytes) == BATCH && bytes < u->drain_left;

	u->drain_left -= BH_MIN(bytes, u->drain_left);
	if (!more)
		flush_peers(u);
}

static bool drain_source(struct bh_udp *u)
{
	while (!u->drained && bh_inlet_has_room(u->in.all))
		drain_batch(u);
	return u->drained;
}

bool bh_udp_drain(struct bh_inlets *all)
{
	for (struct bh_udp *u = all->udp; u; u = u->next) {
		if (!drain_source(u))
			return false;
	}
	return true;
}

void bh_udp_update_drops(struct bh_inlets *all)
{
	for (struct bh_udp *u = all->udp; u; u = u->next) {
		if (u->port.fd >= 0)
			note_drops(u, bh_kernel_drops_ask(&u->drops, u->port.fd));
	}
}

static void free_one(struct bh_udp *u)
{
	for (struct bh_peer *q = u->oldest, *newer; q; q = newer) {
		newer = q->newer;
		free_peer(u, q);
	}
	bh_framer_release(&u->framer);
	bh_port_close(&u->port);
	bh_inlet_release(&u->in);
	free(u);
}

void bh_udp_free(struct bh_inlets *all)
{
	while (all->udp) {
		struct bh_udp *u = all->udp;

		all->udp = u->next;
		free_one(u);
	}
	free(all->batch);
	all->batch = NULL;
}

/* --- leaving ------------------------------------------------------------------------------------
 */

static struct bh_udp *of_source(const struct bh_inlets *all, const struct bh_source *source)
{
	struct bh_udp *u = all->udp;

	while (u && u->in.source != source)
		u = u->next;
	return u;
}

bool bh_udp_has(const struct bh_inlets *all, const struct bh_source *source)
{
	return of_source(all, source) != NULL;
}

int bh_udp_leave(struct bh_inlets *all, const struct bh_source *source, struct bh_source *heir)
{
	struct bh_udp *u = of_source(all, source), *next;
	int fd, rc;

	u->in.leaving = true;
	stop(u);
	if (!heir)
		return 0;
	/* What is in the socket is the heir's; drops that were not told yet are ours. */
	note_drops(u, bh_kernel_drops_ask(&u->drops, u->port.fd));
	flush_peers(u);
	fd = u->port.fd;
	u->port.fd = -1;
	rc = bh_udp_add(all, heir, fd);
	if (rc)
		return rc;
	next = of_source(all, heir);
	next->drops = u->drops;
	start(next);
	return 0;
}

void bh_udp_go_on_leaving(struct bh_inlets *all)
{
	struct bh_udp **at = &all->udp;

	while (*at) {
		struct bh_udp *u = *at;

		if (!u->in.leaving || !drain_source(u)) {
			at = &u->next;
			continue;
		}
		u->in.source->busy = false;
		*at = u->next;
		free_one(u);
	}
}
