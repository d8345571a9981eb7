#include "common/procmem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static FILE *open_proc(pid_t pid, const char *name)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return fopen(path, "re");
}

uint64_t bh_proc_rss_kib(pid_t pid)
{
	FILE *f = open_proc(pid, "statm");
	char line[128], *resident;
	uint64_t kib = 0;

	if (!f)
		return 0;
	/* "total resident …", in pages */
	if (fgets(line, sizeof(line), f) && (resident = strchr(line, ' ')) != NULL)
		kib = strtoull(resident, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
	(void)fclose(f);
	return kib;
}

uint64_t bh_proc_pss_kib(pid_t pid)
{
	FILE *f = open_proc(pid, "smaps_rollup");
	uint64_t kib = 0;
	char line[256];

	if (!f)
		return 0;
	while (!kib && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "Pss:", 4) == 0)
			kib = strtoull(line + 4, NULL, 10);
	}
	(void)fclose(f);
	return kib;
}
