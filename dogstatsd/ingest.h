/*
 * One datagram's way in: lines, parser, sampler; with every line and every value accounted for in
 * the ledger row of the listener it came from (unit: samples; a packed line counts each value, an
 * event, a service check and a line that is dropped count one).
 *
 * Pure but for the state it feeds: no socket, no clock, no log.
 */
#ifndef BH_DOGSTATSD_INGEST_H
#define BH_DOGSTATSD_INGEST_H

#include "common/ledger.h"
#include "dogstatsd/late.h"
#include "dogstatsd/notices.h"
#include "dogstatsd/parser.h"
#include "dogstatsd/sampler.h"

struct bh_ingest {
	struct bh_parser parser;
	struct bh_sampler *sampler; /* borrowed */
	struct bh_late *late;       /* borrowed */
	struct bh_notices *notices; /* borrowed */
	/* since the start */
	uint64_t lines;
	uint64_t parse_errors[BH_PARSE__N];
	uint64_t events, checks; /* taken */
	uint64_t ignored_fields; /* optional fields of these with a bad value */
	uint64_t unterminated, truncated;
	uint64_t nonfinite, contexts_rejected, late_unsupported;
	uint64_t filtered_lines, copies_lost;
};

/* timestamps: dogstatsd_no_aggregation_pipeline. 0 or -ENOMEM. */
int bh_ingest_init(struct bh_ingest *in, struct bh_sampler *sampler, struct bh_late *late,
    struct bh_notices *notices, bool timestamps) BH_MUST_CHECK;
void bh_ingest_release(struct bh_ingest *in);

enum bh_datagram_flags {
	BH_DATAGRAM_CUT = 1,          /* longer than the buffer: its end is missing */
	BH_DATAGRAM_EOL_REQUIRED = 2, /* dogstatsd_eol_required names this transport */
};

/* A line that did not parse, for the log; borrows from the datagram. line.p is NULL when all were
 * good. */
struct bh_bad_line {
	struct bh_str line;
	enum bh_parse_result why;
};

/* now: wall clock, whole seconds. bad is set when a line is bad and left alone otherwise. */
void bh_ingest_datagram(struct bh_ingest *in, struct bh_str datagram, unsigned flags, int64_t now,
    struct bh_ledger *ledger, struct bh_bad_line *bad);

#endif
