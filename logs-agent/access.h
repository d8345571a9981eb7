/* Why a file cannot be read, in words that name the way out (spec/logs.md §3.4). */
#ifndef BH_LOGS_ACCESS_H
#define BH_LOGS_ACCESS_H

#include <stddef.h>

/* After -EACCES: the first component of the path that this process may not enter or read, its
 * owner, group and mode, and who we are. Always writes a text. */
void bh_access_explain(const char *path, char *out, size_t cap);

#endif
