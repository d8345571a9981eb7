/*
 * UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing above U+10FFFF. NUL is an
 * ordinary character. Pure; no tables, no locale.
 */
#ifndef BH_COMMON_UTF8_H
#define BH_COMMON_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Length of the longest prefix of p[0..n) that is valid UTF-8; n when all of it is. A sequence cut
 * off by the end is not part of the prefix. */
size_t bh_utf8_valid_prefix(const char *p, size_t n);

#define BH_UTF8_REPLACEMENT 0xFFFDu

/* Writes the character, which is a scalar value up to U+10FFFF. Returns its length, 1 to 4. */
size_t bh_utf8_put(char *out, uint32_t c);

#endif
