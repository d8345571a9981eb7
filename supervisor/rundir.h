/*
 * The directories of one instance and the locks that make it one (spec/supervision.md §8).
 *
 *   run_dir/bulkhead.pid     OFD lock for the life of the supervisor; "running" means locked. The
 * pid stands in it and is emptied at the end; the file stays. run_dir/children.lock    OFD lock
 * whose description every child inherits: as long as a child of an earlier supervisor drains, a new
 * one waits for it. run_dir/link             0700: the sockets between children run_path/store
 * 0700: the forwarder's database
 *
 * Descriptors are owned by struct bh_rundir and close on exec, except where spawn hands one over.
 */
#ifndef BH_SUPERVISOR_RUNDIR_H
#define BH_SUPERVISOR_RUNDIR_H

#include "common/attrs.h"
#include "common/err.h"

struct bh_rundir {
	int pid_fd;      /* holds the supervisor's lock; -1 = none */
	int children_fd; /* holds the children's lock; inherited by each child; -1 = none */
};

#define BH_RUNDIR_INIT \
	{ \
		-1, -1 \
	}

/*
 * Creates what is missing and takes both locks; waits for children of an earlier supervisor for at
 * most wait_ms. BH_E_STATE: another instance runs (its pid is in err) or its children do not end;
 * exit 75. -EACCES, -EPERM, -EROFS: no permission; exit 77. Other errors: exit 70. err names path
 * and way out.
 */
int bh_rundir_take(struct bh_rundir *r, const char *run_dir, const char *run_path, int wait_ms,
    struct bh_err *err) BH_MUST_CHECK;

/* Empties the pid file and gives the locks back. Harmless on an empty one. */
void bh_rundir_release(struct bh_rundir *r);

#endif
