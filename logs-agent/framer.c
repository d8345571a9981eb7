#include "logs-agent/framer.h"

#include <string.h>

void bh_framer_init(struct bh_framer *f, size_t limit)
{
	*f = (struct bh_framer){limit, BH_BUF_INIT};
}

void bh_framer_release(struct bh_framer *f)
{
	bh_buf_release(&f->rest);
}

static int emit_rest(struct bh_framer *f, size_t terminator, bool cut, bh_frame_fn *fn, void *ctx)
{
	const struct bh_frame frame = {bh_buf_view(&f->rest), f->rest.len + terminator, cut};
	int rc = fn(ctx, &frame);

	bh_buf_clear(&f->rest);
	return rc;
}

/* A line that is whole in the input goes out without a copy. */
static int line(struct bh_framer *f, const char *p, size_t n, bh_frame_fn *fn, void *ctx)
{
	const struct bh_frame frame = {{p, n}, n + 1, false};
	int rc;

	if (f->rest.len == 0)
		return fn(ctx, &frame);
	rc = bh_buf_append(&f->rest, p, n);
	return rc ? rc : emit_rest(f, 1, false, fn, ctx);
}

int bh_framer_feed(struct bh_framer *f, const char *p, size_t n, bh_frame_fn *fn, void *ctx)
{
	int rc = 0;

	while (n && !rc) {
		const char *nl = memchr(p, '\n', n);
		size_t segment = nl ? (size_t)(nl - p) : n;
		size_t taken;

		if (f->rest.len + segment > f->limit) {
			/* There is at least one byte beyond the limit: this frame continues. */
			taken = f->limit - f->rest.len;
			rc = bh_buf_append(&f->rest, p, taken);
			if (!rc)
				rc = emit_rest(f, 0, true, fn, ctx);
		} else if (nl) {
			taken = segment + 1;
			rc = line(f, p, segment, fn, ctx);
		} else {
			taken = segment;
			rc = bh_buf_append(&f->rest, p, segment);
		}
		p += taken;
		n -= taken;
	}
	return rc;
}

int bh_framer_end(struct bh_framer *f, bh_frame_fn *fn, void *ctx)
{
	return f->rest.len ? emit_rest(f, 0, false, fn, ctx) : 0;
}
