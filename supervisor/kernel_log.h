/* Which system call a process was killed for, as the kernel's log says it. */
#ifndef BH_SUPERVISOR_KERNEL_LOG_H
#define BH_SUPERVISOR_KERNEL_LOG_H

#include <stddef.h>
#include <sys/types.h>

/* The number in the latest record of a violation (audit type 1326) of that pid within a text of the
 * form of /dev/kmsg; -1 when there is none. */
int bh_kernel_log_find(const char *text, size_t n, pid_t pid);

/* The same from /dev/kmsg; -1 also when that may not be read, or an audit daemon takes the records.
 */
int bh_kernel_log_violation(pid_t pid);

#endif
