#include "supervisor/kernel_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECORD_MAX  8192   /* of /dev/kmsg: one a read */
#define RECORDS_MAX 200000 /* more than a log holds */

int bh_kernel_log_find(const char *text, size_t n, pid_t pid)
{
	static const char type[] = "type=1326 ", call[] = " syscall=";
	char who[32];
	const char *at;
	int len = snprintf(who, sizeof(who), " pid=%ld ", (long)pid);

	if (!memmem(text, n, type, sizeof(type) - 1) || !memmem(text, n, who, (size_t)len))
		return -1;
	at = memmem(text, n, call, sizeof(call) - 1);
	return at && at + sizeof(call) - 1 < text + n ? (int)strtol(at + sizeof(call) - 1, NULL, 10)
						      : -1;
}

int bh_kernel_log_violation(pid_t pid)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	char record[RECORD_MAX + 1];
	int found = -1;

	for (int i = 0; fd >= 0 && i < RECORDS_MAX; i++) {
		ssize_t n = read(fd, record, RECORD_MAX);
		int nr;

		if (n < 0 && errno == EPIPE)
			continue; /* records were overwritten meanwhile */
		if (n <= 0)
			break;
		record[n] = '\0';
		nr = bh_kernel_log_find(record, (size_t)n, pid);
		found = nr >= 0 ? nr : found;
	}
	if (fd >= 0)
		(void)close(fd);
	return found;
}
