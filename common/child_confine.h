/*
 * A child's step into its rights: behind bh_child_boot(), before libraries start threads. Stands
 * apart from child.h because it brings libseccomp along.
 */
#ifndef BH_COMMON_CHILD_CONFINE_H
#define BH_COMMON_CHILD_CONFINE_H

#include "common/child.h"

/*
 * Gives up what bh_sandbox_enter() takes; READY tells the supervisor the outcome. rules (borrowed)
 * gain what a build with sanitizers needs. When the supervisor asked for a probe the process tries
 * it and ends here. On an error *exit_code says how to leave (77).
 */
int bh_child_confine(struct bh_child *c, struct bh_landlock_rules *rules, int *exit_code,
    struct bh_err *err) BH_MUST_CHECK;

#endif
