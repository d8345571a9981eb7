/*
 * The longest run of bytes that every match of an expression must contain (spec/logs.md §9.3), read
 * from the text that common/re2.h writes, and from no other.
 */
#ifndef BH_LOGS_REQUIRED_H
#define BH_LOGS_REQUIRED_H

#include <stddef.h>

#include "common/str.h"

#define BH_REQUIRED_MAX 64

struct bh_required {
	char text[BH_REQUIRED_MAX];
	size_t n; /* 0 = there is none */
};

void bh_required_find(struct bh_str translation, struct bh_required *out);

#endif
