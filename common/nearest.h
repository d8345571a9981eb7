/* Which known word a misspelt one probably meant. */
#ifndef BH_COMMON_NEAREST_H
#define BH_COMMON_NEAREST_H

#include <stddef.h>

/* Edit distance (insert, delete, replace), or limit + 1 when it is larger. Words beyond 127 bytes
 * count as far. */
size_t bh_edit_distance(const char *a, const char *b, size_t limit);

#endif
