/*
 * The map of the service: method and path, what a body there may weigh, how it is decoded and what
 * success is answered (spec/intake.md §1, §10.1).
 */
#ifndef BH_INTAKE_ROUTES_H
#define BH_INTAKE_ROUTES_H

#include <stdbool.h>
#include <stddef.h>

#include "common/attrs.h"
#include "common/err.h"
#include "common/str.h"
#include "tests/intake/decoded.h"

struct bh_route {
	const char *method;
	const char *path;
	const char *content_type; /* of the request; NULL = no body */
	unsigned status;          /* of success */
	const char *answer;       /* JSON body of success */
	size_t max_body;          /* bytes as sent; more is 413 */
	size_t max_decoded;       /* bytes; more is 413 */
	size_t max_items;         /* records in one body, 0 = unchecked; more is 413 */
	int (*decode)(struct bh_str body, struct bh_decoded *d, struct bh_err *err);
};

/* NULL when nothing is there; *known says whether the path exists with another method. */
const struct bh_route *bh_route_find(const char *method, const char *path, bool *known);

#endif
