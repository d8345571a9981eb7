#include "common/procmem.h"

#include <fcntl.h>
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
	char path[64];
	uint64_t kib;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	kib = bh_proc_rss_of(fd);
	if (fd >= 0)
		(void)close(fd);
	return kib;
}

int bh_proc_open_self(void)
{
	return open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
}

uint64_t bh_proc_rss_of(int fd)
{
	char line[128], *resident;
	ssize_t n = fd < 0 ? -1 : pread(fd, line, sizeof(line) - 1, 0);

	if (n <= 0)
		return 0;
	line[n] = '\0';
	/* "total resident …", in pages */
	resident = strchr(line, ' ');
	return resident ? strtoull(resident, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) / 1024 : 0;
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
