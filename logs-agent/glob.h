/* Path patterns as the Agent reads them (spec/logs.md §3.1): Go's, not the shell's. */
#ifndef BH_LOGS_GLOB_H
#define BH_LOGS_GLOB_H

#include <stdbool.h>
#include <stddef.h>

#include "common/attrs.h"
#include "common/config.h"

#define BH_GLOB_MATCHES_MAX 100000
#define BH_GLOB_DEPTH_MAX   64 /* components, and directories below a `**` */

/* One path component. `*` any run (a leading dot too), `?` one character, [a-z], [^a-z], `\`
 * quotes.
 */
bool bh_glob_match(const char *pattern, const char *name);
/* A whole path, component by component. recursive: `**` as a whole component matches any number of
 * them; otherwise it is `*`. */
bool bh_glob_match_path(const char *pattern, const char *path, bool recursive);
bool bh_glob_is_pattern(const char *path);

/* Paths that match, sorted by full path descending, then stably by base name descending (§3.2). A
 * literal path that exists matches itself even when it holds pattern characters. Unreadable
 * directories match nothing; directories are left out. -ENOMEM; BH_E_LIMIT beyond
 * BH_GLOB_MATCHES_MAX (those found so far are kept). */
int bh_glob_expand(const char *pattern, bool recursive, struct bh_strlist *out) BH_MUST_CHECK;

#endif
