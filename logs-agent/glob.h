/* Path patterns as the Agent reads them (spec/logs.md §3.1): Go's, not the shell's. */
#ifndef BH_LOGS_GLOB_H
#define BH_LOGS_GLOB_H

#include <stdbool.h>
#include <stddef.h>

#include "common/attrs.h"
#include "common/config.h"

#define BH_GLOB_MATCHES_MAX 10000

/* One path component. `*` any run (a leading dot too), `?` one byte, [a-z], [^a-z], `\` quotes. */
bool bh_glob_match(const char *pattern, const char *name);
bool bh_glob_is_pattern(const char *path);

/* Paths that match, sorted by full path descending, then stably by base name descending (§3.2). A
 * literal path that exists matches itself even when it holds pattern characters. Unreadable
 * directories match nothing. -ENOMEM; BH_E_LIMIT beyond BH_GLOB_MATCHES_MAX (the first ones are
 * kept). */
int bh_glob_expand(const char *pattern, struct bh_strlist *out) BH_MUST_CHECK;

#endif
