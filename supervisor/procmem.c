#include "supervisor/procmem.h"

#include <stdio.h>
#include <unistd.h>

void bh_procmem_read(pid_t pid, struct bh_procmem *m)
{
	unsigned long long total, pages, kib;
	char path[64], line[256];
	FILE *f;

	*m = (struct bh_procmem){0};
	(void)snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return;
	if (fscanf(f, "%llu %llu", &total, &pages) == 2)
		m->rss_kib = pages * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
	(void)fclose(f);
	(void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Pss: %llu kB", &kib) == 1) {
			m->pss_kib = kib;
			break;
		}
	}
	(void)fclose(f);
}
