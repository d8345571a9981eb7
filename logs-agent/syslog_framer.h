/*
 * Frames of a syslog connection (spec/logs.md §11.4). A frame that begins with 1 to 9 is counted:
 * up to nine digits, one blank, that many bytes, newlines among them; one LF or NUL that comes next
 * is skipped. Everything else, digits without a blank included, goes up to LF or NUL. A frame
 * longer than the limit is cut as in framer.h: pieces of exactly the limit, all but the last
 * flagged.
 *
 * The frames depend on the bytes only, never on how reads split them. The raw length counts what
 * was taken off: the count, the LF or NUL at the end, the one skipped before. The sum of raw
 * lengths is the number of bytes fed, less what waits (bh_syslog_framer_waiting).
 *
 * Memory: at most limit bytes wait; that of a long frame goes back. A count allocates nothing.
 */
#ifndef BH_LOGS_SYSLOG_FRAMER_H
#define BH_LOGS_SYSLOG_FRAMER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "logs-agent/framer.h"

#define BH_SYSLOG_DIGITS 9

struct bh_syslog_framer {
	size_t limit;
	enum bh_syslog_state {
		BH_SYSLOG_START,   /* at the first byte of a frame */
		BH_SYSLOG_COUNT,   /* in the digits of a count */
		BH_SYSLOG_COUNTED, /* in a frame of `want` more bytes */
		BH_SYSLOG_BEHIND,  /* right behind a counted frame */
		BH_SYSLOG_LINE,    /* in a frame up to LF or NUL */
	} state;
	char digits[BH_SYSLOG_DIGITS + 1];
	size_t digits_n;
	size_t want;
	size_t lead;        /* bytes taken off that the next frame's raw length counts */
	struct bh_buf rest; /* unfinished frame */
};

/* limit: bytes, taken as 1 when it is 0, and as BH_FRAMER_LIMIT_MAX when it is more. */
void bh_syslog_framer_init(struct bh_syslog_framer *f, size_t limit);
void bh_syslog_framer_release(struct bh_syslog_framer *f);
/* Calls fn for each frame that is complete. Stops at the first error, of fn or -ENOMEM; then the
 * framer is good for nothing but release. */
int bh_syslog_framer_feed(
    struct bh_syslog_framer *f, const char *p, size_t n, bh_frame_fn *fn, void *ctx) BH_MUST_CHECK;
/* The unfinished frame, as far as it came, as a last one; nothing when it has no byte yet. */
int bh_syslog_framer_end(struct bh_syslog_framer *f, bh_frame_fn *fn, void *ctx) BH_MUST_CHECK;

/* Bytes fed that no frame has counted. */
size_t bh_syslog_framer_waiting(const struct bh_syslog_framer *f);

#endif
