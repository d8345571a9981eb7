/*
 * Whether text that comes in pieces is, or can still become, one JSON object (spec/logs.md §8.4).
 * Each byte is looked at once, however the text is split; a piece may end anywhere, inside a
 * string or a number too. Numbers are checked by their grammar and never converted; strings may
 * hold any bytes but control characters, UTF-8 or not.
 *
 * A scan is plain data without memory of its own.
 */
#ifndef BH_LOGS_JSON_PIECES_H
#define BH_LOGS_JSON_PIECES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/str.h"

/* Objects and arrays inside each other; deeper text counts as not JSON. */
#define BH_JSON_DEPTH 512

enum bh_json_verdict {
	BH_JSON_INCOMPLETE, /* may become an object */
	BH_JSON_COMPLETE,   /* is one; white space may follow */
	BH_JSON_INVALID,    /* cannot become one, and stays so */
};

struct bh_json_pieces {
	uint8_t state;                       /* of the grammar, see json_pieces.c */
	uint8_t key;                         /* the string being read is a member's name */
	uint8_t left;                        /* hexadecimal digits of an escape still to come */
	const char *word;                    /* rest of true, false or null */
	uint32_t depth;                      /* open objects and arrays */
	uint64_t arrays[BH_JSON_DEPTH / 64]; /* bit d: the one at depth d + 1 is an array */
};

void bh_json_pieces_init(struct bh_json_pieces *s);
/* The verdict over all pieces so far, this one included. */
enum bh_json_verdict bh_json_pieces_feed(struct bh_json_pieces *s, struct bh_str piece);

/* Removes white space outside strings, in place; returns the new length. The text is valid JSON. */
size_t bh_json_compact(char *p, size_t n);

#endif
