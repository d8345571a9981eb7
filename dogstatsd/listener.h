/*
 * One inherited datagram socket (UDP or Unix), read in batches (spec/dogstatsd.md §2, §13.4). The
 * socket was bound by the supervisor and outlives this process; nothing here closes its queue.
 *
 * Datagrams longer than the buffer, and those the kernel had to throw away, are counted in the
 * listener's ledger row (one sample each: what was in them nobody knows).
 */
#ifndef BH_DOGSTATSD_LISTENER_H
#define BH_DOGSTATSD_LISTENER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/kernel_drops.h"
#include "common/ledger.h"
#include "common/loop.h"
#include "dogstatsd/ingest.h"
#include "dogstatsd/open_samples.h"
#include "dogstatsd/tap.h"

/* Receive buffers, shared by the listeners of a process. Owns its memory; pages are touched only as
 * far as batches fill. */
struct bh_batch {
	struct mmsghdr *messages;
	struct iovec *iov;
	char *control;
	char *data;
	size_t size; /* bytes per datagram: dogstatsd_buffer_size */
	unsigned n;  /* datagrams per call */
};

int bh_batch_init(struct bh_batch *b, size_t size) BH_MUST_CHECK; /* -ENOMEM */
void bh_batch_release(struct bh_batch *b);

struct bh_listener {
	struct bh_watch watch; /* for the owner: first, so that a watch leads to its listener */
	int fd;                /* owned; -1 = none */
	const char *name;      /* "udp:…", "uds:…"; borrowed */
	bool is_unix;
	bool eol_required;
	bool ended;         /* the supervisor shut the socket down and the queue is empty */
	void *owner;        /* for the watch's callback */
	struct bh_tap *tap; /* borrowed; NULL = none */
	struct bh_ledger ledger;
	struct bh_open_samples open;
	uint64_t datagrams, bytes, read_errors, truncated, kernel_drops;
	struct bh_kernel_drops drops;
};

/* Takes fd. first_incarnation: the socket's drops so far are ours to report; otherwise they were
 * reported by a predecessor. */
void bh_listener_init(
    struct bh_listener *l, int fd, const char *name, bool eol_required, bool first_incarnation);
void bh_listener_release(struct bh_listener *l);

/* Reads at most one batch. Datagrams read (less than b->n: none are left now); 0 = would block or
 * ended; negative: -errno, reading on is pointless (transient errors are counted and give 0). */
int bh_listener_read(struct bh_listener *l, struct bh_batch *b, struct bh_ingest *in, int64_t now,
    struct bh_bad_line *bad) BH_MUST_CHECK;

/* Asks the kernel for drops that no later datagram has reported yet. */
void bh_listener_update_drops(struct bh_listener *l);

#endif
