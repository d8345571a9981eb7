/* Frames depend on the bytes only, never on how reads split them; no byte is lost or counted twice,
 * and contents and terminators are the bytes again. */
#include <stdint.h>
#include <stdlib.h>

#include "common/crc.h"
#include "logs-agent/framer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	enum bh_unit unit;
	uint64_t frames; /* checksum of frames, in order */
	uint64_t bytes;  /* checksum of contents and terminators */
	size_t raw;
	size_t limit;
};

static int note(void *ctx, const struct bh_frame *f)
{
	struct seen *s = ctx;
	struct bh_str end = bh_frame_terminator(s->unit, f);

	if (f->content.n > s->limit || f->raw < f->content.n || (f->cut && end.n) ||
	    (f->cut && f->content.n != s->limit))
		abort();
	s->frames = bh_crc64(s->frames, f->content.p, f->content.n);
	s->frames = bh_crc64(s->frames, &f->raw, sizeof(f->raw));
	s->frames = bh_crc64(s->frames, &f->cut, sizeof(f->cut));
	s->bytes = bh_crc64(s->bytes, f->content.p, f->content.n);
	s->bytes = bh_crc64(s->bytes, end.p, end.n);
	s->raw += f->raw;
	return 0;
}

static struct seen frames(
    enum bh_unit unit, const uint8_t *p, size_t n, size_t limit, size_t step, unsigned growth)
{
	struct seen s = {.unit = unit};
	struct bh_framer f;

	bh_framer_init(&f, unit, limit);
	s.limit = f.limit;
	for (size_t at = 0, part; at < n; at += part) {
		part = n - at < step ? n - at : step;
		step = (step + growth) % 23 + 1;
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
	enum bh_unit unit;
	size_t limit;

	if (size < 3)
		return 0;
	unit = (enum bh_unit)(data[0] % 3);
	limit = data[1];
	whole = frames(unit, data + 3, size - 3, limit, size, 0);
	parts = frames(unit, data + 3, size - 3, limit, data[2] % 17 + 1u, data[2]);
	if (whole.frames != parts.frames || whole.raw != size - 3 || parts.raw != size - 3 ||
	    whole.bytes != bh_crc64(0, data + 3, size - 3))
		abort();
	return 0;
}
