/*
 * From bytes to lines (spec/logs.md §6.1): a line ends at 0x0A, in UTF-16 at that code unit aligned
 * to two bytes from the start of the line; one longer than the limit is cut into frames of exactly
 * the limit, the last of which is not flagged. The frames depend on the bytes only, never on how
 * reads split them. The sum of raw lengths is the number of bytes fed, less what waits.
 *
 * Memory: what waits is at most limit bytes, in UTF-16 one more. The memory of a long line goes
 * back once the line is out.
 */
#ifndef BH_LOGS_FRAMER_H
#define BH_LOGS_FRAMER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "common/str.h"

struct bh_frame {
	struct bh_str content; /* without terminator; borrowed until the callback returns */
	size_t raw;            /* bytes of the file it stands for */
	bool cut;              /* continues in the next frame */
};

/* An error stops the feed; the frame counts as passed on all the same. */
typedef int bh_frame_fn(void *ctx, const struct bh_frame *frame);

/* What a terminator looks like: that of UTF-8 and Shift-JIS, and the two of UTF-16. */
enum bh_unit { BH_UNIT_BYTE, BH_UNIT_UTF16_LE, BH_UNIT_UTF16_BE };

struct bh_framer {
	enum bh_unit unit;
	size_t limit;
	struct bh_buf rest; /* unfinished line; of odd length when half a UTF-16 unit waits */
};

#define BH_FRAMER_LIMIT_MAX (BH_BUF_MAX / 2)

/* limit: bytes, taken as 1 when it is 0, and as BH_FRAMER_LIMIT_MAX when it is more; in UTF-16
 * rounded down to an even number, at least 2. */
void bh_framer_init(struct bh_framer *f, enum bh_unit unit, size_t limit);
void bh_framer_release(struct bh_framer *f);
/* Calls fn for each frame that is complete. Stops at the first error, of fn or -ENOMEM; then the
 * framer is good for nothing but release. */
int bh_framer_feed(
    struct bh_framer *f, const char *p, size_t n, bh_frame_fn *fn, void *ctx) BH_MUST_CHECK;
/* The unfinished line as a last frame (a file's end); nothing when there is none. In UTF-16 two
 * frames when a full line is followed by half a unit. */
int bh_framer_end(struct bh_framer *f, bh_frame_fn *fn, void *ctx) BH_MUST_CHECK;

/* The bytes of the source behind the content: raw - content.n of them. Static. */
struct bh_str bh_frame_terminator(enum bh_unit unit, const struct bh_frame *frame);

#endif
