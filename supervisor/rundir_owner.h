/*
 * Whom the directories of an instance belong to when each child has a user of its own (spec/
 * supervision.md §13, §16): run_dir/link 2710 forwarder:link group, run_path/store 0700 forwarder;
 * else both 0700 of the one user. What an earlier start left to another user changes hands, the
 * files of the store included.
 */
#ifndef BH_SUPERVISOR_RUNDIR_OWNER_H
#define BH_SUPERVISOR_RUNDIR_OWNER_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/attrs.h"
#include "common/err.h"

struct bh_rundir_owner {
	bool separate;
	uid_t uid; /* of the forwarder */
	gid_t gid;
	gid_t ipc; /* used when separate */
};

/* For a supervisor that is root. Harmless when everything is in order. -EPERM and the like with the
 * way out in the text. */
int bh_rundir_settle(const char *run_dir, const char *run_path, const struct bh_rundir_owner *owner,
    struct bh_err *err) BH_MUST_CHECK;

#endif
