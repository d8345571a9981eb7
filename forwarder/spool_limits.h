/*
 * What the configuration says about the spool, for one class of data (spec/durability.md §7,
 * intake.md §13.5, §15.2, §17.3, §17.4). The Agent's keys name files and queues that are not here;
 * this is what each of them means for one database:
 *
 *   ..max_size_bytes, ..storage_max_size_in_bytes   body bytes of the class; 0 = no spool
 *   ..max_disk_ratio, ..storage_max_disk_ratio      how full the file may leave the disk; the lower
 *                                                   one when both are given
 *   ..file_ttl_days, ..outdated_file_in_days        days until a row expires
 *   ..when_full, bulkhead.metrics_spool_when_full   what becomes of a payload without room
 *   ..spool_after                                   instead of bulkhead.spool_after
 *   ..retry_queue_payloads_max_size, ..retry_queue_max_size, ..flush_to_disk_mem_ratio
 *                                                   memory from which on payloads become rows;
 *                                                   without a spool the oldest go
 *
 * Pure: a configuration in, numbers out.
 */
#ifndef BH_FORWARDER_SPOOL_LIMITS_H
#define BH_FORWARDER_SPOOL_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config.h"

#define BH_SPOOL_DEFAULT_BYTES ((int64_t)1 << 30)
#define BH_SPOOL_LEAST_BYTES   ((int64_t)2 << 20) /* of a class (intake.md §17.4) */

enum bh_when_full { BH_FULL_BLOCK, BH_FULL_DROP_NEWEST, BH_FULL_DROP_OLDEST };

struct bh_spool_limits {
	bool on;
	uint64_t max_bytes; /* of its rows; UINT64_MAX = only the whole file is bounded */
	int64_t ttl_ms;     /* > 0 */
	int64_t after_ms;   /* a payload waits so long in memory; 0 = none does */
	/* With more than this in memory all of it becomes rows; where there are none the oldest go
	 * while their destination fails. */
	uint64_t memory_bytes;
	enum bh_when_full when_full;
};

void bh_spool_limits(const struct bh_config *cfg, bool logs, struct bh_spool_limits *out);

/* Bytes of the whole file: as configured, else 1 GiB or 20 % of what is free, the less, but never
 * fewer than a class may have: a full disk is no limit, it is seen when rows are written. */
int64_t bh_spool_max_bytes(const struct bh_config *cfg, uint64_t disk_free);

/* Bytes of a disk of this size that the spool leaves to others; 0 = no ratio is configured. */
uint64_t bh_spool_disk_reserve(const struct bh_config *cfg, uint64_t disk_total);

/* "block" … */
const char *bh_when_full_name(enum bh_when_full w);

#endif
