/*
 * Acts that no child may carry out, for the self-test: each is tried in a process of its own that
 * has taken on the rights of a role and is thrown away.
 */
#ifndef BH_COMMON_SANDBOX_PROBE_H
#define BH_COMMON_SANDBOX_PROBE_H

#include <stddef.h>

#include "common/attrs.h"
#include "common/config.h"

/* What such a process exits with; killed by SIGSYS otherwise. */
#define BH_PROBE_REFUSED 100 /* + errno, at most 99 */
#define BH_PROBE_DONE    200 /* the act succeeded: the role has a right it should not have */

/* Names of the acts that role may not do, one after the other; NULL behind the last. */
const char *bh_probe_name(enum bh_role role, size_t i);

/* Tries it and leaves with one of the statuses above; 2 when the name is unknown. */
_Noreturn void bh_probe_run(const char *name);

#endif
