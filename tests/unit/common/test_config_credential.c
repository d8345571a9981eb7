#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config_credential.h"

/* LoadCredential=api_key: spec/supervision.md §15 */

static char dir[64], path[96], variable[128];
static struct bh_config cfg;
static struct bh_findings findings;

static void start(void)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/bh-credential-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/api_key", dir);
	(void)snprintf(variable, sizeof(variable), "CREDENTIALS_DIRECTORY=%s", dir);
	bh_config_defaults(&cfg);
}

static void stop(void)
{
	bh_config_release(&cfg);
	bh_findings_release(&findings);
	(void)unlink(path);
	(void)rmdir(path);
	cr_assert_eq(rmdir(dir), 0);
}

TestSuite(config_credential, .init = start, .fini = stop);

static void put(const char *text)
{
	FILE *f = fopen(path, "we");

	cr_assert_not_null(f);
	cr_assert_geq(fputs(text, f), 0);
	cr_assert_eq(fclose(f), 0);
}

static void read_it(void)
{
	char *env[] = {variable, NULL};

	bh_config_read_credential(&cfg, env, &findings);
}

Test(config_credential, the_key_is_the_word_in_the_file)
{
	static const char *const files[] = {"k3y", "k3y\n", " \tk3y\r\n\n"};

	for (size_t i = 0; i < BH_ARRAY_LEN(files); i++) {
		put(files[i]);
		read_it();
		cr_expect_str_eq(cfg.api_key, "k3y", "file %zu", i);
		cfg.api_key[0] = '\0';
	}
	cr_expect_eq(findings.n, 0);
}

Test(config_credential, a_key_that_is_set_wins)
{
	free(cfg.api_key);
	cfg.api_key = strdup("from the file");
	put("k3y");
	read_it();
	cr_expect_str_eq(cfg.api_key, "from the file");
}

Test(config_credential, neither_directory_nor_file_is_no_fault)
{
	char *none[] = {NULL};

	bh_config_read_credential(&cfg, none, &findings);
	bh_config_read_credential(&cfg, NULL, &findings);
	read_it();
	cr_expect_str_eq(cfg.api_key, "");
	cr_expect_eq(findings.n, 0);
}

Test(config_credential, what_cannot_be_read_is_an_error)
{
	char text[2048] = "";

	memset(text, 'k', sizeof(text) - 1);
	put(text);
	read_it();
	cr_expect_eq(findings.errors, 1);
	cr_expect_str_eq(cfg.api_key, "");
	cr_assert_eq(unlink(path), 0);
	cr_assert_eq(mkdir(path, 0700), 0);
	read_it();
	cr_expect_eq(findings.errors, 2);
}
