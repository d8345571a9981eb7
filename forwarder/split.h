/*
 * A body as the list of its items, so that a part of them can be sent alone after a 413
 * (spec/intake.md §11.3). Items are copied byte for byte: nothing is parsed further than needed to
 * see where one ends.
 *
 *   kind              items                                    around them
 *   logs, checks      elements of the array                    [ ]
 *   series v1         elements of the one array in the object  everything before and behind
 *   events            elements of the arrays in "events"       the same; each in its own source
 *   series v2,        fields number 1                          all other fields, in every part
 *   sketches
 *   metadata          one item: it cannot be cut
 *
 * Pure. Memory: the unpacked body (BH_SPLIT_RAW_MAX at most) and 16 bytes an item.
 */
#ifndef BH_FORWARDER_SPLIT_H
#define BH_FORWARDER_SPLIT_H

#include <stddef.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "proto/link.h"

#define BH_SPLIT_RAW_MAX   ((size_t)64 << 20) /* the largest the serializer may be told to make */
#define BH_SPLIT_ITEMS_MAX ((size_t)1 << 18)

struct bh_split_item {
	uint32_t at, n;  /* in raw */
	uint32_t group;  /* events: which source */
	uint32_t weight; /* points it holds; 1 for everything that has none */
};

struct bh_split_group {
	uint32_t at, n; /* its name with the quotes, in raw */
};

struct bh_split {
	enum bh_kind kind;
	enum bh_encoding encoding;
	struct bh_buf raw;
	struct bh_buf around; /* protobuf: the other fields */
	uint32_t head, tail;  /* JSON: raw[0, head) and raw[tail, end) stand around the items */
	struct bh_split_item *items;
	size_t n, cap;
	struct bh_split_group *groups;
	size_t groups_n, groups_cap;
};

/* Unpacks and walks a body; *s need not be initialised. BH_E_FORMAT: it is not what its kind says;
 * BH_E_LIMIT: too large or too many items; -ENOMEM. After an error there is nothing to release. */
int bh_split_open(struct bh_split *s, enum bh_kind kind, enum bh_encoding encoding,
    struct bh_str body) BH_MUST_CHECK;
void bh_split_release(struct bh_split *s);

/* A whole body with the items [first, first + n), n >= 1, packed as the parent was. out is cleared
 * first. The errors of bh_pack(). */
int bh_split_part(
    const struct bh_split *s, size_t first, size_t n, struct bh_buf *out) BH_MUST_CHECK;
/* The same with every item whose mark is not 0, at least one; a mark for each item. */
int bh_split_pick(const struct bh_split *s, const uint8_t *marks, struct bh_buf *out) BH_MUST_CHECK;
uint64_t bh_split_weight(const struct bh_split *s, size_t first, size_t n);

#endif
