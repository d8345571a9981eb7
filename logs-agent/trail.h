/*
 * The bytes just before a position, as they were read: what a tail marker is made of (spec/logs.md
 * §4.2). A marker taken from the file again could bless content that was replaced meanwhile.
 *
 * A tailer reads ahead of what it has turned into messages. The trail follows the position of the
 * messages: it keeps the bytes of lines that are still held by a joiner or an aggregator, and 256
 * bytes before them; while nothing is held it copies no more than those 256.
 */
#ifndef BH_LOGS_TRAIL_H
#define BH_LOGS_TRAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/buf.h"

#define BH_MARKER_MAX 256

/* Last bytes before a position: at most BH_MARKER_MAX. */
struct bh_window {
	char bytes[BH_MARKER_MAX];
	size_t n;
};

void bh_window_add(struct bh_window *w, const char *p, size_t n);
/* Do its last len bytes have this hash? A marker without bytes fits everything. */
bool bh_window_has(const struct bh_window *w, uint32_t marker_len, uint64_t marker_hash);

struct bh_trail {
	struct bh_window window; /* before the held bytes */
	struct bh_buf held;
	size_t from;          /* held bytes before this index are done with */
	struct bh_str now[2]; /* the frame that is being fed: content and terminator */
	size_t now_done;      /* of its bytes */
};

void bh_trail_release(struct bh_trail *t);

/* A frame begins: its bytes, borrowed until bh_trail_end(). Then messages come, each moving the
 * position by its raw length; at the end what is left of the frame is kept. The sum of done must
 * not pass what was fed. end: 0, -ENOMEM or BH_E_LIMIT. */
void bh_trail_begin(struct bh_trail *t, struct bh_str content, struct bh_str terminator);
void bh_trail_done(struct bh_trail *t, uint64_t n);
int bh_trail_end(struct bh_trail *t) BH_MUST_CHECK;

/* Between begin and end as well: the bytes before the position. */
void bh_trail_window(const struct bh_trail *t, struct bh_window *out);

#endif
