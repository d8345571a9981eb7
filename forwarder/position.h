/* One row of the registry as memory and the store exchange it (spec/durability.md §1, §3). */
#ifndef BH_FORWARDER_POSITION_H
#define BH_FORWARDER_POSITION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/str.h"
#include "proto/origin.h"

/* complete <= delivered <= safe, and so their ords. Strings are borrowed. */
struct bh_position {
	struct bh_origin row; /* offset_last = safe, offset_first = delivered */
	struct bh_str complete;
	uint64_t safe_ord, delivered_ord, complete_ord;
	bool gone; /* forgotten, and nothing of it is outstanding: the row is deleted */
};

/* A row on which no destination has an opinion of its own yet: complete = delivered. */
static inline struct bh_position bh_position_of(
    const struct bh_origin *row, uint64_t safe_ord, uint64_t delivered_ord)
{
	return (struct bh_position){
	    .row = *row,
	    .complete = row->offset_first,
	    .safe_ord = safe_ord,
	    .delivered_ord = delivered_ord,
	    .complete_ord = delivered_ord,
	};
}

#endif
