/* Container files, from bytes to lines: docker and cri parsers behind the framer, the joiner behind
 * them. No line is refused; lines do not depend on how reads split the bytes; the raw lengths of
 * the lines are the bytes, and never run ahead of a piece that waits. */
#include <stdint.h>
#include <stdlib.h>

#include "common/crc.h"
#include "logs-agent/cri.h"
#include "logs-agent/docker.h"
#include "logs-agent/framer.h"
#include "logs-agent/joiner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
	bool docker;
	struct bh_joiner joiner;
	struct bh_buf text;
	uint64_t sum;
	uint64_t raw;
};

static int note(void *ctx, const struct bh_line *line)
{
	struct run *r = ctx;

	r->sum = bh_crc64(r->sum, line->content.p, line->content.n);
	r->sum = bh_crc64(r->sum, &line->raw, sizeof(line->raw));
	r->sum = bh_crc64(r->sum, &line->status, sizeof(line->status));
	r->sum = bh_crc64(r->sum, &line->cut, sizeof(line->cut));
	r->raw += line->raw;
	return 0;
}

static int on_frame(void *ctx, const struct bh_frame *f)
{
	struct run *r = ctx;
	struct bh_piece piece;

	if (!r->docker)
		piece = bh_cri_parse(f->content);
	else if (bh_docker_parse(&r->text, f->content, &piece))
		abort();
	if (piece.content.n > f->content.n) /* decoding never makes it longer */
		abort();
	if (bh_joiner_put(&r->joiner, &piece, f->raw, f->cut, note, r))
		abort();
	for (int s = 0; s < BH_STREAM__N; s++) {
		if (r->joiner.streams[s].open && r->joiner.streams[s].start < r->raw)
			abort();
	}
	return 0;
}

static struct run lines(bool docker, size_t limit, const uint8_t *p, size_t n, size_t step)
{
	struct run r = {.docker = docker};
	struct bh_framer f;

	bh_framer_init(&f, BH_UNIT_BYTE, limit);
	bh_joiner_init(&r.joiner, limit);
	for (size_t at = 0; at < n; at += step) {
		if (bh_framer_feed(
			&f, (const char *)p + at, n - at < step ? n - at : step, on_frame, &r))
			abort();
	}
	if (bh_framer_end(&f, on_frame, &r) || bh_joiner_flush(&r.joiner, note, &r))
		abort();
	bh_framer_release(&f);
	bh_joiner_release(&r.joiner);
	bh_buf_release(&r.text);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run whole, parts;
	size_t limit;

	if (size < 3)
		return 0;
	limit = data[1] ? 4u * data[1] : 900000;
	whole = lines(data[0] & 1, limit, data + 3, size - 3, size);
	parts = lines(data[0] & 1, limit, data + 3, size - 3, data[2] % 31 + 1u);
	if (whole.sum != parts.sum || whole.raw != size - 3 || parts.raw != size - 3)
		abort();
	return 0;
}
