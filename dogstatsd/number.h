/*
 * Numbers of the DogStatsD protocol (spec/dogstatsd.md §5): the Go grammar on exact byte ranges,
 * which differs from strtod() in blanks, NaN forms, hexadecimal, underscores and overflow. The
 * process must run in the C locale, its state when setlocale() is never called. Pure; allocates
 * only for texts beyond 256 bytes that are not plain decimals.
 */
#ifndef BH_DOGSTATSD_NUMBER_H
#define BH_DOGSTATSD_NUMBER_H

#include <stddef.h>
#include <stdint.h>

#include "common/attrs.h"

/* 0 and *v (NaN and infinities when spelled out), else BH_E_FORMAT, or -ENOMEM for a very long
 * text. A finite text too large for a double is BH_E_FORMAT; one too small is 0. */
int bh_parse_float(const char *p, size_t n, double *v) BH_MUST_CHECK;

/* [sign] digits within int64; else BH_E_FORMAT. */
int bh_parse_int(const char *p, size_t n, int64_t *v) BH_MUST_CHECK;

#endif
