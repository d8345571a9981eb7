/*
 * The last lines of one role's log, in memory that the supervisor shares with each of its processes
 * (bulkheadctl tail). A line is copied in by its writer, so no pipe can run full, nobody has to
 * read along, and the last words of a process that was killed are there.
 *
 * The memory is sealed against change of its size, and all that stands in it is checked by the
 * reader: a process may write into it what it likes, and harms nothing but its own lines.
 */
#ifndef BH_COMMON_LOG_RING_H
#define BH_COMMON_LOG_RING_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/buf.h"

#define BH_LOG_RING_BYTES 16320      /* with the head, four pages */
#define BH_LOG_RING_NAME  "log-ring" /* of the descriptor, in BULKHEAD_FDS */

struct bh_log_ring {
	_Atomic uint64_t head; /* bytes ever written */
	char pad[56];
	char data[BH_LOG_RING_BYTES];
};

/* A sealed memfd; the caller owns it. -errno. */
int bh_log_ring_create(void) BH_MUST_CHECK;
/* NULL when it cannot be mapped, or is not of this size. fd stays the caller's. */
struct bh_log_ring *bh_log_ring_map(int fd);
void bh_log_ring_unmap(struct bh_log_ring *r); /* harmless for NULL */

/* One line with its newline. Two threads may write at once. Harmless for NULL. */
void bh_log_ring_put(struct bh_log_ring *r, const char *p, size_t n);

/* Appends the whole lines from position `from` on, or from the oldest that is there. Returns the
 * position behind them, for the next time. Failures stay in out. */
uint64_t bh_log_ring_read(const struct bh_log_ring *r, uint64_t from, struct bh_buf *out);

#endif
