/*
 * A borrowed run of bytes: text from outside is never NUL-assumed. Whoever made the bytes owns
 * them; a bh_str is valid as long as they are.
 */
#ifndef BH_COMMON_STR_H
#define BH_COMMON_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct bh_str {
	const char *p; /* may be NULL when n is 0 */
	size_t n;      /* bytes */
};

#define BH_STR_LIT(s) ((struct bh_str){(s), sizeof(s) - 1})

static inline struct bh_str bh_str_from(const char *s)
{
	return (struct bh_str){s, s ? strlen(s) : 0};
}

static inline bool bh_str_eq(struct bh_str a, struct bh_str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool bh_str_starts(struct bh_str s, struct bh_str prefix)
{
	return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

static inline bool bh_str_ends(struct bh_str s, struct bh_str suffix)
{
	return s.n >= suffix.n &&
	       (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

#endif
