/*
 * A process of its own, out of one that has threads: Criterion's runner has nng's. A thread that is
 * inside malloc() at that moment leaves its lock taken in the child for ever (AddressSanitizer's
 * allocator does not hold it over a fork), so these are given the time to fall asleep first.
 */
#ifndef BH_TESTS_FORK_H
#define BH_TESTS_FORK_H

#include <sys/types.h>

/* fork(), once all other threads sleep; after two seconds in any case. */
pid_t quiet_fork(void);

#endif
