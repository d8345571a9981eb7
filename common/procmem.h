/* Memory of one process as the kernel counts it. */
#ifndef BH_COMMON_PROCMEM_H
#define BH_COMMON_PROCMEM_H

#include <stdint.h>
#include <sys/types.h>

/* Resident memory in KiB; 0 when there is no such process. */
uint64_t bh_proc_rss_kib(pid_t pid);
/* Its fair share of memory in KiB; 0 when the kernel does not tell (a process of another uid, or
 * not dumpable). Costs a walk over its mappings: for questions, not for heartbeats. */
/* Of this process, through a descriptor that outlives the right to open files; -1 gives 0. The
 * caller closes it. */
int bh_proc_open_self(void);
uint64_t bh_proc_rss_of(int fd);
uint64_t bh_proc_pss_kib(pid_t pid);

#endif
