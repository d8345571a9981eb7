/*
 * Checksums of the head of a file, one of the things a generation is found again by (spec/logs.md
 * §5). CRC-64 of common/crc.h; 0 means that there is none, or none yet.
 *
 *   line_checksum   count_to_skip lines are skipped, the next count ones concatenated without their
 *                   terminators (`\n`, and a `\r` before it); max_bytes bounds all that is read.
 *                   When that bound comes before the last of the lines: the first 1024 bytes, and 0
 *                   when there are fewer. When the file ends before: 0. A line is one only once its
 *                   newline is there.
 *   byte_checksum   count bytes behind the first count_to_skip ones; 0 when there are fewer.
 *   disabled        0.
 *
 * No configuration makes it read more than BH_FINGERPRINT_READ_MAX bytes: for lines that is a bound
 * like max_bytes, for bytes a greater count gives 0. A count of 0 gives 0. What is stored of a
 * configuration is its text: proto/fingerprint_text.h.
 */
#ifndef BH_LOGS_FINGERPRINT_H
#define BH_LOGS_FINGERPRINT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/config.h"
#include "common/str.h"

#define BH_FINGERPRINT_READ_MAX (1u << 20)

/* line_checksum, count 1, count_to_skip 0, max_bytes 10000. */
extern const struct bh_fingerprint_config bh_fingerprint_default;

/* Reads fd from its beginning, whatever its position is. An error of reading counts as the end of
 * the file. */
uint64_t bh_fingerprint(int fd, const struct bh_fingerprint_config *cfg);

#endif
