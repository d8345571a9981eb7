/* Frames depend on the bytes only, never on how reads split them; no byte is lost or counted twice.
 */
#include <stdint.h>
#include <stdlib.h>

#include "common/crc.h"
#include "logs-agent/framer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	uint64_t sum; /* of frames, in order */
	size_t raw;
	size_t limit;
};

static int note(void *ctx, const struct bh_frame *f)
{
	struct seen *s = ctx;

	if (f->content.n > s->limit || f->raw < f->content.n)
		abort();
	s->sum = bh_crc64(s->sum, f->content.p, f->content.n);
	s->sum = bh_crc64(s->sum, &f->raw, sizeof(f->raw));
	s->sum = bh_crc64(s->sum, &f->cut, sizeof(f->cut));
	s->raw += f->raw;
	return 0;
}

static struct seen frames(const uint8_t *p, size_t n, size_t limit, size_t step)
{
	struct seen s = {.limit = limit};
	struct bh_framer f;

	bh_framer_init(&f, limit);
	for (size_t at = 0; at < n; at += step) {
		size_t part = n - at < step ? n - at : step;

		if (bh_framer_feed(&f, (const char *)p + at, part, note, &s))
			abort();
	}
	if (bh_framer_end(&f, note, &s))
		abort();
	bh_framer_release(&f);
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole, parts;
	size_t limit, step;

	if (size < 2)
		return 0;
	limit = data[0] + 1u;
	step = data[1] % 17 + 1u;
	whole = frames(data + 2, size - 2, limit, size);
	parts = frames(data + 2, size - 2, limit, step);
	if (whole.sum != parts.sum || whole.raw != size - 2 || parts.raw != size - 2)
		abort();
	return 0;
}
