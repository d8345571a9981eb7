/*
 * From bytes to lines (spec/logs.md §6.1): a line ends at 0x0A; one longer than the limit is cut
 * into frames of exactly the limit, the last of which is not flagged. The frames depend on the
 * bytes only, never on how reads split them. The sum of raw lengths is the number of bytes fed,
 * less what waits.
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

typedef int bh_frame_fn(void *ctx, const struct bh_frame *frame);

struct bh_framer {
	size_t limit;
	struct bh_buf rest; /* unfinished line, at most limit bytes */
};

void bh_framer_init(struct bh_framer *f, size_t limit);
void bh_framer_release(struct bh_framer *f);
/* Calls fn for each frame that is complete. Stops at the first error, of fn or -ENOMEM. */
int bh_framer_feed(
    struct bh_framer *f, const char *p, size_t n, bh_frame_fn *fn, void *ctx) BH_MUST_CHECK;
/* The unfinished line as a last frame (a file's end); nothing when there is none. */
int bh_framer_end(struct bh_framer *f, bh_frame_fn *fn, void *ctx) BH_MUST_CHECK;

#endif
