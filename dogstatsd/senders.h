/*
 * Who sends (spec/dogstatsd.md §2.2, §16.5): the credentials that the kernel attaches to packets of
 * Unix sockets, counted by process. Asked for with dogstatsd_origin_detection. This process opens
 * no file, so a pid is not looked up any further here; nothing is ever dropped for its sender.
 *
 * Bounded: BH_SENDERS_MAX processes; of those that share a set the one silent longest makes room.
 */
#ifndef BH_DOGSTATSD_SENDERS_H
#define BH_DOGSTATSD_SENDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "common/attrs.h"

#define BH_SENDERS_MAX  1024
#define BH_SENDERS_WAYS 4 /* rows of a set */

struct bh_sender {
	pid_t pid; /* 0 = in a foreign pid namespace */
	uid_t uid;
};

struct bh_sender_row {
	struct bh_sender from;
	uint64_t packets, bytes; /* packets 0 = unused */
	int64_t last_seen;       /* Unix seconds */
};

struct bh_senders {
	struct bh_sender_row
	    *rows;          /* owned, BH_SENDERS_MAX; NULL = credentials are not asked for */
	uint64_t foreign;   /* packets of senders without a pid here */
	uint64_t forgotten; /* packets of rows that made room for others */
};

int bh_senders_init(struct bh_senders *s) BH_MUST_CHECK; /* -ENOMEM */
void bh_senders_release(struct bh_senders *s);           /* harmless on a zeroed struct */

void bh_senders_note(struct bh_senders *s, const struct bh_sender *from, size_t bytes, int64_t now);

/* Fills out with the senders of the most packets, most first; returns how many (at most cap). */
size_t bh_senders_top(const struct bh_senders *s, struct bh_sender_row *out, size_t cap);

/* The credentials among what came with a datagram; false when there are none. */
bool bh_sender_of(const struct msghdr *h, struct bh_sender *from);
/* Of the peer of a connection. */
bool bh_sender_of_peer(int fd, struct bh_sender *from);

#endif
