/*
 * One event line (spec/dogstatsd.md §6): "_e{5,4}:title|text|p:low|#tag". Pure; views of the line,
 * nothing is copied. A bad optional field is ignored and counted, a bad head fails the line.
 */
#ifndef BH_DOGSTATSD_EVENT_H
#define BH_DOGSTATSD_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/str.h"

struct bh_event {
	struct bh_str title, text; /* as written: backslash n stands for a newline */
	struct bh_str host;        /* of an h: field; empty = none */
	struct bh_str key;         /* aggregation key; empty = none */
	struct bh_str source_type; /* empty = none */
	struct bh_str tags;        /* of the last "#" field, behind the # */
	int64_t timestamp;         /* seconds; 0 = none */
	const char *priority;      /* "normal", "low" */
	const char *alert_type;    /* "info", "error", "warning", "success" */
	unsigned ignored;          /* optional fields with a bad value */
};

/* False: the head is malformed or the line too short; *e is then undefined. */
bool bh_parse_event(struct bh_str line, struct bh_event *e) BH_MUST_CHECK;

#endif
