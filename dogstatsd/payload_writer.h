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
	struct bh_payload_limits series, general;
	bh_payload_emit_fn *emit;
	void *ctx;
	/* points that became no payload, since the start */
	uint64_t too_big; /* entries that exceed a limit alone */
	uint64_t lost;    /* no memory */
	/* the payload being written */
	enum bh_kind kind;
	struct bh_str tail; /* borrowed */
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

/* What follows until finish is of this kind; each payload ends with tail, which must live as long.
 */
void bh_payload_writer_begin(struct bh_payload_writer *w, enum bh_kind kind, struct bh_str tail);

/* What stands before an entry: `first` when it opens a payload, `next` when it follows another. */
struct bh_joint {
	struct bh_str first, next;
};

#define BH_JOINT_NONE ((struct bh_joint){{NULL, 0}, {NULL, 0}}) /* protobuf */
#define BH_TAIL_NONE  ((struct bh_str){NULL, 0})

/* entry: one whole item, framed as its kind wants; points <= the limit of points. What cannot be
 * written is counted in too_big or lost. */
void bh_payload_writer_add(
    struct bh_payload_writer *w, struct bh_joint joint, struct bh_str entry, uint32_t points);
/* Emits what is open, and gives memory back. */
void bh_payload_writer_finish(struct bh_payload_writer *w);

#endif
