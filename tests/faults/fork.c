#include "tests/faults/fork.h"

#include <dirent.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"

#define PATIENCE_NS (2 * BH_NS_PER_S)

/* The letter after the name in brackets; a thread that has ended sleeps for good. */
static bool sleeps(const char *task)
{
	char path[64], state = 'S';
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%.20s/stat", task);
	f = fopen(path, "re");
	if (!f)
		return true;
	if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 'S';
	(void)fclose(f);
	return state == 'S';
}

static bool others_sleep(void)
{
	DIR *tasks = opendir("/proc/self/task");
	const long self = gettid();
	const struct dirent *e;
	bool all = true;

	while (tasks && all && (e = readdir(tasks)))
		all =
		    e->d_name[0] == '.' || strtol(e->d_name, NULL, 10) == self || sleeps(e->d_name);
	if (tasks)
		(void)closedir(tasks);
	return all;
}

pid_t quiet_fork(void)
{
	int64_t until_ns = bh_mono_ns(&bh_clock_system) + PATIENCE_NS;

	while (!others_sleep() && bh_mono_ns(&bh_clock_system) < until_ns)
		(void)sched_yield();
	return fork();
}
