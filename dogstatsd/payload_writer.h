/*
 * The splitting writer (spec/intake.md §10.2): takes entries one after the other, compresses while
 * it goes, and closes a payload before a limit would be passed. No payload it emits breaks a limit.
 */
#ifndef BH_DOGSTATSD_PAYLOAD_WRITER_H
#define BH_DOGSTATSD_PAYLOAD_WRITER_H

#include "common/config.h"
#include "dogstatsd/compressor.h"
#include "dogstatsd/payload.h"

struct bh_payload_limits {
	size_t compressed, raw; /* bytes */
	uint32_t points;        /* 0 = no limit */
};

/* Takes the payload. */
typedef void bh_payload_emit_fn(void *ctx, struct bh_payload *p);

struct bh_payload_writer {
	struct bh_compressor compressor;
	struct bh_payload_limits series, sketches;
	bh_payload_emit_fn *emit;
	void *ctx;
	/* points that became no payload, since the start */
	uint64_t too_big; /* entries that exceed a limit alone */
	uint64_t lost;    /* no memory */
	/* the payload being written */
	enum bh_kind kind;
	bool open;
	uint32_t items;
	uint64_t raw;
	unsigned flushes;
};

/* Encoding and limits from the serializer options; an unknown compressor means none. */
void bh_payload_writer_init(
    struct bh_payload_writer *w, const struct bh_config *cfg, bh_payload_emit_fn *emit, void *ctx);
void bh_payload_writer_release(struct bh_payload_writer *w); /* an open payload is thrown away */

/* Limits in force for the kind. */
const struct bh_payload_limits *bh_payload_writer_limits(
    const struct bh_payload_writer *w, enum bh_kind kind);

/* kind: BH_KIND_SERIES_V2 or BH_KIND_SKETCHES; what follows until finish is of it. */
void bh_payload_writer_begin(struct bh_payload_writer *w, enum bh_kind kind);
/* entry: framed (tag, length, message); points <= the limit of points. What cannot be written is
 * counted in too_big or lost. */
void bh_payload_writer_add(struct bh_payload_writer *w, struct bh_str entry, uint32_t points);
/* Emits what is open, and gives memory back. */
void bh_payload_writer_finish(struct bh_payload_writer *w);

#endif
