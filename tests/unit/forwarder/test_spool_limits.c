/* Each key of spec/intake.md §17.3, §17.4 that bounds the spool, and what it does here. */
#include <criterion/criterion.h>
#include <string.h>

#include "common/config_value.h"
#include "forwarder/spool_limits.h"

#define DAY ((int64_t)86400000)
#define MIB ((uint64_t)1 << 20)

static void set(struct bh_config *cfg, const char *key, const char *value)
{
	struct bh_err err = BH_ERR_INIT;

	for (size_t i = 0; i < bh_options_n; i++) {
		if (strcmp(bh_options[i].key, key) != 0)
			continue;
		cr_assert_neq(bh_options[i].type, BH_OPT_IGNORED, "%s", key);
		cr_assert_eq(
		    bh_config_set(cfg, &bh_options[i], value, &err), 0, "%s: %s", key, err.text);
		return;
	}
	cr_assert_fail("no option %s", key);
}

enum field { ON, BYTES, TTL, AFTER, MEMORY, WHEN };

static uint64_t field_of(const struct bh_spool_limits *l, enum field f)
{
	switch (f) {
	case ON:
		return l->on;
	case BYTES:
		return l->max_bytes;
	case TTL:
		return (uint64_t)l->ttl_ms;
	case AFTER:
		return (uint64_t)l->after_ms;
	case MEMORY:
		return l->memory_bytes;
	case WHEN:
		return (uint64_t)l->when_full;
	}
	return 0;
}

#define L "logs_config.disk_retry."

static const struct {
	const char *key, *value;
	bool logs;
	enum field field;
	uint64_t want;
} rows[] = {
    /* nothing configured */
    {NULL, NULL, true, ON, 1},
    {NULL, NULL, false, ON, 1},
    {NULL, NULL, true, BYTES, UINT64_MAX},
    {NULL, NULL, false, BYTES, UINT64_MAX},
    {NULL, NULL, true, TTL, 7 * DAY},
    {NULL, NULL, false, TTL, 7 * DAY},
    {NULL, NULL, true, AFTER, 5000},
    {NULL, NULL, false, AFTER, 5000},
    {NULL, NULL, true, WHEN, BH_FULL_BLOCK},
    {NULL, NULL, false, WHEN, BH_FULL_DROP_OLDEST},
    {NULL, NULL, true, MEMORY, UINT64_MAX},
    {NULL, NULL, false, MEMORY, 15728 * 500},
    /* §17.4 */
    {L "max_size_bytes", "0", true, ON, 0},
    {L "max_size_bytes", "0", false, ON, 1},
    {L "max_size_bytes", "1", true, BYTES, 2 * MIB},
    {L "max_size_bytes", "10485760", true, BYTES, 10 * MIB},
    {L "max_size_bytes", "10485760", false, BYTES, UINT64_MAX},
    {L "file_ttl_days", "1", true, TTL, DAY},
    {L "file_ttl_days", "1", false, TTL, 7 * DAY},
    {L "when_full", "drop_newest", true, WHEN, BH_FULL_DROP_NEWEST},
    {L "when_full", "drop_oldest", true, WHEN, BH_FULL_DROP_OLDEST},
    {L "when_full", "drop_newest", false, WHEN, BH_FULL_DROP_OLDEST},
    {L "spool_after", "0", true, AFTER, 0},
    {L "spool_after", "250ms", true, AFTER, 250},
    {L "spool_after", "0", false, AFTER, 5000},
    /* §17.3 */
    {"forwarder_storage_max_size_in_bytes", "0", false, ON, 0},
    {"forwarder_storage_max_size_in_bytes", "0", true, ON, 1},
    {"forwarder_storage_max_size_in_bytes", "20971520", false, BYTES, 20 * MIB},
    {"forwarder_outdated_file_in_days", "10", false, TTL, 10 * DAY},
    {"forwarder_outdated_file_in_days", "10", true, TTL, 7 * DAY},
    {"forwarder_retry_queue_payloads_max_size", "1000000", false, MEMORY, 500000},
    {"forwarder_retry_queue_max_size", "4", false, MEMORY, 8388 * 500},
    {"forwarder_storage_max_size_in_bytes", "0", false, MEMORY, 15 * MIB},
    {"forwarder_flush_to_disk_mem_ratio", "1", false, MEMORY, 15728 * 1000},
    {"forwarder_flush_to_disk_mem_ratio", "0", false, MEMORY, 0},
    /* ours */
    {"bulkhead.metrics_spool_when_full", "block", false, WHEN, BH_FULL_BLOCK},
    {"bulkhead.metrics_spool_when_full", "drop_newest", true, WHEN, BH_FULL_BLOCK},
    {"bulkhead.spool_after", "1", true, AFTER, 1000},
    {"bulkhead.spool_after", "1", false, AFTER, 1000},
};

Test(spool_limits, each_key_has_its_effect_on_its_class_and_no_other)
{
	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++) {
		struct bh_config cfg;
		struct bh_spool_limits l;

		bh_config_defaults(&cfg);
		if (rows[i].key)
			set(&cfg, rows[i].key, rows[i].value);
		bh_spool_limits(&cfg, rows[i].logs, &l);
		cr_expect_eq(field_of(&l, rows[i].field), rows[i].want, "row %zu (%s %s, %s): %llu",
		    i, rows[i].key ? rows[i].key : "-", rows[i].value ? rows[i].value : "",
		    rows[i].logs ? "logs" : "metrics",
		    (unsigned long long)field_of(&l, rows[i].field));
		bh_config_release(&cfg);
	}
}

/* §13.4: the older key counts only without the other; without a spool nothing moves to it. */
Test(spool_limits, memory_is_as_the_newer_key_says_and_whole_without_a_spool)
{
	struct bh_config cfg;
	struct bh_spool_limits l;

	bh_config_defaults(&cfg);
	set(&cfg, "forwarder_retry_queue_max_size", "4");
	set(&cfg, "forwarder_retry_queue_payloads_max_size", "3000000");
	bh_spool_limits(&cfg, false, &l);
	cr_expect_eq(l.memory_bytes, 1500000);
	set(&cfg, "forwarder_storage_max_size_in_bytes", "0");
	bh_spool_limits(&cfg, false, &l);
	cr_expect_eq(l.memory_bytes, 3000000);
	set(&cfg, "forwarder_retry_queue_payloads_max_size", "-1");
	bh_spool_limits(&cfg, false, &l);
	cr_expect_eq(l.memory_bytes, 8 * MIB);
	bh_config_release(&cfg);
}

static const struct {
	const char *key, *value;
	const char *key2, *value2;
	uint64_t disk, want;
} ratios[] = {
    {NULL, NULL, NULL, NULL, 1000 * MIB, 0},
    {L "max_disk_ratio", "0.8", NULL, NULL, 1000 * MIB, 200 * MIB},
    {"forwarder_storage_max_disk_ratio", "0.8", NULL, NULL, 1000 * MIB, 200 * MIB},
    {L "max_disk_ratio", "0.9", "forwarder_storage_max_disk_ratio", "0.5", 1000 * MIB, 500 * MIB},
    {L "max_disk_ratio", "1", NULL, NULL, 1000 * MIB, 0},
    {L "max_disk_ratio", "0.999", NULL, NULL, 1001, 2}, /* rounded up */
    {L "max_disk_ratio", "0.001", NULL, NULL, UINT64_MAX / 2, 9214148664817921032ULL},
};

/* §7: what is left to others is a share of the whole disk. */
Test(spool_limits, the_disk_ratio_leaves_a_share_of_the_disk_to_others)
{
	for (size_t i = 0; i < BH_ARRAY_LEN(ratios); i++) {
		struct bh_config cfg;

		bh_config_defaults(&cfg);
		if (ratios[i].key)
			set(&cfg, ratios[i].key, ratios[i].value);
		if (ratios[i].key2)
			set(&cfg, ratios[i].key2, ratios[i].value2);
		cr_expect_eq(bh_spool_disk_reserve(&cfg, ratios[i].disk), ratios[i].want,
		    "row %zu: %llu", i,
		    (unsigned long long)bh_spool_disk_reserve(&cfg, ratios[i].disk));
		bh_config_release(&cfg);
	}
}

Test(spool_limits, without_a_size_the_file_takes_a_fifth_of_what_is_free_or_a_gigabyte)
{
	struct bh_config cfg;

	bh_config_defaults(&cfg);
	cr_expect_eq(bh_spool_max_bytes(&cfg, 1000 * MIB), (int64_t)(200 * MIB));
	cr_expect_eq(bh_spool_max_bytes(&cfg, 0), BH_SPOOL_LEAST_BYTES);
	cr_expect_eq(bh_spool_max_bytes(&cfg, 100000 * MIB), (int64_t)(1024 * MIB));
	cr_expect_eq(bh_spool_max_bytes(&cfg, UINT64_MAX), (int64_t)(1024 * MIB));
	set(&cfg, "bulkhead.spool_max_size_bytes", "10737418240");
	cr_expect_eq(bh_spool_max_bytes(&cfg, 1), (int64_t)(10240 * MIB));
	bh_config_release(&cfg);
}
