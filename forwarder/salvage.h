/*
 * Copies what can be read of a damaged spool.db into a new store (spec/durability.md §10.2, §10.3):
 * payloads whose body passes its checksum with the destinations they are owed to, the registry as
 * far as it is proven, the times of the sources' scans.
 *
 * Producers' marks are not taken over: one that is older than what its producer knows would hold
 * that producer up for ever. It greets as new, and resumes from the registry.
 *
 * Bounded: memory by one payload and the registry; time by deadline_ns; the disk by max_bytes and
 * by what is free. Rows that did not fit stay in the old file and count as lost.
 */
#ifndef BH_FORWARDER_SALVAGE_H
#define BH_FORWARDER_SALVAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/clock.h"
#include "common/rng.h"
#include "forwarder/salvage_read.h"

struct bh_salvage_config {
	const struct bh_clock *clock;
	struct bh_rng *rng;
	int64_t deadline_ns; /* mono */
	uint64_t max_bytes;  /* of the new store */
	int64_t lost_ms;     /* wall, last write of the old file: no scan was later */
	bool rows;           /* false: positions only */
};

struct bh_salvage_class {
	char key[BH_SALVAGE_KEY];
	uint64_t rows, lost;
};

struct bh_salvage_report {
	bool readable;       /* the file could be opened at all */
	bool rows_uncertain; /* more may have been lost than is counted */
	bool registry_whole; /* every registry row and every source was read */
	bool late, no_room;  /* ended early, and why */
	struct bh_salvage_class dests[BH_SALVAGE_DESTS];
	size_t dests_n;
	uint64_t rows, lost;
	uint64_t positions, refused; /* refused: registry rows that say no position */
	uint64_t moved_back, bytes_back;
};

/* 0 also when nothing could be read; an error of the new store, which is then of no use. */
int bh_salvage(const char *path, struct bh_store *to, const struct bh_salvage_config *cfg,
    struct bh_salvage_report *out) BH_MUST_CHECK;

#endif
