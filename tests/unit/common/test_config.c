/* The table of options, their values, and the sealed copies. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_load.h"
#include "common/config_value.h"
#include "config_fixture.h"

#define KEY "0123456789abcdef0123456789abcdef"

TestSuite(config, .init = config_start, .fini = config_stop);

static bool contains(const struct bh_buf *b, const char *what)
{
	return memmem(b->data, b->len, what, strlen(what)) != NULL;
}

/* --- the table -------------------------------------------------------------------------------- */

static bool is_secret(const char *key)
{
	static const char *const secrets[] = {"api_key", "proxy.http", "proxy.https",
	    "bulkhead.tls.key_password", "additional_endpoints", "logs_config.additional_endpoints",
	    "logs_config.api_key"};

	for (size_t i = 0; i < BH_ARRAY_LEN(secrets); i++) {
		if (strcmp(secrets[i], key) == 0)
			return true;
	}
	return false;
}

Test(config, keys_are_unique_and_only_the_forwarder_sees_secrets)
{
	for (size_t i = 0; i < bh_options_n; i++) {
		const struct bh_option *o = &bh_options[i];

		for (size_t j = 0; j < i; j++)
			cr_assert_str_neq(o->key, bh_options[j].key);
		cr_assert_eq(o->type == BH_OPT_SECRET, is_secret(o->key), "%s", o->key);
		if (o->type == BH_OPT_SECRET)
			cr_assert_eq(o->roles, 1u << BH_ROLE_FORWARDER);
		else if (o->type != BH_OPT_IGNORED)
			cr_assert(o->roles && o->roles < 1u << BH_ROLE__N, "%s", o->key);
	}
}

Test(config, no_two_options_share_a_field)
{
	for (size_t i = 0; i < bh_options_n; i++) {
		for (size_t j = 0; j < i; j++) {
			if (bh_options[i].type != BH_OPT_IGNORED &&
			    bh_options[j].type != BH_OPT_IGNORED)
				cr_assert_neq(bh_options[i].offset, bh_options[j].offset, "%s",
				    bh_options[i].key);
		}
	}
}

Test(config, defaults_are_those_of_the_contract)
{
	cr_assert_str_eq(cfg.site, "datadoghq.com");
	cr_assert_str_eq(cfg.api_key, "");
	cr_assert_eq(cfg.dogstatsd_port, 8125);
	cr_assert_eq(cfg.dogstatsd_flush_interval_ms, 15000);
	cr_assert_eq(cfg.histogram_aggregates.n, 4);
	cr_assert_str_eq(cfg.histogram_percentiles.v[0], "0.95");
	cr_assert_eq(cfg.serializer_max_payload_size, 2621440);
	cr_assert_eq(cfg.serializer_max_uncompressed_payload_size, 4194304);
	cr_assert_eq(cfg.serializer_max_series_payload_size, 512000);
	cr_assert_eq(cfg.serializer_max_series_uncompressed_payload_size, 5242880);
	cr_assert_eq(cfg.serializer_max_series_points_per_payload, 10000);
	cr_assert_eq(cfg.logs_batch_wait_ms, 5000);
	cr_assert_eq(cfg.logs_sender_backoff_factor_milli, 2000);
	cr_assert_eq(cfg.logs_disk_retry_max_size_bytes, -1);
	cr_assert_eq(cfg.forwarder_storage_max_size_in_bytes, -1);
	cr_assert_eq(cfg.spool_after_ms, 5000);
	cr_assert_eq(cfg.spool_max_size_bytes, 0);
	cr_assert_eq(cfg.shutdown_budget_ms, 25000);
	cr_assert_eq(bh_config_stop_budget_ms(&cfg), 25000);
	cfg.logs_stop_grace_period_ms = 30000;
	cr_assert_eq(bh_config_stop_budget_ms(&cfg), 30000, "of logs_config.stop_grace_period");
	cfg.aggregator_stop_timeout_ms = 20000;
	cr_assert_eq(bh_config_stop_budget_ms(&cfg), 50000, "the flush has four tenths");
	cfg.aggregator_stop_timeout_ms = 2000;
	cfg.logs_stop_grace_period_ms = 0;
}

Test(config, role_names_read_back)
{
	for (unsigned i = 0; i < BH_ROLE__N; i++) {
		enum bh_role role = BH_ROLE__N;

		cr_assert_eq(bh_role_parse(bh_role_name((enum bh_role)i), &role), 0);
		cr_assert_eq(role, i);
	}
	enum bh_role role;

	cr_assert_lt(bh_role_parse("dogstats", &role), 0);
}

/* --- values ----------------------------------------------------------------------------------- */

Test(config, values_follow_their_type_and_range)
{
	static const struct {
		const char *key, *text;
		bool good;
	} cases[] = {{"logs_enabled", "T", true}, {"logs_enabled", "False", true},
	    {"logs_enabled", "yes", false}, {"dogstatsd_port", "65535", true},
	    {"dogstatsd_port", "65536", false}, {"dogstatsd_port", "-1", false},
	    {"dogstatsd_port", "__random__", true}, {"dogstatsd_buffer_size", "8k", false},
	    {"dogstatsd_buffer_size", "", false},
	    {"dogstatsd_buffer_size", "99999999999999999999", false},
	    {"logs_config.sender_backoff_base", "0.25", true},
	    {"logs_config.sender_backoff_base", "nan", false},
	    {"logs_config.sender_backoff_base", "-1", false}, {"bulkhead.spool_after", "1m", true},
	    {"bulkhead.spool_after", "1 parsec", false},
	    {"logs_config.sender_backoff_factor", "1.5", true}};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		struct bh_err err = BH_ERR_INIT;
		int rc = bh_config_set(&cfg, option(cases[i].key), cases[i].text, &err);

		cr_assert_eq(rc == 0, cases[i].good, "%s: %s", cases[i].key, cases[i].text);
		cr_assert(rc == 0 || strstr(err.text, cases[i].key), "%s", err.text);
	}
	cr_assert_eq(cfg.dogstatsd_port, -1);
	cr_assert_eq(cfg.logs_sender_backoff_base_ms, 250);
	cr_assert_eq(cfg.spool_after_ms, 60000);
	cr_assert_eq(cfg.logs_sender_backoff_factor_milli, 1500);
}

/* --- the sealed copy -------------------------------------------------------------------------- */

Test(config, only_the_forwarder_copy_carries_the_key)
{
	cr_assert_eq(bh_config_set(&cfg, option("api_key"), KEY, NULL), 0);
	for (unsigned i = 0; i < BH_ROLE__N; i++) {
		struct bh_buf out = BH_BUF_INIT;

		cr_assert_eq(bh_config_encode(&cfg, (enum bh_role)i, &out), 0);
		cr_assert_eq(contains(&out, KEY), i == BH_ROLE_FORWARDER, "%s",
		    bh_role_name((enum bh_role)i));
		bh_buf_release(&out);
	}
}

/* What a change of an option costs (spec/supervision.md §7): those who read it are restarted. */
Test(config, an_option_is_in_the_copies_of_those_who_read_it)
{
	static const struct {
		const char *key;
		unsigned roles;
	} cases[] = {
	    {"dd_url", 1u << BH_ROLE_FORWARDER},
	    {"site", 1u << BH_ROLE_FORWARDER},
	    {"logs_config.logs_dd_url", 1u << BH_ROLE_FORWARDER},
	    {"logs_config.batch_max_size", 1u << BH_ROLE_LOGS},
	    {"logs_config.http_timeout", 1u << BH_ROLE_FORWARDER},
	    {"dogstatsd_tags", 1u << BH_ROLE_DOGSTATSD},
	    {"hostname", 1u << BH_ROLE_DOGSTATSD | 1u << BH_ROLE_LOGS},
	    {"tags", 1u << BH_ROLE_DOGSTATSD | 1u << BH_ROLE_LOGS},
	    {"log_level", 14},
	    {"bulkhead.run_dir", 14},
	    {"confd_path", 1u << BH_ROLE_SUPERVISOR},
	    {"bulkhead.shutdown_budget", 1u << BH_ROLE_SUPERVISOR},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++)
		cr_assert_eq(option(cases[i].key)->roles, cases[i].roles, "%s", cases[i].key);
}

Test(config, a_copy_reads_back_as_it_was)
{
	struct bh_buf out = BH_BUF_INIT, again = BH_BUF_INIT;
	struct bh_config copy;

	put("conf.d/a.d/conf.yaml",
	    "logs: [{type: file, path: /a, service: s, tags: [x, y], exclude_paths: [/b]}]");
	cr_assert_eq(
	    load("api_key: " KEY "\ntags: [a:b, 'c d']\nhostname: h1\ndogstatsd_port: __random__\n"
		 "logs_config: {file_scan_period: 0.25}"),
	    0);
	cr_assert_eq(bh_config_encode(&cfg, BH_ROLE_LOGS, &out), 0);
	bh_config_defaults(&copy);
	cr_assert_eq(bh_config_decode(&copy, out.data, out.len), 0);
	cr_assert_str_eq(copy.hostname, "h1");
	cr_assert_str_eq(copy.api_key, "");
	cr_assert_str_eq(copy.tags.v[1], "c d");
	cr_assert_eq(copy.dogstatsd_port, 8125, "not for this process: the default");
	cr_assert_eq(copy.logs_file_scan_period_ms, 250);
	cr_assert_eq(copy.log_sources_n, 1);
	cr_assert_str_eq(copy.log_sources[0].tags.v[1], "y");
	cr_assert_str_eq(copy.log_sources[0].exclude_paths.v[0], "/b");
	cr_assert_eq(bh_config_encode(&copy, BH_ROLE_LOGS, &again), 0);
	cr_assert(bh_str_eq(bh_buf_view(&out), bh_buf_view(&again)));
	bh_buf_clear(&again);
	cr_assert_eq(bh_config_encode(&cfg, BH_ROLE_DOGSTATSD, &again), 0);
	cr_assert_eq(bh_config_decode(&copy, again.data, again.len), 0);
	cr_assert_eq(copy.log_sources_n, 0, "sources are for the logs process only");
	bh_config_release(&copy);
	bh_buf_release(&out);
	bh_buf_release(&again);
}

Test(config, a_damaged_copy_is_refused)
{
	char *at;
	struct bh_buf out = BH_BUF_INIT;
	struct bh_config copy;

	cr_assert_eq(bh_config_encode(&cfg, BH_ROLE_FORWARDER, &out), 0);
	bh_config_defaults(&copy);
	at = memmem(out.data, out.len, "datadoghq.com", 13);
	cr_assert_not_null(at);
	at[3] = '\0';
	cr_assert_eq(bh_config_decode(&copy, out.data, out.len), BH_E_FORMAT, "NUL within text");
	at[3] = 'a';
	for (size_t n = 0; n < out.len; n++)
		cr_assert_eq(bh_config_decode(&copy, out.data, n), BH_E_FORMAT, "cut at %zu", n);
	(void)bh_buf_u8(&out, 0);
	cr_assert_eq(bh_config_decode(&copy, out.data, out.len), BH_E_FORMAT, "a byte too many");
	out.data[0] ^= 1;
	cr_assert_eq(bh_config_decode(&copy, out.data, out.len - 1), BH_E_FORMAT, "magic");
	bh_config_release(&copy);
	bh_buf_release(&out);
}
