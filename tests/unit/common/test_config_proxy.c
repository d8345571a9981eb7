#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/config_load.h"

/* proxy.* and bulkhead.tls.*: spec/intake.md §3, §3.1 */

static char path[64];
static struct bh_config cfg;
static struct bh_findings findings;

static void start(void)
{
	(void)snprintf(path, sizeof(path), "/tmp/bh-config-proxy-XXXXXX");
	cr_assert_eq(close(mkstemp(path)), 0);
	bh_config_defaults(&cfg);
}

static void stop(void)
{
	bh_config_release(&cfg);
	bh_findings_release(&findings);
	cr_assert_eq(unlink(path), 0);
}

TestSuite(config_proxy, .init = start, .fini = stop);

static int load(const char *yaml, char *const *env)
{
	FILE *f = fopen(path, "we");

	cr_assert_not_null(f);
	cr_assert_geq(fputs(yaml, f), 0);
	cr_assert_eq(fclose(f), 0);
	bh_config_release(&cfg);
	bh_findings_release(&findings);
	return bh_config_load(&cfg, path, env, &findings);
}

static const char *finding(size_t i)
{
	return i < findings.n ? findings.v[i].text : "(none)";
}

Test(config_proxy, dd_variables_win_over_general_ones_and_these_over_the_file)
{
	static const char yaml[] = "proxy: {https: 'http://file:1'}";
	static const struct {
		char *env[4];
		const char *https;
	} cases[] = {
	    {{NULL}, "http://file:1"},
	    {{"https_proxy=http://small:2"}, "http://small:2"},
	    {{"https_proxy=http://small:2", "HTTPS_PROXY=http://big:3"}, "http://big:3"},
	    {{"HTTPS_PROXY=http://big:3", "DD_PROXY_HTTPS=http://dd:4"}, "http://dd:4"},
	    {{"HTTPS_PROXY=http://big:3", "DD_PROXY_HTTPS="}, ""},
	    {{"HTTPS_PROXY="}, ""},
	    {{"HTTP_PROXY=http://other:5"}, "http://file:1"},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		cr_assert_eq(load(yaml, cases[i].env), 0, "case %zu: %s", i, finding(0));
		cr_assert_str_eq(cfg.proxy_https, cases[i].https, "case %zu", i);
	}
}

Test(config_proxy, no_proxy_is_a_list_or_words_between_blanks_and_commas)
{
	static const struct {
		const char *yaml;
		char *env[2];
	} cases[] = {
	    {"proxy: {no_proxy: [a, 'b:1', c]}", {NULL}},
	    {"proxy: {no_proxy: 'a,b:1 c'}", {NULL}},
	    {"proxy: {no_proxy: [x]}", {"DD_PROXY_NO_PROXY=a b:1,  c"}},
	    {"", {"NO_PROXY=a,b:1,c"}},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		cr_assert_eq(load(cases[i].yaml, cases[i].env), 0);
		cr_assert_eq(cfg.proxy_no_proxy.n, 3, "case %zu: %zu", i, cfg.proxy_no_proxy.n);
		cr_assert_str_eq(cfg.proxy_no_proxy.v[0], "a");
		cr_assert_str_eq(cfg.proxy_no_proxy.v[1], "b:1");
		cr_assert_str_eq(cfg.proxy_no_proxy.v[2], "c");
	}
}

Test(config_proxy, a_url_that_is_none_is_an_error_that_keeps_the_password)
{
	static const struct {
		const char *url;
		bool good;
	} cases[] = {
	    {"http://p:3128", true},
	    {"https://p", true},
	    {"HTTP://p/", true},
	    {"p:3128", true},
	    {"http://u:s3cret@p:3128", true},
	    {"http://u:s3cret%40x@[::1]:3128", true},
	    {"", true},
	    {"socks5://u:s3cret@p:1080", false},
	    {"ftp://p", false},
	    {"http://", false},
	    {"http://u:s3cret@", false},
	    {"http://u:s3cret@:80", false},
	    {"http://u:s3cret@p:0", false},
	    {"http://u:s3cret@p:65536", false},
	    {"http://u:s3cret#1@p:80", false},
	    {"http://u:s3cret/1@p:80", false},
	    {"http://u:s3cret @p:80", false},
	    {"http://u:s3cret@[::1", false},
	    {"http://u:s3cret@[::1]80", false},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		char yaml[128];

		(void)snprintf(yaml, sizeof(yaml), "proxy: {http: '%s'}", cases[i].url);
		cr_assert_eq(load(yaml, NULL), cases[i].good ? 0 : BH_E_CONFIG, "%s: %s",
		    cases[i].url, finding(0));
		if (cases[i].good)
			continue;
		cr_assert_not_null(strstr(finding(0), "proxy.http"), "%s", finding(0));
		cr_assert_null(strstr(finding(0), "s3cret"), "%s", finding(0));
	}
}

Test(config_proxy, variables_written_the_other_way_round_are_named)
{
	char *const env[] = {"DD_HTTP_PROXY=http://u:s3cret@p:1", NULL};

	cr_assert_eq(load("", env), 0);
	cr_assert_eq(findings.n, 1);
	cr_assert_str_eq(finding(0),
	    "environment DD_HTTP_PROXY: not a variable of the Agent; it is "
	    "ignored, write DD_PROXY_HTTP");
	cr_assert_str_eq(cfg.proxy_http, "");
}

Test(config_proxy, a_bad_variable_stops_the_start_and_is_named)
{
	char *const env[] = {"HTTPS_PROXY=socks4://u:s3cret@p:1", NULL};

	cr_assert_eq(load("", env), BH_E_CONFIG);
	cr_assert_eq(
	    strncmp(finding(0), "environment HTTPS_PROXY: proxy.https: ", 38), 0, "%s", finding(0));
	cr_assert_null(strstr(finding(0), "s3cret"));
}

Test(config_proxy, pins_are_digests_and_nothing_else)
{
	static const char good[] = "bulkhead: {tls: {pinned_public_keys: "
				   "['sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=']}}";
	static const char *const bad[] = {"/etc/ssl/key.pem", "sha256//",
	    "sha256//short=", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
	    "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFUU",
	    "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hS;FU="};

	cr_assert_eq(load(good, NULL), 0, "%s", finding(0));
	for (size_t i = 0; i < BH_ARRAY_LEN(bad); i++) {
		char yaml[192];

		(void)snprintf(
		    yaml, sizeof(yaml), "bulkhead: {tls: {pinned_public_keys: ['%s']}}", bad[i]);
		cr_assert_eq(load(yaml, NULL), BH_E_CONFIG, "%s", bad[i]);
		cr_assert_not_null(strstr(finding(0), bad[i]), "%s", finding(0));
	}
}

Test(config_proxy, a_version_that_does_not_exist_warns_and_is_1_2)
{
	cr_assert_eq(load("min_tls_version: TLSv1.3", NULL), 0);
	cr_assert_str_eq(cfg.min_tls_version, "tlsv1.3");
	cr_assert_eq(load("min_tls_version: tlsv1.4", NULL), 0);
	cr_assert_str_eq(cfg.min_tls_version, "tlsv1.2");
	cr_assert_eq(findings.n, 1);
	cr_assert_not_null(strstr(finding(0), "tlsv1.2 is used"), "%s", finding(0));
}

Test(config_proxy, only_the_forwarder_gets_proxies_and_tls_files)
{
	static const char yaml[] = "proxy: {http: 'http://u:s3cret@p:1', https: "
				   "'http://u:s3cret@p:1', no_proxy: [s3cret]}\n"
				   "bulkhead: {tls: {key_password: s3cret, key_file: /s3cret}}\n";

	cr_assert_eq(load(yaml, NULL), 0, "%s", finding(0));
	for (unsigned role = 0; role < BH_ROLE__N; role++) {
		struct bh_buf out = BH_BUF_INIT;

		cr_assert_eq(bh_config_encode(&cfg, (enum bh_role)role, &out), 0);
		cr_assert_eq(memmem(out.data, out.len, "s3cret", 6) != NULL,
		    role == BH_ROLE_FORWARDER, "role %u", role);
		bh_buf_release(&out);
	}
}
