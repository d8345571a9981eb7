/* datadog.yaml and the environment: what is read, what is said about mistakes. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config_load.h"
#include "common/config_value.h"
#include "common/config_yaml.h"
#include "config_fixture.h"

TestSuite(config_file, .init = config_start, .fini = config_stop);

/* --- datadog.yaml ----------------------------------------------------------------------------- */

Test(config_file, json_is_read_like_yaml)
{
	cr_assert_eq(
	    load("{\"site\": \"datadoghq.eu\", \"tags\": [\"a\", \"b\"], \"logs_enabled\": true,\n"
		 " \"logs_config\": {\"disk_retry\": {\"max_size_bytes\": 0}}, \"bulkhead\": "
		 "{\"spool_after\": 0}}"),
	    0);
	cr_assert_eq(findings.n, 0, "%s", finding(0));
	cr_assert_str_eq(cfg.site, "datadoghq.eu");
	cr_assert_eq(cfg.tags.n, 2);
	cr_assert(cfg.logs_enabled);
	cr_assert_eq(cfg.logs_disk_retry_max_size_bytes, 0);
	cr_assert_eq(cfg.spool_after_ms, 0);
}

Test(config_file, a_wrong_value_is_an_error_at_its_place)
{
	cr_assert_eq(load("site: x\nlogs_config:\n  open_files_limit: many\ndogstatsd_port: [1]\n"),
	    BH_E_CONFIG);
	cr_assert_eq(findings.errors, 2);
	assert_finding(0, BH_FINDING_ERROR, "datadog.yaml:3:21: ", "logs_config.open_files_limit");
	assert_finding(1, BH_FINDING_ERROR, "datadog.yaml:4:17: ", "dogstatsd_port");
	cr_assert_eq(cfg.logs_open_files_limit, 500);
}

Test(config_file, an_unknown_key_warns_and_names_the_nearest)
{
	cr_assert_eq(
	    load("dogstatsd_prot: 1\nlogs_config:\n  batch_wiat: 3\nsomething_else_entirely: 1\n"),
	    0);
	cr_assert_eq(findings.n, 3);
	assert_finding(0, BH_FINDING_MISTAKE, "datadog.yaml:1:1: ", "did you mean dogstatsd_port?");
	assert_finding(
	    1, BH_FINDING_MISTAKE, "datadog.yaml:3:3: ", "did you mean logs_config.batch_wait?");
	assert_finding(
	    2, BH_FINDING_MISTAKE, "datadog.yaml:4:1: ", "unknown key something_else_entirely");
}

Test(config_file, ignored_keys_cover_what_is_below_them)
{
	cr_assert_eq(
	    load("apm_config: {enabled: true, deep: {er: [1]}}\nfips:\n  enabled: x\n"), 0);
	cr_assert_eq(findings.n, 2);
	assert_finding(0, BH_FINDING_WARNING, "datadog.yaml:1:1: ", "apm_config");
	assert_finding(1, BH_FINDING_WARNING, "datadog.yaml:2:1: ", "no effect");
}

Test(config_file, batch_wait_out_of_range_warns_and_is_five_seconds)
{
	char *const env[] = {"DD_LOGS_CONFIG_BATCH_WAIT=60", NULL};

	cr_assert_eq(load("logs_config: {batch_wait: 11}"), 0);
	assert_finding(0, BH_FINDING_WARNING, "datadog.yaml:1:27: ", "batch_wait");
	cr_assert_eq(cfg.logs_batch_wait_ms, 5000);
	put("datadog.yaml", "logs_config: {batch_wait: 7}");
	cr_assert_eq(load_env(env), 0, "%s", finding(0));
	cr_assert_eq(findings.n, 1);
	cr_assert_eq(cfg.logs_batch_wait_ms, 5000, "the default, not the value of the file");
}

Test(config_file, bad_yaml_is_an_error_with_its_place)
{
	static const struct {
		const char *yaml, *where, *what;
	} cases[] = {{"site: x\ntags: [a, b\n", "datadog.yaml:2:7: ", "not closed"},
	    {"a: 1\nb: *x\n", "datadog.yaml:2:4: ", "alias"},
	    {"site: x\n---\nsite: y\n", "datadog.yaml:2:", ""},
	    {"- a\n", "datadog.yaml:1:1: ", "map"},
	    {"site: x\nsite: y\n", "datadog.yaml:2:1: ", "twice"},
	    {"\tsite: x\n", "datadog.yaml:1:", ""}};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		cr_assert_eq(load(cases[i].yaml), BH_E_CONFIG, "%s", cases[i].yaml);
		assert_finding(0, BH_FINDING_ERROR, cases[i].where, cases[i].what);
	}
}

Test(config_file, yaml_beyond_its_bounds_is_refused)
{
	char deep[128];
	char *large = malloc(BH_YAML_FILE_MAX + 2);

	memset(deep, '[', 64);
	deep[64] = '\0';
	cr_assert_eq(load(deep), BH_E_CONFIG);
	cr_assert_not_null(strstr(finding(0), "deep"), "%s", finding(0));
	cr_assert_not_null(large);
	memset(large, '#', BH_YAML_FILE_MAX + 1);
	large[BH_YAML_FILE_MAX + 1] = '\0';
	cr_assert_eq(load(large), BH_E_CONFIG);
	assert_finding(0, BH_FINDING_ERROR, "datadog.yaml: ", "4 MiB");
	large[0] = '[';
	for (size_t i = 1; i < 2 * BH_YAML_NODES_MAX + 10; i++)
		large[i] = i % 2 ? '1' : ',';
	large[2 * BH_YAML_NODES_MAX + 10] = '\0';
	cr_assert_eq(load(large), BH_E_CONFIG);
	cr_assert_not_null(strstr(finding(0), "too large"), "%s", finding(0));
	free(large);
}

Test(config_file, a_file_or_its_folder_may_be_named)
{
	char path[128];

	put("other.yaml", "site: other\n");
	put("datadog.yaml", "site: folder\n");
	(void)snprintf(path, sizeof(path), "%s/other.yaml", dir);
	bh_config_release(&cfg);
	cr_assert_eq(bh_config_load(&cfg, path, NULL, &findings), 0);
	cr_assert_str_eq(cfg.site, "other");
	cr_assert_neq(cfg.hostname[0], '\0');
	bh_config_release(&cfg);
	cr_assert_eq(bh_config_load(&cfg, dir, NULL, &findings), 0);
	cr_assert_str_eq(cfg.site, "folder");
	(void)snprintf(path, sizeof(path), "%s/conf.d", dir);
	cr_assert_str_eq(cfg.confd_path, path);
	(void)snprintf(path, sizeof(path), "%s/missing.yaml", dir);
	bh_config_release(&cfg);
	cr_assert_eq(bh_config_load(&cfg, path, NULL, &findings), BH_E_CONFIG);
	assert_finding(0, BH_FINDING_ERROR, "missing.yaml", "No such file");
}

/* --- environment ------------------------------------------------------------------------------ */

Test(config_file, the_environment_overrides_the_file)
{
	char *const env[] = {"DD_SITE=env", "DD_TAGS=a:1  b:2", "DD_URL=http://u",
	    "DD_HOSTNAME=", "BULKHEAD_RUN_DIR=/r", "DD_BULKHEAD_SPOOL_AFTER=0.5",
	    "DD_LOGS_CONFIG_DISK_RETRY_MAX_SIZE_BYTES=0", "SITE=no", NULL};

	put("datadog.yaml",
	    "site: file\nhostname: kept\nlogs_config: {disk_retry: {max_size_bytes: 9}}\n");
	cr_assert_eq(load_env(env), 0, "%s", finding(0));
	cr_assert_str_eq(cfg.site, "env");
	cr_assert_eq(cfg.tags.n, 2);
	cr_assert_str_eq(cfg.tags.v[1], "b:2");
	cr_assert_str_eq(cfg.dd_url, "http://u");
	cr_assert_str_eq(cfg.hostname, "kept");
	cr_assert_str_eq(cfg.run_dir, "/r");
	cr_assert_eq(cfg.spool_after_ms, 500);
	cr_assert_eq(cfg.logs_disk_retry_max_size_bytes, 0);
}

Test(config_file, a_wrong_variable_is_an_error_with_its_name)
{
	char *const env[] = {"DD_DOGSTATSD_PORT=x", NULL};

	put("datadog.yaml", "");
	cr_assert_eq(load_env(env), BH_E_CONFIG);
	cr_assert(
	    strncmp(finding(0), "environment DD_DOGSTATSD_PORT: ", 31) == 0, "%s", finding(0));
}

Test(config_file, log_enabled_is_the_old_name_of_logs_enabled)
{
	cr_assert_eq(load("log_enabled: true\n"), 0);
	cr_assert_eq(findings.n, 0, "%s", finding(0));
	cr_assert(cfg.logs_enabled);
}

Test(config_file, the_examples_load_without_findings)
{
	bh_config_release(&cfg);
	if (access("deploy/examples/datadog.yaml", R_OK) < 0)
		cr_skip_test("not started in the root of the repository");
	cr_assert_eq(bh_config_load(&cfg, "deploy/examples", NULL, &findings), 0);
	for (size_t i = 0; i < findings.n; i++)
		cr_assert_null(strstr(finding(i), "deploy/examples"), "%s", finding(i));
	cr_assert_eq(cfg.log_sources_n, 1);
}

/* spec/intake.md §2.1, §13.6 */
Test(config_file, blanks_around_keys_and_site_are_cut)
{
	cr_assert_eq(load("api_key: ' abc '\nsite: ' us5.datadoghq.com\t'\n"
			  "logs_config: {api_key: \"def\\n\"}\n"),
	    0);
	cr_expect_str_eq(cfg.api_key, "abc");
	cr_expect_str_eq(cfg.logs_api_key, "def");
	cr_expect_str_eq(cfg.site, "us5.datadoghq.com");
}

/* --- what a drop-in has to say ---------------------------------------------------------------- */

Test(config_file, keys_of_the_agent_that_do_nothing_here_are_not_unknown)
{
	static const char *const yaml[] = {"dogstatsd_pipeline_count: 2", "fips: {https: x}",
	    "forwarder_storage_path: /x", "logs_config: {atomic_registry_write: true}",
	    "logs_config: {auto_multi_line: {stack_trace_parsers: [go]}}",
	    "logs_config: {file_read_buffer_size: 1}", "logs_config: {use_port_443: true}",
	    "telemetry: {dogstatsd: {listeners_latency_buckets: [1]}}",
	    "dogstatsd_mem_based_rate_limiter: {enabled: true}", "use_v3_api: {series: {}}",
	    "observability_pipelines_worker: {traces: {url: x}}",
	    "logs_config: {disk_retry: {path: /x}}"};

	for (size_t i = 0; i < BH_ARRAY_LEN(yaml); i++) {
		cr_assert_eq(load(yaml[i]), 0, "%s", yaml[i]);
		cr_assert_eq(findings.n, 1, "%s: %zu findings", yaml[i], findings.n);
		cr_assert_not_null(strstr(finding(0), "known but has no effect"), "%s", finding(0));
	}
}

Test(config_file, an_ignored_key_below_another_is_named_from_the_environment)
{
	char *const env[] = {"DD_FIPS_ENABLED=true", NULL};

	put("datadog.yaml", "");
	cr_assert_eq(load_env(env), 0);
	cr_assert_eq(findings.n, 1);
	cr_assert_str_eq(finding(0),
	    "environment DD_FIPS_ENABLED: fips.enabled is known but has no "
	    "effect in this version");
}

Test(config_file, a_section_that_is_no_map_is_an_error)
{
	cr_assert_eq(load("logs_config: 5\nbulkhead: [1]\n"), BH_E_CONFIG);
	cr_assert_eq(findings.n, 2);
	assert_finding(0, BH_FINDING_ERROR, "datadog.yaml:1:14: ", "a map of keys");
	assert_finding(1, BH_FINDING_ERROR, "datadog.yaml:2:11: ", "a map of keys");
	cr_assert_eq(load("logs_config:\nbulkhead: ~\n"), 0);
	cr_assert_eq(findings.n, 0, "%s", finding(0));
}

Test(config_file, a_key_out_of_its_section_is_named_with_it)
{
	cr_assert_eq(load("batch_wait: 3\n"), 0);
	assert_finding(
	    0, BH_FINDING_MISTAKE, "datadog.yaml:1:1: ", "did you mean logs_config.batch_wait?");
}

Test(config_file, a_short_key_is_not_taken_for_any_other_short_key)
{
	cr_assert_eq(load("foo: 3\n"), 0);
	assert_finding(0, BH_FINDING_MISTAKE, "datadog.yaml:1:1: ", "it is ignored");
}

Test(config_file, words_are_checked_and_stored_as_they_are_known)
{
	cr_assert_eq(load("log_level: WARN\nserializer_compressor_kind: ''\n"), 0);
	cr_assert_str_eq(cfg.log_level, "warn");
	cr_assert_str_eq(cfg.serializer_compressor_kind, "zstd");
	cr_assert_eq(load("log_level: loud\nlogs_config: {compression_kind: lz4}\n"), BH_E_CONFIG);
	assert_finding(0, BH_FINDING_ERROR,
	    "datadog.yaml:1:12: ", "one of: off critical error warn warning info debug trace");
	assert_finding(1, BH_FINDING_ERROR, "datadog.yaml:2:", "one of: zstd gzip");
}

Test(config_file, durations_are_numbers_of_seconds_or_as_in_go)
{
	static const struct {
		const char *text;
		int64_t ms; /* -1: refused */
	} cases[] = {{"5", 5000}, {"0.5", 500}, {"250ms", 250}, {"1m30s", 90000}, {"1h", 3600000},
	    {"500us", 1}, {"1m-5s", -1}, {"5 s", -1}, {"s", -1}, {"", -1}, {"inf", -1}, {"1m5", -1},
	    {"1d", -1}};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		int rc = bh_config_set(&cfg, option("bulkhead.spool_after"), cases[i].text, NULL);

		cr_assert_eq(rc == 0, cases[i].ms >= 0, "%s", cases[i].text);
		cr_assert(rc || cfg.spool_after_ms == cases[i].ms, "%s", cases[i].text);
	}
}

/* spec/intake.md §17.1: the Agent's default is -1ns; its sign says all. */
Test(config_file, the_head_start_of_an_address_keeps_its_sign_however_small_it_is)
{
	static const struct {
		const char *text;
		int64_t ms;
	} cases[] = {{"-1ns", -1}, {"-1", -1000}, {"0", 0}, {"1ns", 1}, {"300ms", 300}};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		cr_assert_eq(
		    bh_config_set(&cfg, option("http_dial_fallback_delay"), cases[i].text, NULL), 0,
		    "%s", cases[i].text);
		cr_expect_eq(cfg.http_dial_fallback_delay_ms, cases[i].ms, "%s", cases[i].text);
	}
	cr_expect_neq(bh_config_set(&cfg, option("http_dial_fallback_delay"), "2m", NULL), 0);
}

Test(config_file, a_finding_is_one_line_whatever_the_file_holds)
{
	cr_assert_eq(load("\"a\\e[31m\\nb\": 1\n"), 0);
	cr_assert_not_null(strstr(finding(0), "unknown key a?[31m?b"), "%s", finding(0));
}

Test(config_file, noise_is_bounded_and_does_not_hide_an_error)
{
	struct bh_buf yaml = BH_BUF_INIT;

	for (int i = 0; i < 4000; i++)
		(void)bh_buf_printf(&yaml, "noise_without_meaning_%d: 1\n", i);
	(void)bh_buf_str(&yaml, "dogstatsd_port: x\n");
	cr_assert_eq(load(yaml.data), BH_E_CONFIG);
	cr_assert_lt(findings.n, 257);
	cr_assert_not_null(strstr(finding(findings.n - 1), "dogstatsd_port"));
	cr_assert_not_null(strstr(finding(findings.n - 2), "left out"));
	bh_buf_release(&yaml);
}

Test(config_file, a_map_of_too_many_keys_is_refused)
{
	struct bh_buf yaml = BH_BUF_INIT;

	for (int i = 0; i <= BH_YAML_MAP_MAX; i++)
		(void)bh_buf_printf(&yaml, "k%d: 1\n", i);
	cr_assert_eq(load(yaml.data), BH_E_CONFIG);
	cr_assert_not_null(strstr(finding(0), "too many keys"), "%s", finding(0));
	bh_buf_release(&yaml);
}

Test(config_file, an_alias_stands_for_what_it_names)
{
	cr_assert_eq(load("tags: &t [a, 'b c']\ndogstatsd_tags: *t\nsite: &s x\ndd_url: *s\n"
			  "logs_config: &m {batch_wait: 4}\n"),
	    0);
	cr_assert_eq(findings.n, 0, "%s", finding(0));
	cr_assert_eq(cfg.dogstatsd_tags.n, 2);
	cr_assert_str_eq(cfg.dogstatsd_tags.v[1], "b c");
	cr_assert_str_eq(cfg.dd_url, "x");
}

Test(config_file, aliases_cannot_grow_without_bound)
{
	struct bh_buf bomb = BH_BUF_INIT;

	(void)bh_buf_str(&bomb, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
	for (int i = 1; i < 20; i++)
		(void)bh_buf_printf(&bomb, "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n",
		    i, i, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
	cr_assert_eq(load(bomb.data), BH_E_CONFIG);
	cr_assert_not_null(strstr(finding(0), "too large"), "%s", finding(0));
	bh_buf_clear(&bomb);
	(void)bh_buf_str(&bomb, "a0: &a0 [x]\n");
	for (int i = 1; i < 40; i++)
		(void)bh_buf_printf(&bomb, "a%d: &a%d [*a%d]\n", i, i, i - 1);
	cr_assert_eq(load(bomb.data), BH_E_CONFIG);
	cr_assert_not_null(strstr(finding(0), "deep"), "%s", finding(0));
	cr_assert_eq(load("a: &a [*a]\n"), BH_E_CONFIG);
	cr_assert_not_null(strstr(finding(0), "not there"), "%s", finding(0));
	cr_assert_eq(load("&k site: x\ndd_url: *k\n"), BH_E_CONFIG);
	cr_assert_eq(load("site: \"a\\0b\"\n"), BH_E_CONFIG);
	assert_finding(0, BH_FINDING_ERROR, "datadog.yaml:1:7: ", "NUL");
	bh_buf_release(&bomb);
}

Test(config_file, a_fifo_in_place_of_the_file_does_not_block)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/datadog.yaml", dir);
	(void)alarm(20);
	cr_assert_eq(mkfifo(path, 0600), 0);
	cr_assert_eq(load_env(NULL), BH_E_CONFIG);
	assert_finding(0, BH_FINDING_ERROR, "datadog.yaml: ", "not a regular file");
}

Test(config_file, a_wrong_host_name_is_an_error_at_its_place)
{
	char *const env[] = {"DD_HOSTNAME=a..b", NULL};

	cr_assert_eq(load("site: x\nhostname: a_b\n"), BH_E_CONFIG);
	assert_finding(0, BH_FINDING_ERROR, "datadog.yaml:2:11: ", "RFC 1123");
	cr_assert_eq(load_env(env), BH_E_CONFIG);
	cr_assert(strncmp(finding(0), "environment DD_HOSTNAME: ", 25) == 0, "%s", finding(0));
}

Test(config_file, a_confd_path_that_is_not_there_is_named)
{
	cr_assert_eq(load("confd_path: /nowhere/conf.d\nhostname: h\n"), 0);
	cr_assert_eq(findings.n, 1);
	assert_finding(0, BH_FINDING_MISTAKE, "datadog.yaml:1:13: ",
	    "confd_path: /nowhere/conf.d: No such file or directory; there are no log sources");
}

/* --- structures ------------------------------------------------------------------------------- */

Test(config_file, a_structure_is_kept_as_json_for_the_process_that_reads_it)
{
	struct bh_config child = {0};
	struct bh_buf copy = BH_BUF_INIT;

	cr_assert_eq(load("dogstatsd_mapper_profiles:\n"
			  "  - name: p\n    prefix: 'a\"b'\n"
			  "    mappings: [{match: a.*, name: 5, tags: {k: $1}}]\n"),
	    0);
	cr_assert_str_eq(cfg.dogstatsd_mapper_profiles,
	    "[{\"name\":\"p\",\"prefix\":\"a\\\"b\",\"mappings\":[{\"match\":\"a.*\",\"name\":"
	    "\"5\","
	    "\"tags\":{\"k\":\"$1\"}}]}]");
	cr_assert_eq(bh_config_encode(&cfg, BH_ROLE_DOGSTATSD, &copy), 0);
	cr_assert_eq(bh_config_decode(&child, copy.data, copy.len), 0);
	cr_assert_str_eq(child.dogstatsd_mapper_profiles, cfg.dogstatsd_mapper_profiles);
	bh_config_release(&child);
	bh_buf_release(&copy);
}

Test(config_file, a_structure_from_the_environment_is_taken_as_it_is)
{
	char *const env[] = {"DD_DOGSTATSD_MAPPER_PROFILES=[{\"name\":\"p\"}]", NULL};

	put("datadog.yaml", "");
	cr_assert_eq(load_env(env), 0);
	cr_assert_str_eq(cfg.dogstatsd_mapper_profiles, "[{\"name\":\"p\"}]");
}
