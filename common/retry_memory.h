/*
 * Memory in which metrics may wait for their destination, as the Agent's two keys say
 * (spec/intake.md §13.4). Two processes hold such metrics, so both ask here.
 */
#ifndef BH_COMMON_RETRY_MEMORY_H
#define BH_COMMON_RETRY_MEMORY_H

#include <stdint.h>

#include "common/config.h"

#define BH_RETRY_MEMORY   ((uint64_t)15 << 20) /* where nothing is configured */
#define BH_RETRY_OLD_UNIT ((uint64_t)2 << 20)  /* a payload of forwarder_retry_queue_max_size */

/* Bytes of bodies; unset where neither key is. The older one counts only without the other. */
static inline uint64_t bh_retry_memory(const struct bh_config *cfg, uint64_t unset)
{
	if (cfg->forwarder_retry_queue_payloads_max_size >= 0)
		return (uint64_t)cfg->forwarder_retry_queue_payloads_max_size;
	if (cfg->forwarder_retry_queue_max_size > 0)
		return (uint64_t)cfg->forwarder_retry_queue_max_size * BH_RETRY_OLD_UNIT;
	return unset;
}

#endif
