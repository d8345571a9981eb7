/*
 * The Agent's capture format of DogStatsD packets (spec/dogstatsd.md §14), version 3:
 *
 *   8 bytes head; records: u32 length, then protobuf {1 timestamp in ns, 2 payload size, 3 payload,
 *   4 pid, 5 ancillary size, 6 ancillary}; the end: u32 0, a tagger state (empty here), its u32
 *   length. All integers little-endian. Timestamps of earlier versions are seconds.
 */
#ifndef BH_PROTO_CAPTURE_H
#define BH_PROTO_CAPTURE_H

#include <stdint.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "common/str.h"

#define BH_CAPTURE_PACKET_MAX ((size_t)1 << 20)

/* Appends. 0 or the error of the buffer. */
int bh_capture_put_head(struct bh_buf *out);
/* pid: of the sender; 0 = unknown, not written. */
int bh_capture_put_packet(struct bh_buf *out, int64_t wall_ns, int32_t pid, struct bh_str payload);
int bh_capture_put_end(struct bh_buf *out);

struct bh_capture_reader {
	struct bh_cur cur;
	int version;
};

struct bh_captured {
	int64_t wall_ns;
	int32_t pid;           /* of the sender; 0 = not recorded */
	struct bh_str payload; /* borrows from the input */
};

/* begin: 0 or BH_E_FORMAT. next: 1 = *p filled, 0 = end (also one that was cut off between two
 * records), BH_E_FORMAT = malformed. */
int bh_capture_begin(struct bh_capture_reader *r, const void *p, size_t n) BH_MUST_CHECK;
int bh_capture_next(struct bh_capture_reader *r, struct bh_captured *p) BH_MUST_CHECK;

#endif
