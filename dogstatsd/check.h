/*
 * One service check line (spec/dogstatsd.md §7): "_sc|name|status|d:…|h:…|#tags|m:message". Pure;
 * views of the line. A bad timestamp is ignored and counted, a bad name or status fails the line.
 */
#ifndef BH_DOGSTATSD_CHECK_H
#define BH_DOGSTATSD_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/str.h"

struct bh_check {
	struct bh_str name;
	int status;            /* 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN */
	struct bh_str host;    /* of an h: field; empty = none */
	struct bh_str message; /* as written */
	struct bh_str tags;    /* of the last "#" field, behind the # */
	int64_t timestamp;     /* seconds; 0 = none */
	unsigned ignored;      /* optional fields with a bad value */
};

/* False: malformed; *c is then undefined. */
bool bh_parse_check(struct bh_str line, struct bh_check *c) BH_MUST_CHECK;

#endif
