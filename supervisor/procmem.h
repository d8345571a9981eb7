/* Memory of one process as the kernel counts it. */
#ifndef BH_SUPERVISOR_PROCMEM_H
#define BH_SUPERVISOR_PROCMEM_H

#include <stdint.h>
#include <sys/types.h>

struct bh_procmem {
	uint64_t rss_kib;
	uint64_t pss_kib; /* 0 when the kernel does not tell (a process of another uid, or not dumpable) */
};

/* All zero when there is no such process. */
void bh_procmem_read(pid_t pid, struct bh_procmem *m);

#endif
