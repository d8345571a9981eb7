/* Ended processes whose parent we are: ours, and strangers whose own parents ended before them
 * (spec/supervision.md §17). */
#ifndef BH_SUPERVISOR_REAPER_H
#define BH_SUPERVISOR_REAPER_H

struct bh_supervisor;

/* After SIGCHLD. Ours are told to their owners, strangers are reaped without a word. */
void bh_reap_all(struct bh_supervisor *s);

#endif
