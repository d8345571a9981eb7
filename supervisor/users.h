/*
 * The users of the children, out of the configuration and the system's databases
 * (spec/supervision.md §12, §16). A name, "uid" or "uid:gid" each; with a name come its groups, so
 * that an administrator gives logs access to files by adding its user to a group.
 */
#ifndef BH_SUPERVISOR_USERS_H
#define BH_SUPERVISOR_USERS_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/attrs.h"
#include "common/config.h"
#include "common/err.h"
#include "common/sandbox_ids.h"

struct bh_users {
	struct bh_ids ids[BH_ROLE__N]; /* uid, gid, groups of the children */
	gid_t ipc;                     /* may enter the directory of the link */
};

/*
 * 0, or with a text: -ENOENT when a name is not there or two roles would share a user,
 * BH_E_CONFIG when a number is wrong or is root's.
 */
int bh_users_resolve(
    const struct bh_config *cfg, struct bh_users *out, struct bh_err *err) BH_MUST_CHECK;

#endif
