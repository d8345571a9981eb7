/*
 * What a line of our own log may hold (spec/supervision.md §10): nothing that a terminal acts on,
 * and no secret. Pure.
 */
#ifndef BH_COMMON_LOG_TEXT_H
#define BH_COMMON_LOG_TEXT_H

#include <stddef.h>

/*
 * Appends text to line[at..cap) until it is full or text ends; returns the new end. Control
 * characters, those of C1 and bytes that are no UTF-8 become \xNN. A character is never cut. The
 * result is not terminated.
 */
size_t bh_log_escape(char *line, size_t at, size_t cap, const char *text, size_t n);

/*
 * Masks in place what looks like a secret: words of 32 or 40 hexadecimal digits (keys of the
 * intake, as the Agent masks them) up to their last five, and the password in URLs.
 */
void bh_log_mask(char *text);

#endif
