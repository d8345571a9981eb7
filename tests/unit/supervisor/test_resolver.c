/* Values of handles: files and secret_backend_command (spec/intake.md §13.6). */
#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "supervisor/resolver.h"
#include "tests/unit/remove_tree.h"

static char dir[] = "/tmp/bh-resolver-XXXXXX";
static char command[64];
static struct bh_config cfg;
static struct bh_secrets got;
static struct bh_err err;

static void set(char **field, const char *text)
{
	free(*field);
	*field = strdup(text);
	cr_assert_not_null(*field);
}

static void set_up(void)
{
	cr_assert_not_null(mkdtemp(dir));
	(void)snprintf(command, sizeof(command), "%s/backend", dir);
	bh_config_defaults(&cfg);
	set(&cfg.api_key, "ENC[key]");
	set(&cfg.proxy_http, "ENC[proxy]");
}

static void tear_down(void)
{
	bh_secrets_release(&got);
	bh_config_release(&cfg);
	(void)remove_tree(dir);
}

TestSuite(resolver, .init = set_up, .fini = tear_down);

static void write_command(const char *text, mode_t mode)
{
	FILE *f = fopen(command, "we");

	cr_assert_not_null(f);
	cr_assert_geq(fprintf(f, "#!/bin/sh\n%s\n", text), 0);
	cr_assert_eq(fclose(f), 0);
	cr_assert_eq(chmod(command, mode), 0);
	set(&cfg.secret_backend_command, command);
}

static int resolve(const char *script)
{
	write_command(script, 0700);
	bh_secrets_release(&got);
	err = (struct bh_err)BH_ERR_INIT;
	return bh_resolve(&cfg, &got, &err);
}

static const char *value(const char *handle)
{
	const struct bh_secret *s = bh_secrets_find(&got, bh_str_from(handle));

	return s && s->value ? s->value : "(none)";
}

#define GOOD "{\"key\":{\"value\":\"K\",\"error\":null},\"proxy\":{\"value\":\"http://p:1\"}}"

Test(resolver, all_handles_are_asked_for_in_one_call)
{
	char script[512];

	(void)snprintf(script, sizeof(script),
	    "cat >%s/asked; echo x >>%s/calls; printf '%%s' '" GOOD "'", dir, dir);
	cr_assert_eq(resolve(script), 0, "%s", err.text);
	cr_expect_str_eq(value("key"), "K");
	cr_expect_str_eq(value("proxy"), "http://p:1");
	(void)snprintf(script, sizeof(script),
	    "grep -qx '{\"version\":\"1.0\",\"secrets\":\\[\"key\",\"proxy\"\\]}' %s/asked && "
	    "[ $(wc -l <%s/calls) = 1 ] && echo '" GOOD "'",
	    dir, dir);
	cr_assert_eq(resolve(script), 0, "the request is as the protocol has it");
}

Test(resolver, its_arguments_and_the_environment_without_our_own)
{
	cr_assert_eq(setenv("DD_API_KEY", "canary", 1), 0);
	cr_assert_eq(setenv("BULKHEAD_X", "canary", 1), 0);
	cr_assert_eq(setenv("VAULT_ADDR", "v", 1), 0);
	cr_assert_eq(bh_strlist_add(&cfg.secret_backend_arguments, "a b", 3), 0);
	cr_assert_eq(resolve("[ \"$1\" = 'a b' ] && [ \"$VAULT_ADDR\" = v ] && "
			     "! env | grep -q canary && echo '" GOOD "'"),
	    0, "%s", err.text);
}

Test(resolver, what_goes_wrong_is_said_with_a_way_out)
{
	static const struct {
		const char *script;
		int code;
		const char *what;
	} cases[] = {
	    {"exit 3", BH_E_STATE, "ended with status 3: run it by hand, as this user, to see why"},
	    {"kill -9 $$", BH_E_STATE, "was ended by signal 9"},
	    {"exec sleep 100", BH_E_STATE,
		"did not end within 0.2 s and was killed: make it faster, or raise "
		"secret_backend_timeout"},
	    {"exec cat /dev/zero", BH_E_CONFIG,
		"wrote more than 4096 bytes and was killed: raise "
		"secret_backend_output_max_size if that is right"},
	    {"echo canary", BH_E_CONFIG,
		"its answer is no JSON object; it has to write "
		"{\"HANDLE\": {\"value\": \"TEXT\"}}"},
	    {"echo '{\"key\": [canary'", BH_E_CONFIG, "its answer:1:9: "},
	    {"true", BH_E_CONFIG, "its answer is no JSON object"},
	    {"echo '{}'", BH_E_CONFIG,
		"its answer has no member for ENC[key]: teach it this handle, or correct it"},
	    {"echo '{\"key\": {\"value\": null, \"error\": \"no such entry\"}}'", BH_E_CONFIG,
		"it has no value for ENC[key]: no such entry"},
	    {"echo '{\"key\": {\"value\": 5}}'", BH_E_CONFIG,
		"the value of ENC[key] is empty or no text"},
	    {"echo '{\"key\": {\"value\": \"\"}}'", BH_E_CONFIG, "is empty or no text"},
	    {"echo '{\"key\": \"canary\"}'", BH_E_CONFIG, "is empty or no text"},
	};

	cfg.secret_backend_output_max_size = 4096;
	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		bool sleeps = strstr(cases[i].script, "sleep") != NULL;

		cfg.secret_backend_timeout_ms = sleeps ? 200 : 60000;
		cr_expect_eq(resolve(cases[i].script), cases[i].code, "%s", cases[i].script);
		cr_expect_not_null(
		    strstr(err.text, cases[i].what), "%s: %s", cases[i].script, err.text);
		cr_expect_null(strstr(err.text, "canary"), "%s", err.text);
		cr_expect_eq(got.n, 0);
	}
}

Test(resolver, the_file_of_the_command_is_checked_as_the_agent_does)
{
	static const struct {
		mode_t mode;
		bool group, good;
		const char *what;
	} cases[] = {
	    {0700, false, true, ""},
	    {0500, false, true, ""},
	    {0750, false, false,
		"has rights 750, which let its group or others use it: chmod 700 "},
	    {0701, false, false, "chmod 700 "},
	    {0750, true, true, ""},
	    {0770, true, false, "has rights 770, which let others use it: chmod 750 "},
	    {0755, true, false, "chmod 750 "},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		err = (struct bh_err)BH_ERR_INIT;
		write_command("", cases[i].mode);
		cr_expect_eq(bh_command_check(command, cases[i].group, &err) == 0, cases[i].good,
		    "%o: %s", (unsigned)cases[i].mode, err.text);
		cr_expect_not_null(strstr(err.text, cases[i].what), "%s", err.text);
	}
	cr_expect_eq(bh_command_check("backend", false, &err), BH_E_CONFIG);
	cr_expect_not_null(strstr(err.text, "not an absolute path"));
	cr_expect_eq(bh_command_check("/nowhere/backend", false, &err), -ENOENT);
	cr_expect_eq(bh_command_check(dir, false, &err), BH_E_CONFIG);
	if (geteuid() == 0) {
		write_command("", 0700);
		cr_assert_eq(chown(command, 4711, 4711), 0);
		cr_expect_eq(bh_command_check(command, false, &err), BH_E_CONFIG);
		cr_expect_not_null(
		    strstr(err.text, "belongs to uid 4711; it must belong to uid 0"));
	}
}

Test(resolver, files_need_no_command_and_a_missing_one_is_named)
{
	char handle[96], path[80];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/key", dir);
	(void)snprintf(handle, sizeof(handle), "ENC[file@%s]", path);
	set(&cfg.api_key, handle);
	set(&cfg.proxy_http, "");
	cr_expect_eq(bh_resolve(&cfg, &got, &err), -ENOENT);
	cr_expect_not_null(strstr(err.text, path), "%s", err.text);
	f = fopen(path, "we");
	cr_assert_not_null(f);
	cr_assert_geq(fputs("K\n", f), 0);
	cr_assert_eq(fclose(f), 0);
	err = (struct bh_err)BH_ERR_INIT;
	cr_assert_eq(bh_resolve(&cfg, &got, &err), 0, "%s", err.text);
	cr_expect_str_eq(got.v[0].value, "K");
}

Test(resolver, without_a_command_a_handle_is_a_credential)
{
	cr_assert_eq(unsetenv("CREDENTIALS_DIRECTORY"), 0);
	cr_expect_eq(bh_resolve(&cfg, &got, &err), BH_E_CONFIG);
	cr_expect_not_null(strstr(err.text, "LoadCredential=key:/path"), "%s", err.text);
}

Test(resolver, line_ends_behind_a_value_stay_unless_they_are_not_wanted)
{
	static const char script[] =
	    "printf %s '{\"key\":{\"value\":\"K\\r\\n\"},\"proxy\":{\"value\":"
	    "\"x\"}}'";

	cr_assert_eq(resolve(script), 0, "%s", err.text);
	cr_expect_str_eq(value("key"), "K\r\n");
	cfg.secret_backend_trim = true;
	cr_assert_eq(resolve(script), 0, "%s", err.text);
	cr_expect_str_eq(value("key"), "K");
}
