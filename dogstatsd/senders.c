#include "dogstatsd/senders.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MIX 0x9E3779B1u /* spreads pids, which come in runs */

int bh_senders_init(struct bh_senders *s)
{
	*s = (struct bh_senders){.rows = calloc(BH_SENDERS_MAX, sizeof(*s->rows))};
	return s->rows ? 0 : -ENOMEM;
}

void bh_senders_release(struct bh_senders *s)
{
	free(s->rows);
	*s = (struct bh_senders){0};
}

/* Its row, or the one that makes room for it. */
static struct bh_sender_row *row_of(struct bh_senders *s, const struct bh_sender *from)
{
	uint32_t set = ((uint32_t)from->pid * MIX) >> 24;
	struct bh_sender_row *way = s->rows + (size_t)set * BH_SENDERS_WAYS, *oldest = way;

	for (int i = 0; i < BH_SENDERS_WAYS; i++, way++) {
		if (way->packets && way->from.pid == from->pid && way->from.uid == from->uid)
			return way;
		if (!way->packets || (oldest->packets && way->last_seen < oldest->last_seen))
			oldest = way;
	}
	return oldest;
}

void bh_senders_note(struct bh_senders *s, const struct bh_sender *from, size_t bytes, int64_t now)
{
	struct bh_sender_row *row = row_of(s, from);

	if (row->packets && (row->from.pid != from->pid || row->from.uid != from->uid)) {
		s->forgotten += row->packets;
		*row = (struct bh_sender_row){.packets = 0};
	}
	row->from = *from;
	row->packets++;
	row->bytes += bytes;
	row->last_seen = now;
	s->foreign += from->pid == 0;
}

static int by_packets(const void *va, const void *vb)
{
	const struct bh_sender_row *a = va, *b = vb;

	if (a->packets != b->packets)
		return a->packets < b->packets ? 1 : -1;
	return (a->from.pid > b->from.pid) - (a->from.pid < b->from.pid);
}

size_t bh_senders_top(const struct bh_senders *s, struct bh_sender_row *out, size_t cap)
{
	struct bh_sender_row all[BH_SENDERS_MAX];
	size_t n = 0;

	if (!s->rows)
		return 0;
	memcpy(all, s->rows, sizeof(all));
	qsort(all, BH_SENDERS_MAX, sizeof(*all), by_packets);
	while (n < cap && n < BH_SENDERS_MAX && all[n].packets) {
		out[n] = all[n];
		n++;
	}
	return n;
}

bool bh_sender_of(const struct msghdr *h, struct bh_sender *from)
{
	struct msghdr *m = (struct msghdr *)(uintptr_t)h; /* the macros lack a const */

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		struct ucred cred;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS ||
		    c->cmsg_len < CMSG_LEN(sizeof(cred)))
			continue;
		memcpy(&cred, CMSG_DATA(c), sizeof(cred));
		*from = (struct bh_sender){cred.pid, cred.uid};
		return true;
	}
	return false;
}

bool bh_sender_of_peer(int fd, struct bh_sender *from)
{
	struct ucred cred;
	socklen_t n = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) < 0 || n != sizeof(cred))
		return false;
	*from = (struct bh_sender){cred.pid, cred.uid};
	return true;
}
