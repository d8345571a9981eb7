/*
 * Text for a terminal of 80 columns: cutting, padding, wrapping, and figures for people. Widths are
 * counted in characters (UTF-8 code points). Everything appends to a bh_buf; a failed allocation is
 * remembered there.
 */
#ifndef BH_CTL_FORMAT_H
#define BH_CTL_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

#define BH_COLUMNS 80

size_t bh_fmt_width(const char *s);

/* s, with its middle replaced by "..." when it is wider than width (at least 4). */
void bh_fmt_cut(struct bh_buf *out, const char *s, size_t width);
/* The same, filled with blanks on the right. */
void bh_fmt_left(struct bh_buf *out, const char *s, size_t width);
/* Filled with blanks on the left; never cut. */
void bh_fmt_right(struct bh_buf *out, const char *s, size_t width);
/* Words of text in lines of 80 columns; the first line starts with lead, the others with as many
 * blanks. A word that does not fit a line is cut in its middle. */
void bh_fmt_wrap(struct bh_buf *out, const char *lead, const char *text);

#define BH_FMT_MAX 32 /* room for one of the figures below */

void bh_fmt_uptime(char out[BH_FMT_MAX], uint64_t seconds); /* 0:01:05; 1 day, 2:03:04 */
void bh_fmt_kib(char out[BH_FMT_MAX], uint64_t kib);        /* 640 KiB, 2.1 MiB */
/* At most 9 characters: 123456789, 1234567k, 1234567M. */
void bh_fmt_count(char out[BH_FMT_MAX], uint64_t n);

#endif
