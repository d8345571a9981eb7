/*
 * A strict scanner over one JSON text (RFC 8259): no tree, no memory, no recursion. The caller
 * steps through the members of an object and skips what it does not want. Bytes of strings that are
 * not UTF-8 are not looked at.
 *
 * Every function returns false when the text is not JSON there; the scan is over then.
 */
#ifndef BH_LOGS_JSON_SCAN_H
#define BH_LOGS_JSON_SCAN_H

#include <stdbool.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "common/str.h"

struct bh_jscan {
	const char *p, *end;
};

/* The inside of a string as it stands in the text. */
struct bh_jtext {
	struct bh_str raw; /* borrows the text */
	size_t escape;     /* offset of the first backslash; raw.n when there is none */
};

void bh_jscan_blank(struct bh_jscan *s);        /* skips white space */
bool bh_jscan_byte(struct bh_jscan *s, char c); /* blanks, then this byte */
bool bh_jscan_string(struct bh_jscan *s, struct bh_jtext *out);
#define BH_JSCAN_DEPTH 64
/* Any value, nested less deep than that. */
bool bh_jscan_skip(struct bh_jscan *s);

/* Appends a string's meaning: escapes decoded, a lone surrogate as U+FFFD. The buffer remembers an
 * error. */
int bh_jtext_decode(struct bh_jtext t, struct bh_buf *out);

#endif
