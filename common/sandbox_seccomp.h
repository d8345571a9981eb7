/*
 * System calls by role: what is not listed ends the process (SIGSYS, the whole process, before the
 * call does anything). spec/supervision.md §12 has the groups; what they lack for this code is
 * marked in the table.
 *
 * The filter is installed before the first thread and holds for all that follow. The kernel
 * remembers which calls are allowed whatever their arguments, so they cost nothing more; only calls
 * with a condition run the filter.
 */
#ifndef BH_COMMON_SANDBOX_SECCOMP_H
#define BH_COMMON_SANDBOX_SECCOMP_H

#include <stdbool.h>
#include <stddef.h>

#include "common/attrs.h"
#include "common/config.h"

/* Names of the calls a role may make whatever their arguments, one after the other; NULL behind the
 * last one. For tests, and for people. */
const char *bh_seccomp_name(enum bh_role role, size_t i);

/* -ENOSYS: the kernel has no filters; other -errno. Needs no_new_privs. */
int bh_seccomp_enter(enum bh_role role) BH_MUST_CHECK;

#endif
