/*
 * UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing above U+10FFFF. NUL is an
 * ordinary character. Pure; no tables, no locale.
 */
#ifndef BH_COMMON_UTF8_H
#define BH_COMMON_UTF8_H

#include <stddef.h>

/* Length of the longest prefix of p[0..n) that is valid UTF-8; n when all of it is. A sequence cut
 * off by the end is not part of the prefix. */
size_t bh_utf8_valid_prefix(const char *p, size_t n);

#endif
