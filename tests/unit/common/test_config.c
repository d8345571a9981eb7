#include <criterion/criterion.h>

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config_load.h"
#include "common/config_value.h"
#include "common/config_yaml.h"
#include "common/nearest.h"

#define KEY "0123456789abcdef0123456789abcdef"

static char dir[64];
static struct bh_config cfg;
static struct bh_findings findings;

static void start(void)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/bh-config-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	bh_config_defaults(&cfg);
}

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *at)
{
	(void)st;
	(void)flag;
	(void)at;
	return remove(path);
}

static void stop(void)
{
	bh_config_release(&cfg);
	bh_findings_release(&findings);
	(void)nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

TestSuite(config, .init = start, .fini = stop);

/* Writes dir/name, with the folders before it. */
static void put(const char *name, const char *text)
{
	char path[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	for (char *slash = strchr(path + strlen(dir) + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		cr_assert(mkdir(path, 0700) == 0 || errno == EEXIST);
		*slash = '/';
	}
	f = fopen(path, "we");
	cr_assert_not_null(f);
	cr_assert_geq(fputs(text, f), 0);
	cr_assert_eq(fclose(f), 0);
}

static int load_env(char *const *env)
{
	bh_config_release(&cfg);
	bh_findings_release(&findings);
	return bh_config_load(&cfg, dir, env, &findings);
}

static int load(const char *yaml)
{
	static char *const none[] = {NULL};

	put("datadog.yaml", yaml);
	return load_env(none);
}

static const char *finding(size_t i)
{
	return i < findings.n ? findings.v[i].text : "(none)";
}

/* The i-th finding is `where` below dir and says `what`. */
static void assert_finding(
    size_t i, enum bh_finding_level level, const char *where, const char *what)
{
	char want[256];

	(void)snprintf(want, sizeof(want), "%s/%s", dir, where);
	cr_assert_lt(i, findings.n, "%zu findings", findings.n);
	cr_assert_eq(findings.v[i].level, level, "%s", finding(i));
	cr_assert(strncmp(finding(i), want, strlen(want)) == 0, "%s: not at %s", finding(i), where);
	cr_assert_not_null(strstr(finding(i), what), "%s: does not say %s", finding(i), what);
}

static const struct bh_option *option(const char *key)
{
	for (size_t i = 0; i < bh_options_n; i++) {
		if (strcmp(bh_options[i].key, key) == 0)
			return &bh_options[i];
	}
	cr_assert_fail("no option %s", key);
	return NULL;
}

static bool contains(const struct bh_buf *b, const char *what)
{
	return memmem(b->data, b->len, what, strlen(what)) != NULL;
}

/* --- the table -------------------------------------------------------------------------------- */

static bool is_secret(const char *key)
{
	static const char *const secrets[] = {
	    "api_key", "proxy.http", "proxy.https", "bulkhead.tls.key_password"};

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
	cfg.aggregator_stop_timeout_ms = 20000;
	cr_assert_eq(bh_config_stop_budget_ms(&cfg), 50000, "the flush has four tenths");
	cfg.aggregator_stop_timeout_ms = 2000;
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

/* --- datadog.yaml ----------------------------------------------------------------------------- */

Test(config, json_is_read_like_yaml)
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

Test(config, a_wrong_value_is_an_error_at_its_place)
{
	cr_assert_eq(load("site: x\nlogs_config:\n  open_files_limit: many\ndogstatsd_port: [1]\n"),
	    BH_E_CONFIG);
	cr_assert_eq(findings.errors, 2);
	assert_finding(0, BH_FINDING_ERROR, "datadog.yaml:3:21: ", "logs_config.open_files_limit");
	assert_finding(1, BH_FINDING_ERROR, "datadog.yaml:4:17: ", "dogstatsd_port");
	cr_assert_eq(cfg.logs_open_files_limit, 500);
}

Test(config, an_unknown_key_warns_and_names_the_nearest)
{
	cr_assert_eq(
	    load("dogstatsd_prot: 1\nlogs_config:\n  batch_wiat: 3\nsomething_else_entirely: 1\n"),
	    0);
	cr_assert_eq(findings.n, 3);
	assert_finding(0, BH_FINDING_WARNING, "datadog.yaml:1:1: ", "did you mean dogstatsd_port?");
	assert_finding(
	    1, BH_FINDING_WARNING, "datadog.yaml:3:3: ", "did you mean logs_config.batch_wait?");
	assert_finding(
	    2, BH_FINDING_WARNING, "datadog.yaml:4:1: ", "unknown key something_else_entirely");
}

Test(config, ignored_keys_cover_what_is_below_them)
{
	cr_assert_eq(
	    load("apm_config: {enabled: true, deep: {er: [1]}}\nfips:\n  enabled: x\n"), 0);
	cr_assert_eq(findings.n, 2);
	assert_finding(0, BH_FINDING_WARNING, "datadog.yaml:1:1: ", "apm_config");
	assert_finding(1, BH_FINDING_WARNING, "datadog.yaml:2:1: ", "no effect");
}

Test(config, batch_wait_out_of_range_warns_and_is_five_seconds)
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

Test(config, bad_yaml_is_an_error_with_its_place)
{
	static const struct {
		const char *yaml, *where, *what;
	} cases[] = {{"site: x\ntags: [a, b\n", "datadog.yaml:3:1: ", ""},
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

Test(config, yaml_beyond_its_bounds_is_refused)
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

Test(config, a_file_or_its_folder_may_be_named)
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

Test(config, the_environment_overrides_the_file)
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

Test(config, a_wrong_variable_is_an_error_with_its_name)
{
	char *const env[] = {"DD_DOGSTATSD_PORT=x", NULL};

	put("datadog.yaml", "");
	cr_assert_eq(load_env(env), BH_E_CONFIG);
	cr_assert(
	    strncmp(finding(0), "environment DD_DOGSTATSD_PORT: ", 31) == 0, "%s", finding(0));
}

Test(config, log_enabled_is_the_old_name_of_logs_enabled)
{
	cr_assert_eq(load("log_enabled: true\n"), 0);
	cr_assert_eq(findings.n, 0, "%s", finding(0));
	cr_assert(cfg.logs_enabled);
}

/* --- conf.d ----------------------------------------------------------------------------------- */

Test(config, only_yaml_files_of_conf_d_are_read)
{
	put("conf.d/a.d/conf.yaml", "logs: [{type: file, path: /1}]");
	put("conf.d/b.d/x.yml", "logs: [{type: file, path: /2}]");
	put("conf.d/plain.yaml", "logs: [{type: file, path: /3}]");
	put("conf.d/a.d/conf.yaml.example", "logs: [{type: file, path: /no1}]");
	put("conf.d/a.d/conf.yaml.disabled", "logs: [{type: file, path: /no2}]");
	put("conf.d/a.d/conf.yaml.default", "logs: [{type: file, path: /no3}]");
	put("conf.d/a.d/.hidden.yaml", "logs: [{type: file, path: /no4}]");
	put("conf.d/other/conf.yaml", "logs: [{type: file, path: /no5}]");
	cr_assert_eq(load(""), 0);
	cr_assert_eq(findings.n, 0, "%s", finding(0));
	cr_assert_eq(cfg.log_sources_n, 3);
	for (size_t i = 0; i < 3; i++)
		cr_assert_eq(cfg.log_sources[i].path[1], (char)('1' + (int)i));
}

Test(config, a_bad_source_is_left_out_and_its_neighbours_stay)
{
	static const char *const says[] = {"a config must have a type",
	    "file source must have a path",
	    "type docker is not supported by bulkhead; source skipped",
	    "invalid tailing mode 'middle' for /m", "/good is read already by the source at "};

	put("conf.d/a.d/conf.yaml",
	    "logs:\n"
	    "  - path: /a\n"
	    "  - type: file\n"
	    "  - type: docker\n"
	    "  - {type: file, path: /m, start_position: middle}\n"
	    "  - {type: file, path: /good, tags: 'a:1,b:2', start_position: forceBeginning}\n"
	    "  - {type: file, path: /good}\n"
	    "  - {type: file, path: /last, sourcecategory: c}\n");
	put("conf.d/broken.d/conf.yaml", "logs: [{\n");
	cr_assert_eq(load(""), 0);
	cr_assert_eq(findings.n, 6);
	for (size_t i = 0; i < 5; i++) {
		char where[64];

		(void)snprintf(
		    where, sizeof(where), "conf.d/a.d/conf.yaml:%zu:5: ", i < 4 ? i + 2 : 7);
		assert_finding(i, BH_FINDING_WARNING, where, says[i]);
	}
	assert_finding(5, BH_FINDING_WARNING, "conf.d/broken.d/conf.yaml:", "");
	cr_assert_eq(cfg.log_sources_n, 7, "the status shows those that do not run, too");
	for (size_t i = 0; i < 7; i++)
		cr_assert_eq(cfg.log_sources[i].fault[0] == '\0', i == 4 || i == 6, "%zu", i);
	cr_assert_str_eq(cfg.log_sources[2].fault, "type docker is not supported by bulkhead");
	cr_assert_eq(cfg.log_sources[4].tags.n, 2);
	cr_assert_str_eq(cfg.log_sources[4].tags.v[1], "b:2");
	cr_assert_str_eq(cfg.log_sources[6].sourcecategory, "c");
}

Test(config, the_edit_distance_counts_and_stops_at_its_limit)
{
	cr_assert_eq(bh_edit_distance("site", "site", 3), 0);
	cr_assert_eq(bh_edit_distance("site", "sites", 3), 1);
	cr_assert_eq(bh_edit_distance("kitten", "sitting", 3), 3);
	cr_assert_eq(bh_edit_distance("abcdefgh", "", 3), 4);
}

Test(config, the_examples_load_without_findings)
{
	bh_config_release(&cfg);
	if (access("deploy/examples/datadog.yaml", R_OK) < 0)
		cr_skip_test("not started in the root of the repository");
	cr_assert_eq(bh_config_load(&cfg, "deploy/examples", NULL, &findings), 0);
	for (size_t i = 0; i < findings.n; i++)
		cr_assert_null(strstr(finding(i), "deploy/examples"), "%s", finding(i));
	cr_assert_eq(cfg.log_sources_n, 1);
}

/* --- what a drop-in has to say ---------------------------------------------------------------- */

Test(config, keys_of_the_agent_that_do_nothing_here_are_not_unknown)
{
	static const char *const yaml[] = {"dogstatsd_pipeline_count: 2", "fips: {https: x}",
	    "forwarder_storage_path: /x", "logs_config: {atomic_registry_write: true}",
	    "logs_config: {auto_multi_line: {stack_trace_parsers: [go]}}",
	    "logs_config: {file_read_buffer_size: 1}", "logs_config: {api_key: x}",
	    "telemetry: {dogstatsd: {listeners_latency_buckets: [1]}}",
	    "dogstatsd_mem_based_rate_limiter: {enabled: true}", "use_v3_api: {series: {}}",
	    "observability_pipelines_worker: {logs: {url: x}}",
	    "logs_config: {disk_retry: {path: /x}}"};

	for (size_t i = 0; i < BH_ARRAY_LEN(yaml); i++) {
		cr_assert_eq(load(yaml[i]), 0, "%s", yaml[i]);
		cr_assert_eq(findings.n, 1, "%s: %zu findings", yaml[i], findings.n);
		cr_assert_not_null(strstr(finding(0), "known but has no effect"), "%s", finding(0));
	}
}

Test(config, an_ignored_key_below_another_is_named_from_the_environment)
{
	char *const env[] = {"DD_FIPS_ENABLED=true", NULL};

	put("datadog.yaml", "");
	cr_assert_eq(load_env(env), 0);
	cr_assert_eq(findings.n, 1);
	cr_assert_str_eq(finding(0),
	    "environment DD_FIPS_ENABLED: fips.enabled is known but has no "
	    "effect in this version");
}

Test(config, a_section_that_is_no_map_is_an_error)
{
	cr_assert_eq(load("logs_config: 5\nbulkhead: [1]\n"), BH_E_CONFIG);
	cr_assert_eq(findings.n, 2);
	assert_finding(0, BH_FINDING_ERROR, "datadog.yaml:1:14: ", "a map of keys");
	assert_finding(1, BH_FINDING_ERROR, "datadog.yaml:2:11: ", "a map of keys");
	cr_assert_eq(load("logs_config:\nbulkhead: ~\n"), 0);
	cr_assert_eq(findings.n, 0, "%s", finding(0));
}

Test(config, a_key_out_of_its_section_is_named_with_it)
{
	cr_assert_eq(load("batch_wait: 3\n"), 0);
	assert_finding(
	    0, BH_FINDING_WARNING, "datadog.yaml:1:1: ", "did you mean logs_config.batch_wait?");
}

Test(config, a_short_key_is_not_taken_for_any_other_short_key)
{
	cr_assert_eq(load("foo: 3\n"), 0);
	assert_finding(0, BH_FINDING_WARNING, "datadog.yaml:1:1: ", "it is ignored");
}

Test(config, words_are_checked_and_stored_as_they_are_known)
{
	cr_assert_eq(load("log_level: WARN\nserializer_compressor_kind: ''\n"), 0);
	cr_assert_str_eq(cfg.log_level, "warn");
	cr_assert_str_eq(cfg.serializer_compressor_kind, "zstd");
	cr_assert_eq(load("log_level: loud\nlogs_config: {compression_kind: lz4}\n"), BH_E_CONFIG);
	assert_finding(0, BH_FINDING_ERROR,
	    "datadog.yaml:1:12: ", "one of: off critical error warn warning info debug trace");
	assert_finding(1, BH_FINDING_ERROR, "datadog.yaml:2:", "one of: zstd gzip");
}

Test(config, durations_are_numbers_of_seconds_or_as_in_go)
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

Test(config, a_finding_is_one_line_whatever_the_file_holds)
{
	cr_assert_eq(load("\"a\\e[31m\\nb\": 1\n"), 0);
	cr_assert_not_null(strstr(finding(0), "unknown key a?[31m?b"), "%s", finding(0));
}

Test(config, noise_is_bounded_and_does_not_hide_an_error)
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

Test(config, a_map_of_too_many_keys_is_refused)
{
	struct bh_buf yaml = BH_BUF_INIT;

	for (int i = 0; i <= BH_YAML_MAP_MAX; i++)
		(void)bh_buf_printf(&yaml, "k%d: 1\n", i);
	cr_assert_eq(load(yaml.data), BH_E_CONFIG);
	cr_assert_not_null(strstr(finding(0), "too many keys"), "%s", finding(0));
	bh_buf_release(&yaml);
}

Test(config, an_alias_stands_for_what_it_names)
{
	cr_assert_eq(load("tags: &t [a, 'b c']\ndogstatsd_tags: *t\nsite: &s x\ndd_url: *s\n"
			  "logs_config: &m {batch_wait: 4}\n"),
	    0);
	cr_assert_eq(findings.n, 0, "%s", finding(0));
	cr_assert_eq(cfg.dogstatsd_tags.n, 2);
	cr_assert_str_eq(cfg.dogstatsd_tags.v[1], "b c");
	cr_assert_str_eq(cfg.dd_url, "x");
}

Test(config, aliases_cannot_grow_without_bound)
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

Test(config, a_fifo_in_place_of_the_file_does_not_block)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/datadog.yaml", dir);
	cr_assert_eq(mkfifo(path, 0600), 0);
	(void)alarm(20);
	cr_assert_eq(load_env(NULL), BH_E_CONFIG);
	assert_finding(0, BH_FINDING_ERROR, "datadog.yaml: ", "not a regular file");
}

Test(config, a_wrong_host_name_is_an_error_at_its_place)
{
	char *const env[] = {"DD_HOSTNAME=a..b", NULL};

	cr_assert_eq(load("site: x\nhostname: a_b\n"), BH_E_CONFIG);
	assert_finding(0, BH_FINDING_ERROR, "datadog.yaml:2:11: ", "RFC 1123");
	cr_assert_eq(load_env(env), BH_E_CONFIG);
	cr_assert(strncmp(finding(0), "environment DD_HOSTNAME: ", 25) == 0, "%s", finding(0));
}

Test(config, a_confd_path_that_is_not_there_is_named)
{
	cr_assert_eq(load("confd_path: /nowhere/conf.d\nhostname: h\n"), 0);
	cr_assert_eq(findings.n, 1);
	cr_assert_str_eq(finding(0),
	    "/nowhere/conf.d: confd_path: No such file or directory; there are no log sources");
}

Test(config, sources_name_their_unknown_and_unused_keys_and_stay)
{
	put("conf.d/a.d/conf.yaml", "logs:\n"
				    "  - type: file\n"
				    "    path: /a\n"
				    "    servcie: web\n"
				    "    identifier: x\n"
				    "    zzzzzz: 1\n");
	cr_assert_eq(load("hostname: h\n"), 0);
	cr_assert_eq(findings.n, 3);
	assert_finding(0, BH_FINDING_WARNING, "conf.d/a.d/conf.yaml:4:5: ", "did you mean service");
	assert_finding(
	    1, BH_FINDING_WARNING, "conf.d/a.d/conf.yaml:5:5: ", "known but has no effect");
	assert_finding(2, BH_FINDING_WARNING, "conf.d/a.d/conf.yaml:6:5: ", "it is ignored");
	cr_assert_eq(cfg.log_sources_n, 1);
}

Test(config, tags_of_a_source_are_texts)
{
	static const struct {
		const char *tags;
		size_t n; /* 0: source skipped */
	} cases[] = {{"[a, \"5\"]", 2}, {"[5]", 0}, {"[true]", 0}, {"[1.5]", 0}, {"[null]", 0},
	    {"[[a]]", 0}, {"{a: b}", 0}, {"[nan]", 1}, {"[5a]", 1}, {"'a, b,c'", 3},
	    {"\"a\\nb,c\"", 2}};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		char yaml[128];

		(void)snprintf(
		    yaml, sizeof(yaml), "logs: [{type: file, path: /a, tags: %s}]", cases[i].tags);
		put("conf.d/a.d/conf.yaml", yaml);
		cr_assert_eq(load("hostname: h\n"), 0);
		cr_assert_eq(cfg.log_sources_n, cases[i].n > 0, "%s", cases[i].tags);
		cr_assert_eq(findings.n, cases[i].n == 0, "%s: %s", cases[i].tags, finding(0));
		cr_assert(
		    !cases[i].n || cfg.log_sources[0].tags.n == cases[i].n, "%s", cases[i].tags);
	}
	cr_assert_str_eq(cfg.log_sources[0].tags.v[0], "ab", "line ends are removed");
}

Test(config, a_source_of_wrong_shape_is_skipped_with_its_reason)
{
	put("conf.d/a.d/conf.yaml", "logs: [{type: file, path: /a, service: [x]}]");
	put("conf.d/b.d/conf.yaml", "logs: {type: file, path: /b}");
	put("conf.d/c.d/conf.yaml", "logs:\n");
	put("conf.d/d.d/conf.yaml", "logs: [{type: file, path: /d, service: ~}]");
	cr_assert_eq(load("hostname: h\n"), 0);
	cr_assert_eq(findings.n, 2);
	assert_finding(0, BH_FINDING_WARNING, "conf.d/a.d/conf.yaml:1:8: ", "service: a plain");
	assert_finding(1, BH_FINDING_WARNING, "conf.d/b.d/conf.yaml:1:7: ", "a list of sources");
	cr_assert_eq(cfg.log_sources_n, 1);
	cr_assert_str_eq(cfg.log_sources[0].service, "");
}

/* --- structures ------------------------------------------------------------------------------- */

Test(config, a_structure_is_kept_as_json_for_the_process_that_reads_it)
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

Test(config, a_structure_from_the_environment_is_taken_as_it_is)
{
	char *const env[] = {"DD_DOGSTATSD_MAPPER_PROFILES=[{\"name\":\"p\"}]", NULL};

	put("datadog.yaml", "");
	cr_assert_eq(load_env(env), 0);
	cr_assert_str_eq(cfg.dogstatsd_mapper_profiles, "[{\"name\":\"p\"}]");
}
