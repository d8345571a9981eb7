#include "logs-agent/trail.h"

#include "common/crc.h"

#include <string.h>

#define KEEP_BYTES ((size_t)4 << 10) /* memory of a tailer at rest */

void bh_window_add(struct bh_window *w, const char *p, size_t n)
{
	size_t keep;

	if (n == 0)
		return;
	if (n >= BH_MARKER_MAX) {
		memcpy(w->bytes, p + n - BH_MARKER_MAX, BH_MARKER_MAX);
		w->n = BH_MARKER_MAX;
		return;
	}
	keep = BH_MIN(w->n, BH_MARKER_MAX - n);
	memmove(w->bytes, w->bytes + w->n - keep, keep);
	memcpy(w->bytes + keep, p, n);
	w->n = keep + n;
}

bool bh_window_has(const struct bh_window *w, uint32_t marker_len, uint64_t marker_hash)
{
	if (marker_len == 0 || marker_len > w->n)
		return marker_len == 0;
	return bh_crc64(0, w->bytes + w->n - marker_len, marker_len) == marker_hash;
}

void bh_trail_release(struct bh_trail *t)
{
	bh_buf_release(&t->held);
}

void bh_trail_begin(struct bh_trail *t, struct bh_str content, struct bh_str terminator)
{
	t->now[0] = content;
	t->now[1] = terminator;
	t->now_done = 0;
}

void bh_trail_done(struct bh_trail *t, uint64_t n)
{
	size_t held = (size_t)BH_MIN(n, (uint64_t)(t->held.len - t->from));

	t->from += held;
	t->now_done += (size_t)(n - held);
}

/* Bytes of the frame from..to, in one or two pieces. */
static int each_piece(const struct bh_trail *t, size_t from, size_t to,
    int (*fn)(void *to, struct bh_str piece), void *arg)
{
	size_t at = 0;
	int rc = 0;

	for (int i = 0; i < 2 && !rc; i++) {
		size_t begin = BH_MAX(from, at), end = BH_MIN(to, at + t->now[i].n);

		if (begin < end)
			rc = fn(arg, (struct bh_str){t->now[i].p + (begin - at), end - begin});
		at += t->now[i].n;
	}
	return rc;
}

static int to_window(void *w, struct bh_str piece)
{
	bh_window_add(w, piece.p, piece.n);
	return 0;
}

static int to_buf(void *b, struct bh_str piece)
{
	return bh_buf_append(b, piece.p, piece.n);
}

/* What is done with leaves the buffer, once that pays. */
static void compact(struct bh_trail *t)
{
	if (t->from == 0 || (t->from < t->held.len && t->from < t->held.len / 2))
		return;
	bh_window_add(&t->window, t->held.data, t->from);
	memmove(t->held.data, t->held.data + t->from, t->held.len - t->from);
	t->held.len -= t->from;
	t->from = 0;
	if (t->held.len == 0 && t->held.cap > KEEP_BYTES)
		bh_buf_release(&t->held);
}

int bh_trail_end(struct bh_trail *t)
{
	size_t total = t->now[0].n + t->now[1].n;
	int rc = 0;

	compact(t);
	if (t->held.len == 0) {
		(void)each_piece(t, 0, t->now_done, to_window, &t->window);
		rc = each_piece(t, t->now_done, total, to_buf, &t->held);
	} else {
		rc = each_piece(t, 0, total, to_buf, &t->held);
		t->from += t->now_done;
	}
	bh_trail_begin(t, (struct bh_str){NULL, 0}, (struct bh_str){NULL, 0});
	return rc;
}

void bh_trail_window(const struct bh_trail *t, struct bh_window *out)
{
	*out = t->window;
	bh_window_add(out, t->held.data, t->from);
	(void)each_piece(t, 0, t->now_done, to_window, out);
}
