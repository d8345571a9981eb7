/*
 * The directories the logs process may read: those its sources name, and no others (DESIGN §1;
 * spec/supervision.md §12). They become file rules at the start of the process and cannot grow.
 *
 * Of a pattern it is the directory in front of the first wildcard; of container logs also where
 * their links lead; of the journal where journald keeps it. A symbolic link that a source selects
 * takes the directory of its target along when root made the link, or whoever owns the target did:
 * else the owner of a log directory could have any file of the machine sent.
 *
 * A rule holds for a directory, not for its name. One that was replaced by another of the same
 * name, or came into being later, is let in by a start (bh_grants_moved).
 */
#ifndef BH_LOGS_AGENT_GRANTS_H
#define BH_LOGS_AGENT_GRANTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/attrs.h"
#include "common/config.h"
#include "common/sandbox_landlock.h"

/* What stood behind the path of a rule when it was made; 0 and 0: nothing. */
struct bh_grant {
	char *real; /* owned; "" when nothing stood there */
	dev_t dev;
	ino_t ino;
};

struct bh_grants {
	struct bh_landlock_rules rules;
	struct bh_grant *v; /* owned; v[i] belongs to rules.v[i] */
	size_t n;
};

/* For these sources, those with a fault left out. -ENOMEM; BH_E_LIMIT: there are more directories
 * than rules, the last ones are left out. Release it in every case. */
int bh_grants_make(struct bh_grants *g, const struct bh_log_source *const *sources, size_t n,
    bool recursive) BH_MUST_CHECK;
void bh_grants_release(struct bh_grants *g);

/* Whether a path has something else behind it now than when its rule was made. */
bool bh_grants_moved(const struct bh_grants *g);
/* Whether everything that want allows is allowed by have. */
bool bh_grants_cover(const struct bh_grants *have, const struct bh_grants *want);

/* The directory that stands in front of the first wildcard of a path; out is empty for a path that
 * is not absolute or too long. */
void bh_grants_base(const char *path, char *out, size_t cap);

#endif
