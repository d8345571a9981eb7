#include "forwarder/spool_limits.h"

#include <string.h>

#include "common/retry_memory.h"
#include "forwarder/store.h"

#define DAY_MS          ((int64_t)24 * 3600 * 1000)
#define LOGS_MEMORY_MAX UINT64_MAX /* bounded by the link's credit alone */
#define THOUSAND        1000

static const char *const words[] = {"block", "drop_newest", "drop_oldest"};

const char *bh_when_full_name(enum bh_when_full w)
{
	return words[w];
}

static enum bh_when_full when_full_of(const char *word, enum bh_when_full otherwise)
{
	for (size_t i = 0; i < BH_ARRAY_LEN(words); i++) {
		if (strcmp(words[i], word) == 0)
			return (enum bh_when_full)i;
	}
	return otherwise;
}

static uint64_t class_bytes(int64_t configured)
{
	return configured < 0 ? UINT64_MAX : (uint64_t)BH_MAX(configured, BH_SPOOL_LEAST_BYTES);
}

static int64_t ttl_of(int64_t days)
{
	return days > 0 ? days * DAY_MS : BH_STORE_TTL_MS;
}

static uint64_t metrics_memory(const struct bh_config *cfg)
{
	uint64_t max = bh_retry_memory(cfg, BH_RETRY_MEMORY);

	/* Without a spool there is nothing that a part of it could go to. */
	if (cfg->forwarder_storage_max_size_in_bytes == 0)
		return max;
	return max / THOUSAND * (uint64_t)cfg->forwarder_flush_to_disk_mem_ratio_milli;
}

void bh_spool_limits(const struct bh_config *cfg, bool logs, struct bh_spool_limits *out)
{
	int64_t size =
	    logs ? cfg->logs_disk_retry_max_size_bytes : cfg->forwarder_storage_max_size_in_bytes;
	int64_t after = logs ? cfg->logs_disk_retry_spool_after_ms : -1;

	*out = (struct bh_spool_limits){
	    .on = size != 0,
	    .max_bytes = class_bytes(size),
	    .ttl_ms = ttl_of(
		logs ? cfg->logs_disk_retry_file_ttl_days : cfg->forwarder_outdated_file_in_days),
	    .after_ms = after < 0 ? cfg->spool_after_ms : after,
	    .memory_bytes = logs ? LOGS_MEMORY_MAX : metrics_memory(cfg),
	    .when_full = logs ? when_full_of(cfg->logs_disk_retry_when_full, BH_FULL_BLOCK)
			      : when_full_of(cfg->metrics_spool_when_full, BH_FULL_DROP_OLDEST),
	};
}

int64_t bh_spool_max_bytes(const struct bh_config *cfg, uint64_t disk_free)
{
	if (cfg->spool_max_size_bytes > 0)
		return cfg->spool_max_size_bytes;
	disk_free = BH_MIN(disk_free, (uint64_t)INT64_MAX);
	return BH_MAX(
	    BH_SPOOL_LEAST_BYTES, BH_MIN(BH_SPOOL_DEFAULT_BYTES, (int64_t)(disk_free / 5)));
}

uint64_t bh_spool_disk_reserve(const struct bh_config *cfg, uint64_t disk_total)
{
	int64_t a = cfg->logs_disk_retry_max_disk_ratio_milli;
	int64_t b = cfg->forwarder_storage_max_disk_ratio_milli;
	int64_t ratio = a > 0 && b > 0 ? BH_MIN(a, b) : BH_MAX(a, b);
	uint64_t left = (uint64_t)(THOUSAND - ratio);

	/* Rounded up, in thousandths of thousandths of large disks without an overflow. */
	return ratio > 0
		   ? disk_total / THOUSAND * left + (disk_total % THOUSAND * left + 999) / 1000
		   : 0;
}
