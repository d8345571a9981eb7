/* Which known word a misspelt one probably meant. */
#ifndef BH_COMMON_NEAREST_H
#define BH_COMMON_NEAREST_H

#include <stddef.h>

/* Edit distance (insert, delete, replace, swap of neighbours), or limit + 1 when it is larger.
 * Words beyond 127 bytes count as far. */
size_t bh_edit_distance(const char *a, const char *b, size_t limit);

/* The largest distance at which another word is still worth naming: short words are all near. */
size_t bh_edit_tolerance(const char *word);

#endif
