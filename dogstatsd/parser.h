/*
 * From a datagram to metrics (spec/dogstatsd.md §3 to §5). Pure: bytes in, views of the same bytes
 * out; nothing is copied, and nothing is allocated but room for more packed values than ever
 * before.
 *
 * Events and service checks are recognised by their prefix here and read by event.h and check.h.
 */
#ifndef BH_DOGSTATSD_PARSER_H
#define BH_DOGSTATSD_PARSER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/str.h"

/* Cuts a datagram into lines: terminators and one trailing CR removed, empty lines left out. */
struct bh_lines {
	const char *p, *end;
};

static inline struct bh_lines bh_lines_init(const char *p, size_t n)
{
	return (struct bh_lines){p, n ? p + n : p};
}

/* Next line, borrowed from the datagram; *terminated tells whether a newline followed. False at the
 * end. */
bool bh_lines_next(struct bh_lines *l, struct bh_str *line, bool *terminated);

enum bh_line_kind { BH_LINE_METRIC, BH_LINE_EVENT, BH_LINE_CHECK };

/* By the first bytes alone: "_e{" and "_sc"; all else is a metric. */
enum bh_line_kind bh_line_classify(struct bh_str line);

enum bh_metric_type {
	BH_METRIC_GAUGE,
	BH_METRIC_COUNTER,
	BH_METRIC_HISTOGRAM, /* h and ms */
	BH_METRIC_SET,
	BH_METRIC_DISTRIBUTION,
};

struct bh_metric {
	struct bh_str name;
	struct bh_str raw;    /* the value as written; what a set counts */
	const double *values; /* owned by the parser, valid until its next line */
	size_t values_n;      /* >= 1; 1 (a zero) for a set */
	enum bh_metric_type type;
	double rate;        /* as sent, 1 when absent; any float (§9.3) */
	struct bh_str tags; /* of the last "#" field, behind the #; n = 0 when there are none */
	int64_t timestamp;  /* seconds; 0 = none */
};

/* Which rule of §4 a line breaks; the first one does, in the order of the rules. */
enum bh_parse_result {
	BH_PARSE_OK,
	BH_PARSE_NO_TYPE,  /* no "|" */
	BH_PARSE_NO_VALUE, /* no ":" before it, or nothing on one of its sides */
	BH_PARSE_BAD_TYPE,
	BH_PARSE_BAD_VALUE,
	BH_PARSE_BAD_RATE,
	BH_PARSE_BAD_TIMESTAMP,
	BH_PARSE_NO_MEMORY,
	BH_PARSE_BAD_EVENT,
	BH_PARSE_BAD_CHECK,
	BH_PARSE__N,
};

/* Stable words for statistics: "no_type", "no_value", … */
const char *bh_parse_result_name(enum bh_parse_result r);

struct bh_parser {
	bool timestamps; /* dogstatsd_no_aggregation_pipeline: read T fields */
	double *values;  /* owned */
	size_t values_cap;
};

/* 0 or -ENOMEM. */
int bh_parser_init(struct bh_parser *ps, bool timestamps) BH_MUST_CHECK;
void bh_parser_release(struct bh_parser *ps);

/* Reads one metric line. m is filled only on BH_PARSE_OK; it borrows from the line and the parser.
 */
enum bh_parse_result bh_parse_metric(struct bh_parser *ps, struct bh_str line, struct bh_metric *m);

#endif
