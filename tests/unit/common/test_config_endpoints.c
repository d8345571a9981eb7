/* additional_endpoints and logs_config.additional_endpoints (spec/intake.md §5, §13.6, §13.8,
 * §14.5). */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/config_endpoints.h"
#include "common/config_load.h"

#define SECRET "5ecret5ecret5ecret5ecret"

static char dir[64], file[96];
static struct bh_config cfg;
static struct bh_findings findings;

static void start(void)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/bh-endpoints-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	(void)snprintf(file, sizeof(file), "%s/datadog.yaml", dir);
	bh_config_defaults(&cfg);
}

static void stop(void)
{
	bh_config_release(&cfg);
	bh_findings_release(&findings);
	(void)unlink(file);
	(void)rmdir(dir);
}

TestSuite(config_endpoints, .init = start, .fini = stop);

static int load(const char *yaml, const char *env)
{
	char *const environ_[] = {(char *)(uintptr_t)env, NULL};
	FILE *f = fopen(file, "we");

	cr_assert_not_null(f);
	cr_assert_geq(fputs(yaml, f), 0);
	cr_assert_eq(fclose(f), 0);
	bh_config_release(&cfg);
	bh_findings_release(&findings);
	return bh_config_load(&cfg, dir, environ_, &findings);
}

/* "l+ url key" per endpoint: logs or metrics, reliable or not. */
static void expect(const char *want)
{
	struct bh_buf got = BH_BUF_INIT;

	for (size_t i = 0; i < cfg.endpoints_n; i++) {
		const struct bh_endpoint *e = &cfg.endpoints[i];

		(void)bh_buf_printf(&got, "%c%c %s %s;", e->logs ? 'l' : 'm',
		    e->reliable ? '+' : '-', e->url, e->api_key);
	}
	cr_expect_str_eq(got.data ? got.data : "", want);
	bh_buf_release(&got);
}

Test(config_endpoints, metrics_are_a_map_of_urls_to_keys)
{
	static const struct {
		const char *yaml, *env, *want;
	} cases[] = {
	    {"additional_endpoints:\n", NULL, ""},
	    {"additional_endpoints: {}\n", NULL, ""},
	    {"additional_endpoints:\n  https://a.example:\n  - k1\n  - ' k2 '\n  - ''\n"
	     "  http://b:8080/x/: [k1]\n",
		NULL, "m+ https://a.example k1;m+ https://a.example k2;m+ http://b:8080/x/ k1;"},
	    {"additional_endpoints: '{\"https://a\": [\"k1\"]}'\n", NULL, "m+ https://a k1;"},
	    {"additional_endpoints: {https://a: [k1]}\n",
		"DD_ADDITIONAL_ENDPOINTS={\"https://b\": [\"k2\", \"k3\"]}",
		"m+ https://b k2;m+ https://b k3;"},
	    {"site: x\n", "DD_ADDITIONAL_ENDPOINTS={}", ""},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		cr_expect_eq(load(cases[i].yaml, cases[i].env), 0, "%zu: %s", i,
		    findings.n ? findings.v[0].text : "");
		expect(cases[i].want);
	}
}

Test(config_endpoints, logs_are_a_list_of_maps)
{
	static const struct {
		const char *logs_config, *want;
	} cases[] = {
	    {"[{host: h, api_key: k}]", "l+ https://h k;"},
	    {"[{Host: h, Port: 8443, API_KEY: ' k '}]", "l+ https://h:8443 k;"},
	    {"[{host: h, port: 80, use_ssl: false, api_key: k, is_reliable: false}]",
		"l- http://h:80 k;"},
	    {"[{host: 'http://h:90/', api_key: k, path_prefix: pre/}]", "l+ http://h:90/pre k;"},
	    {"[{host: h, api_key: k, version: 1, use_compression: false, compression_level: 3}]",
		"l+ https://h/v1/input k;"},
	    {"[{host: a, api_key: k}, {host: b, api_key: k, is_reliable: true}]",
		"l+ https://a k;l+ https://b k;"},
	};
	char yaml[512];

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		(void)snprintf(yaml, sizeof(yaml),
		    "logs_config:\n  compression_kind: zstd\n  additional_endpoints: %s\n",
		    cases[i].logs_config);
		cr_expect_eq(load(yaml, NULL), 0, "%zu", i);
		cr_expect_eq(findings.n, 0, "%zu: %s", i, findings.n ? findings.v[0].text : "");
		expect(cases[i].want);
	}
	cr_expect_eq(load("", "DD_LOGS_CONFIG_ADDITIONAL_ENDPOINTS=[{\"host\":\"h\","
			      "\"api_key\":\"k\",\"is_reliable\":false}]"),
	    0);
	expect("l- https://h k;");
}

Test(config_endpoints, tls_is_the_main_endpoints_unless_it_is_said)
{
	static const struct {
		const char *main, *want;
	} cases[] = {
	    {"logs_dd_url: 'http://x'", "l+ http://h k;"},
	    {"logs_dd_url: 'https://x'\n  logs_no_ssl: true", "l+ https://h k;"},
	    {"logs_dd_url: 'x:80'\n  logs_no_ssl: true", "l+ http://h k;"},
	    {"logs_dd_url: 'x:443'", "l+ https://h k;"},
	    {"logs_no_ssl: true", "l+ https://h k;"},
	};
	char yaml[256];

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		(void)snprintf(yaml, sizeof(yaml),
		    "logs_config:\n  additional_endpoints: [{host: h, api_key: k}]\n  %s\n",
		    cases[i].main);
		cr_expect_eq(load(yaml, NULL), 0);
		expect(cases[i].want);
	}
}

/* §5: older relays do not know zstd. */
Test(config_endpoints, further_endpoints_for_logs_mean_gzip_unless_it_is_said)
{
	static const char with[] = "logs_config: {additional_endpoints: [{host: h, api_key: k}]}\n";

	cr_expect_eq(load(with, NULL), 0);
	cr_expect_str_eq(cfg.logs_compression_kind, "gzip");
	cr_assert_eq(findings.n, 1);
	cr_expect_not_null(strstr(findings.v[0].text, "gzip"));
	cr_expect_eq(load(with, "DD_LOGS_CONFIG_COMPRESSION_KIND=zstd"), 0);
	cr_expect_str_eq(cfg.logs_compression_kind, "zstd");
	cr_expect_eq(findings.n, 0);
	cr_expect_eq(load("additional_endpoints: {https://a: [k1]}\n", NULL), 0);
	cr_expect_str_eq(cfg.logs_compression_kind, "zstd");
}

Test(config_endpoints, a_fault_has_its_place_and_never_quotes_a_key)
{
	static const struct {
		const char *yaml, *env, *at, *says;
	} cases[] = {
	    {"additional_endpoints: [" SECRET "]\n", NULL, "datadog.yaml:1:23", "a map of URLs"},
	    {"additional_endpoints:\n  " SECRET ": [" SECRET "]\n", NULL,
		":2:", "http:// or https://"},
	    {"additional_endpoints:\n  https://u:" SECRET "@h: [" SECRET "]\n", NULL,
		":2:", "without user and password"},
	    {"additional_endpoints: {'https:///x': [" SECRET "]}\n", NULL, ":1:", "no host"},
	    {"additional_endpoints: {'https://h/?q': [" SECRET "]}\n", NULL, ":1:", "character"},
	    {"additional_endpoints: {https://h: []}\n", NULL, ":1:", "without an API key"},
	    {"additional_endpoints: {https://h: {" SECRET ": 1}}\n", NULL,
		":1:", "without an API key"},
	    {"additional_endpoints: {https://h: [[" SECRET "]]}\n", NULL, ":1:", "plain value"},
	    {"additional_endpoints: {https://h: ['" SECRET " " SECRET "']}\n", NULL,
		":1:", "a header cannot"},
	    {"logs_config:\n  additional_endpoints: {host: " SECRET "}\n", NULL,
		":2:", "a list of maps"},
	    {"logs_config:\n  additional_endpoints: [" SECRET "]\n", NULL,
		":2:", "a map with host"},
	    {"logs_config:\n  additional_endpoints: [{api_key: " SECRET "}]\n", NULL,
		":2:", "a host is wanted"},
	    {"logs_config:\n  additional_endpoints: [{host: h}]\n", NULL,
		":2:", "an api_key is wanted"},
	    {"logs_config:\n  additional_endpoints: [{host: h, port: 70000, api_key: " SECRET
	     "}]\n",
		NULL, ":2:", "port"},
	    {"", "DD_ADDITIONAL_ENDPOINTS={" SECRET, "environment DD_ADDITIONAL_ENDPOINTS",
		"is not JSON"},
	    {"", "DD_LOGS_CONFIG_ADDITIONAL_ENDPOINTS=" SECRET,
		"environment DD_LOGS_CONFIG_ADDITIONAL_ENDPOINTS", "a list of maps"},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		cr_expect_eq(load(cases[i].yaml, cases[i].env), BH_E_CONFIG, "%zu", i);
		cr_assert_gt(findings.n, 0, "%zu", i);
		cr_expect_not_null(
		    strstr(findings.v[0].text, cases[i].at), "%zu: %s", i, findings.v[0].text);
		cr_expect_not_null(
		    strstr(findings.v[0].text, cases[i].says), "%zu: %s", i, findings.v[0].text);
		for (size_t f = 0; f < findings.n; f++)
			cr_expect_null(
			    strstr(findings.v[f].text, SECRET), "%s", findings.v[f].text);
		cr_expect_eq(cfg.endpoints_n, 0, "%zu", i);
	}
}

/* §14.5: inherits; 0 = never */
Test(config_endpoints, connections_have_an_age_of_their_own)
{
	struct bh_buf sealed = BH_BUF_INIT;

	cr_assert_eq(
	    load("logs_config: {compression_kind: zstd, additional_endpoints: [{host: a, "
		 "api_key: k}, {host: b, api_key: k, connection_reset_interval: 0}, {host: "
		 "c, api_key: k, Connection_Reset_Interval: 30}]}",
		NULL),
	    0);
	cr_assert_eq(findings.n, 0);
	for (int round = 0; round < 2; round++) {
		cr_assert_eq(cfg.endpoints_n, 3);
		cr_expect_eq(cfg.endpoints[0].reset_ms, -1);
		cr_expect_eq(cfg.endpoints[1].reset_ms, 0);
		cr_expect_eq(cfg.endpoints[2].reset_ms, 30000);
		if (round)
			break;
		cr_assert_eq(bh_config_encode(&cfg, BH_ROLE_FORWARDER, &sealed), 0);
		bh_config_release(&cfg);
		bh_config_defaults(&cfg);
		cr_assert_eq(bh_config_decode(&cfg, sealed.data, sealed.len), 0);
	}
	bh_buf_release(&sealed);
}

Test(config_endpoints, there_is_a_limit)
{
	struct bh_buf yaml = BH_BUF_INIT;

	(void)bh_buf_str(&yaml, "additional_endpoints:\n  https://h:\n");
	for (int i = 0; i <= BH_ENDPOINTS_MAX; i++)
		(void)bh_buf_printf(&yaml, "  - key%d\n", i);
	(void)bh_buf_u8(&yaml, 0);
	cr_expect_eq(load(yaml.data, NULL), BH_E_CONFIG);
	cr_expect_eq(cfg.endpoints_n, BH_ENDPOINTS_MAX);
	cr_expect_not_null(strstr(findings.v[0].text, "24"));
	bh_buf_release(&yaml);
}

Test(config_endpoints, only_the_forwarder_gets_them)
{
	static const enum bh_role roles[] = {BH_ROLE_DOGSTATSD, BH_ROLE_LOGS, BH_ROLE_FORWARDER};

	cr_assert_eq(load("additional_endpoints: {https://a: [" SECRET "]}\n"
			  "logs_config: {api_key: " SECRET ", additional_endpoints: [{host: h, "
			  "api_key: " SECRET ", is_reliable: false}]}\n",
			 NULL),
	    0);
	for (size_t i = 0; i < BH_ARRAY_LEN(roles); i++) {
		struct bh_buf copy = BH_BUF_INIT;
		bool forwarder = roles[i] == BH_ROLE_FORWARDER;

		cr_assert_eq(bh_config_encode(&cfg, roles[i], &copy), 0);
		cr_expect_eq(
		    memmem(copy.data, copy.len, SECRET, strlen(SECRET)) != NULL, forwarder);
		if (forwarder) {
			cr_assert_eq(bh_config_decode(&cfg, copy.data, copy.len), 0);
			expect("m+ https://a " SECRET ";l- https://h " SECRET ";");
			cr_expect_str_eq(cfg.logs_api_key, SECRET);
			cr_expect_eq(bh_config_decode(&cfg, copy.data, copy.len - 1), BH_E_FORMAT);
		}
		bh_buf_release(&copy);
	}
}
