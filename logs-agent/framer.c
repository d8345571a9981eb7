#include "logs-agent/framer.h"

#include <string.h>

#define KEEP ((size_t)16 << 10) /* of the rest's memory, for each of hundreds of files */

static size_t width(enum bh_unit unit)
{
	return unit == BH_UNIT_BYTE ? 1 : 2;
}

void bh_framer_init(struct bh_framer *f, enum bh_unit unit, size_t limit)
{
	size_t w = width(unit);

	limit = BH_MIN(limit, BH_FRAMER_LIMIT_MAX);
	*f = (struct bh_framer){unit, BH_MAX(limit - limit % w, w), BH_BUF_INIT};
}

void bh_framer_release(struct bh_framer *f)
{
	bh_buf_release(&f->rest);
}

struct bh_str bh_frame_terminator(enum bh_unit unit, const struct bh_frame *frame)
{
	static const char *const texts[] = {
	    [BH_UNIT_BYTE] = "\n", [BH_UNIT_UTF16_LE] = "\n\0", [BH_UNIT_UTF16_BE] = "\0\n"};

	return (struct bh_str){texts[unit], frame->raw - frame->content.n};
}

static bool is_terminator(enum bh_unit unit, const char *p)
{
	switch (unit) {
	case BH_UNIT_BYTE:
		return p[0] == '\n';
	case BH_UNIT_UTF16_LE:
		return p[0] == '\n' && p[1] == '\0';
	case BH_UNIT_UTF16_BE:
		return p[0] == '\0' && p[1] == '\n';
	}
	return false;
}

/* The first terminator in whole units of p, or NULL. p is aligned. */
static const char *find(enum bh_unit unit, const char *p, size_t n)
{
	const char *from = p, *end = p + n - n % width(unit);

	if (unit == BH_UNIT_BYTE)
		return memchr(p, '\n', n);
	while (from < end) {
		const char *nl = memchr(from, '\n', (size_t)(end - from));
		const char *start;

		if (!nl)
			return NULL;
		start = nl - (nl - p) % 2;
		if (is_terminator(unit, start))
			return start;
		from = nl + 1;
	}
	return NULL;
}

/* The first `content` bytes of the rest and its terminator, as a frame; keeps what is behind. */
static int emit_rest(struct bh_framer *f, struct bh_frame frame, bh_frame_fn *fn, void *ctx)
{
	struct bh_buf *rest = &f->rest;
	int rc;

	frame.content.p = rest->data;
	rc = fn(ctx, &frame);
	rest->len -= frame.raw;
	if (rest->len)
		memmove(rest->data, rest->data + frame.raw, rest->len);
	else if (rest->cap > KEEP)
		bh_buf_release(rest);
	return rc;
}

/* n bytes that belong to the rest make it a frame; one that is whole in the input goes out without
 * a copy. terminator: bytes of n at its end. */
static int emit(struct bh_framer *f, const char *p, size_t n, size_t terminator, bool cut,
    bh_frame_fn *fn, void *ctx)
{
	size_t raw = f->rest.len + n;
	struct bh_frame frame = {{p, raw - terminator}, raw, cut};
	int rc;

	if (f->rest.len == 0)
		return fn(ctx, &frame);
	rc = bh_buf_append(&f->rest, p, n);
	return rc ? rc : emit_rest(f, frame, fn, ctx);
}

/* The second half of a UTF-16 unit whose first half an earlier read left at the end of the rest. */
static int complete_unit(struct bh_framer *f, const char *p, bh_frame_fn *fn, void *ctx)
{
	int rc = bh_buf_append(&f->rest, p, 1);
	size_t len = f->rest.len;

	if (rc)
		return rc;
	if (is_terminator(f->unit, f->rest.data + len - 2))
		return emit_rest(f, (struct bh_frame){{NULL, len - 2}, len, false}, fn, ctx);
	if (len > f->limit)
		return emit_rest(f, (struct bh_frame){{NULL, len - 2}, len - 2, true}, fn, ctx);
	return 0;
}

/* A part of the input that begins at a whole unit; *taken is how much of it is settled. */
static int take(
    struct bh_framer *f, const char *p, size_t n, size_t *taken, bh_frame_fn *fn, void *ctx)
{
	size_t w = width(f->unit), room = f->limit - f->rest.len;
	const char *end;

	/* What stands further on belongs to a later frame, and is looked at then. */
	n = BH_MIN(n, room + w);
	end = find(f->unit, p, n);
	if (end) {
		*taken = (size_t)(end - p) + w;
		return emit(f, p, *taken, w, false, fn, ctx);
	}
	if (n == room + w) {
		*taken = room;
		return emit(f, p, room, 0, true, fn, ctx);
	}
	*taken = n;
	return bh_buf_append(&f->rest, p, n);
}

int bh_framer_feed(struct bh_framer *f, const char *p, size_t n, bh_frame_fn *fn, void *ctx)
{
	int rc = 0;

	while (n && !rc) {
		size_t taken = 1;

		if (f->rest.len % width(f->unit))
			rc = complete_unit(f, p, fn, ctx);
		else
			rc = take(f, p, n, &taken, fn, ctx);
		p += taken;
		n -= taken;
	}
	return rc;
}

int bh_framer_end(struct bh_framer *f, bh_frame_fn *fn, void *ctx)
{
	size_t len = f->rest.len;
	int rc = 0;

	if (len > f->limit)
		rc = emit_rest(f, (struct bh_frame){{NULL, f->limit}, f->limit, true}, fn, ctx);
	len = f->rest.len;
	if (len && !rc)
		rc = emit_rest(f, (struct bh_frame){{NULL, len}, len, false}, fn, ctx);
	return rc;
}
