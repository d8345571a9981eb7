/* Whether the state directory is on a file system that forgets (spec/supervision.md §17): the spool
 * and the positions must survive a restart of the machine and of the container. */
#ifndef BH_SUPERVISOR_STATE_FS_H
#define BH_SUPERVISOR_STATE_FS_H

/* type: f_type of statfs(2). What is lost when, and the way out, as the end of a sentence about
 * run_path; NULL for a file system that keeps what it is given. */
const char *bh_state_fs_hint(long type);
/* The same for an existing directory; NULL also when it cannot be asked. */
const char *bh_state_fs_check(const char *path);

#endif
