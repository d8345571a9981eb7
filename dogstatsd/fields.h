/* The fields behind the head of an event or a service check: pieces between bars. */
#ifndef BH_DOGSTATSD_FIELDS_H
#define BH_DOGSTATSD_FIELDS_H

#include <stdbool.h>
#include <string.h>

#include "common/str.h"

/* Takes the next piece off *rest; false when nothing is left. A trailing empty piece is left out:
 * it would mean nothing. */
static inline bool bh_fields_next(struct bh_str *rest, struct bh_str *field)
{
	const char *bar;

	if (rest->n == 0)
		return false;
	bar = memchr(rest->p, '|', rest->n);
	field->p = rest->p;
	field->n = bar ? (size_t)(bar - rest->p) : rest->n;
	rest->n -= field->n + (bar != NULL);
	rest->p += field->n + (bar != NULL);
	return true;
}

/* '#' for "#…", the letter of "x:…", 0 for anything else; *value is what follows. */
static inline char bh_field_kind(struct bh_str field, struct bh_str *value)
{
	size_t head = field.n && field.p[0] == '#' ? 1 : 2;

	if (field.n < head || (head == 2 && field.p[1] != ':'))
		return 0;
	*value = (struct bh_str){field.p + head, field.n - head};
	return field.p[0];
}

#endif
