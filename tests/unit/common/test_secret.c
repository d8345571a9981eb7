/* ENC[handle] in the configuration (spec/intake.md §13.6). */
#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/config_load.h"
#include "common/config_value.h"
#include "common/secret.h"
#include "config_fixture.h"

#define FORWARDER (1u << BH_ROLE_FORWARDER)
#define DOGSTATSD (1u << BH_ROLE_DOGSTATSD)

static struct bh_secrets secrets;
static struct bh_config copy;
static struct bh_err err;

static void start(void)
{
	config_start();
	bh_config_defaults(&copy);
}

static void stop(void)
{
	bh_secrets_release(&secrets);
	bh_config_release(&copy);
	config_stop();
}

TestSuite(secret, .init = start, .fini = stop);

static void know(const char *handle, const char *value)
{
	struct bh_secret *s = bh_secrets_find(&secrets, bh_str_from(handle));

	cr_assert_not_null(s, "%s", handle);
	cr_assert_eq(bh_secret_set(s, value, strlen(value)), 0);
}

Test(secret, a_handle_is_the_whole_text)
{
	static const struct {
		const char *text, *handle;
	} cases[] = {
	    {"ENC[a]", "a"},
	    {"  ENC[a b]\n", "a b"},
	    {"ENC[{\"k\": \"[v]\"}]", "{\"k\": \"[v]\"}"},
	    {"ENC[]", ""},
	    {"ENC[a", ""},
	    {"db-ENC[a]", ""},
	    {"ENC[a]x", ""},
	    {"enc[a]", ""},
	    {"", ""},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		struct bh_str h = bh_secret_handle(cases[i].text);

		cr_expect(bh_str_eq(h, bh_str_from(cases[i].handle)), "%s", cases[i].text);
		cr_expect_eq(bh_secret_is(cases[i].text), cases[i].handle[0] != '\0');
	}
}

Test(secret, every_handle_is_collected_once)
{
	cr_assert_eq(load("api_key: ENC[key]\ndd_url: ENC[url]\nhostname: h\n"
			  "proxy: {http: 'ENC[key]', no_proxy: [a, 'ENC[host]']}\n"
			  "dogstatsd_mapper_profiles: [{name: 'ENC[a \"b\\c]', x: 'xENC[no]'}]\n"),
	    0, "%s", finding(0));
	cr_assert_eq(bh_secrets_collect(&cfg, &secrets), 0);
	cr_expect_eq(secrets.n, 4);
	for (size_t i = 0; i < secrets.n; i++)
		cr_expect_null(secrets.v[i].value);
	cr_expect_not_null(bh_secrets_find(&secrets, BH_STR_LIT("key")));
	cr_expect_not_null(bh_secrets_find(&secrets, BH_STR_LIT("url")));
	cr_expect_not_null(bh_secrets_find(&secrets, BH_STR_LIT("host")));
	cr_expect_not_null(bh_secrets_find(&secrets, BH_STR_LIT("a \"b\\c")));
}

Test(secret, values_go_to_the_options_of_the_roles_only)
{
	cr_assert_eq(load("api_key: ENC[key]\ndogstatsd_tags: [a:b, 'ENC[tag]']\nhostname: h\n"
			  "dogstatsd_mapper_profiles: [{name: 'ENC[name]'}]\n"),
	    0);
	cr_assert_eq(bh_secrets_collect(&cfg, &secrets), 0);
	know("key", "K");
	know("tag", "c:d e");
	know("name", "a\"\\b");
	cr_assert_eq(bh_secrets_apply(&cfg, DOGSTATSD, &secrets, &copy, &err), 0, "%s", err.text);
	cr_expect_str_eq(copy.api_key, "");
	cr_expect_eq(copy.dogstatsd_tags.n, 2);
	cr_expect_str_eq(copy.dogstatsd_tags.v[1], "c:d e");
	cr_expect_str_eq(copy.dogstatsd_mapper_profiles, "[{\"name\":\"a\\\"\\\\b\"}]");
	cr_assert_eq(bh_secrets_apply(&cfg, FORWARDER, &secrets, &copy, &err), 0, "%s", err.text);
	cr_expect_str_eq(copy.api_key, "K");
	cr_expect_str_eq(cfg.api_key, "ENC[key]", "what was read stays");
}

Test(secret, an_unknown_value_is_named_by_option_and_handle)
{
	cr_assert_eq(load("api_key: ENC[key]\nhostname: h\n"), 0);
	cr_assert_eq(bh_secrets_collect(&cfg, &secrets), 0);
	cr_assert_eq(bh_secrets_apply(&cfg, FORWARDER, &secrets, &copy, &err), BH_E_CONFIG);
	cr_expect_str_eq(err.text, "api_key: nobody told the value of ENC[key]");
}

Test(secret, a_value_that_does_not_fit_is_refused_and_not_shown)
{
	cr_assert_eq(load("proxy: {http: 'ENC[p]'}\nmin_tls_version: ENC[v]\nhostname: h\n"), 0,
	    "%s", finding(0));
	cr_assert_eq(bh_secrets_collect(&cfg, &secrets), 0);
	know("p", "ftp://canary");
	know("v", "tlsv1.3");
	cr_assert_eq(bh_secrets_apply(&cfg, FORWARDER, &secrets, &copy, &err), BH_E_CONFIG);
	cr_expect_str_eq(err.text, "proxy.http: the value of ENC[p] does not fit this option");
	know("p", "ENC[p]");
	cr_expect_eq(bh_secrets_apply(&cfg, FORWARDER, &secrets, &copy, &err), BH_E_CONFIG);
	know("p", "http://good:1");
	cr_assert_eq(bh_secrets_apply(&cfg, FORWARDER, &secrets, &copy, &err), 0, "%s", err.text);
	cr_expect_str_eq(copy.min_tls_version, "tlsv1.3");
}

Test(secret, options_the_supervisor_needs_are_no_handles)
{
	static const char *const keys[] = {"run_path", "hostname", "log_level",
	    "secret_backend_command", "secret_backend_arguments", "dogstatsd_socket",
	    "bulkhead.run_dir", "dogstatsd_buffer_size", "bulkhead.api_key_file"};

	for (size_t i = 0; i < BH_ARRAY_LEN(keys); i++)
		cr_expect_not(bh_secret_may_stand_in(option(keys[i])), "%s", keys[i]);
	cr_assert_eq(load("hostname: ENC[x]\n"), BH_E_CONFIG);
	assert_finding(0, BH_FINDING_ERROR, "datadog.yaml:1:11: ", "write the value itself");
}

Test(secret, plain_secrets_are_wiped_and_handles_stay)
{
	cr_assert_eq(
	    load(
		"api_key: canary\nproxy: {http: 'ENC[p]', https: 'http://u:p@h:1'}\nhostname: h\n"),
	    0);
	bh_secrets_wipe_plain(&cfg);
	cr_expect_str_eq(cfg.api_key, "");
	cr_expect_str_eq(cfg.proxy_https, "");
	cr_expect_str_eq(cfg.proxy_http, "ENC[p]");
}

Test(secret, the_key_may_come_from_a_file_or_a_credential)
{
	char env_text[128], want[128];
	char *const env[] = {env_text, NULL};

	put("creds/api_key", "k\n");
	(void)snprintf(env_text, sizeof(env_text), "CREDENTIALS_DIRECTORY=%s/creds", dir);
	put("datadog.yaml", "hostname: h\n");
	cr_assert_eq(load_env(env), 0);
	cr_expect_str_eq(cfg.api_key, "ENC[credential@api_key]");
	put("datadog.yaml", "hostname: h\nbulkhead: {api_key_file: /k}\n");
	cr_assert_eq(load_env(env), 0);
	cr_expect_str_eq(cfg.api_key, "ENC[file@/k]", "what is written goes before what is found");
	(void)snprintf(want, sizeof(want), "plain");
	put("datadog.yaml", "hostname: h\napi_key: plain\nbulkhead: {api_key_file: /k}\n");
	cr_assert_eq(load_env(env), 0);
	cr_expect_str_eq(cfg.api_key, want);
}

Test(secret, a_handle_says_where_its_value_is)
{
	static const struct {
		const char *handle;
		bool command;
		const char *credentials, *path; /* path NULL: the command; "": an error */
	} cases[] = {
	    {"file@/a/b", false, NULL, "/a/b"},
	    {"file@/a/b", true, NULL, "/a/b"},
	    {"credential@k", true, "/c", "/c/k"},
	    {"credential@k", true, NULL, ""},
	    {"k", false, "/c", "/c/k"},
	    {"k", true, "/c", NULL},
	    {"k", false, NULL, ""},
	    {"../k", false, "/c", ""},
	    {"..", false, "/c", ""},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		char *path = NULL;
		int rc = bh_secret_path(
		    cases[i].handle, cases[i].command, cases[i].credentials, &path, &err);

		if (cases[i].path && !cases[i].path[0]) {
			cr_expect_eq(rc, BH_E_CONFIG, "%s", cases[i].handle);
		} else {
			cr_expect_eq(rc, 0, "%s", cases[i].handle);
			cr_expect(cases[i].path ? path && strcmp(path, cases[i].path) == 0 : !path,
			    "%s", cases[i].handle);
		}
		free(path);
	}
}

Test(secret, a_file_is_read_without_what_surrounds_the_value)
{
	struct bh_secret one = {.handle = (char[]){"h"}};
	char path[128], large[BH_SECRET_FILE_MAX + 2];

	(void)snprintf(path, sizeof(path), "%s/k", dir);
	put("k", " \n value \r\n\n");
	cr_assert_eq(bh_secret_read(&one, path, &err), 0, "%s", err.text);
	cr_expect_str_eq(one.value, "value");
	put("k", " \n");
	cr_expect_eq(bh_secret_read(&one, path, &err), BH_E_CONFIG);
	cr_expect_not_null(strstr(err.text, "is empty"));
	put_bytes("k", "a\0b", 3);
	cr_expect_eq(bh_secret_read(&one, path, &err), BH_E_CONFIG);
	memset(large, 'x', sizeof(large));
	put_bytes("k", large, sizeof(large));
	cr_expect_eq(bh_secret_read(&one, path, &err), BH_E_CONFIG);
	cr_expect_eq(bh_secret_read(&one, dir, &err), BH_E_CONFIG);
	cr_expect_eq(bh_secret_read(&one, "/nowhere/k", &err), -ENOENT);
	cr_expect_str_eq(one.value, "value", "the old one stays");
	free(one.value);
}
