/* Reads of a file at a place of their own, beside the position a tailer has. */
#ifndef BH_LOGS_READ_AT_H
#define BH_LOGS_READ_AT_H

#include <stddef.h>
#include <stdint.h>

/* Fills p with up to n bytes from `at` on, in as many reads as it takes. Returns how many there
 * are: fewer at the end of the file, or after an error, which callers take for the end: what they
 * look for is then not there. */
size_t bh_read_at(int fd, char *p, size_t n, uint64_t at);

#endif
