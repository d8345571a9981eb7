/* Frames of a syslog connection depend on the bytes only, and count them all; what a frame says
 * never points out of it. */
#include <stdint.h>
#include <stdlib.h>

#include "common/crc.h"
#include "logs-agent/syslog.h"
#include "logs-agent/syslog_framer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	uint64_t sum;
	size_t raw, limit;
};

static void parse(struct bh_str frame)
{
	struct bh_syslog s = bh_syslog_parse(frame);

	if (s.status >= BH_STATUS__N || s.app.n > frame.n)
		abort();
	if (s.app.n && (s.app.p <= frame.p || s.app.p + s.app.n > frame.p + frame.n))
		abort();
}

static int note(void *ctx, const struct bh_frame *f)
{
	struct seen *s = ctx;

	if (f->content.n > s->limit || f->raw < f->content.n || (f->cut && f->content.n < s->limit))
		abort();
	s->sum = bh_crc64(s->sum, f->content.p, f->content.n);
	s->sum = bh_crc64(s->sum, &f->raw, sizeof(f->raw));
	s->sum = bh_crc64(s->sum, &f->cut, sizeof(f->cut));
	s->raw += f->raw;
	parse(f->content);
	return 0;
}

static struct seen frames(const uint8_t *p, size_t n, size_t limit, size_t step)
{
	struct bh_syslog_framer f;
	struct seen s = {.limit = limit};

	bh_syslog_framer_init(&f, limit);
	for (size_t at = 0; at < n; at += step) {
		if (bh_syslog_framer_feed(
			&f, (const char *)p + at, n - at < step ? n - at : step, note, &s))
			abort();
		if (f.rest.len > limit)
			abort();
	}
	if (bh_syslog_framer_end(&f, note, &s))
		abort();
	s.raw += bh_syslog_framer_waiting(&f);
	bh_syslog_framer_release(&f);
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole, parts;
	size_t limit;

	if (size < 2)
		return 0;
	limit = data[0] + 1u;
	parse((struct bh_str){(const char *)data + 2, size - 2});
	whole = frames(data + 2, size - 2, limit, size);
	parts = frames(data + 2, size - 2, limit, data[1] % 17 + 1u);
	if (whole.sum != parts.sum || whole.raw != size - 2 || parts.raw != size - 2)
		abort();
	return 0;
}
