#include "config_fixture.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/remove_tree.h"

char dir[64];
struct bh_config cfg;
struct bh_findings findings;

void config_start(void)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/bh-config-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	bh_config_defaults(&cfg);
}

void config_stop(void)
{
	bh_config_release(&cfg);
	bh_findings_release(&findings);
	(void)remove_tree(dir);
}

void put_bytes(const char *name, const void *p, size_t n)
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
	cr_assert_eq(fwrite(p, 1, n, f), n);
	cr_assert_eq(fclose(f), 0);
}

void put(const char *name, const char *text)
{
	put_bytes(name, text, strlen(text));
}

int load_env(char *const *env)
{
	bh_config_release(&cfg);
	bh_findings_release(&findings);
	return bh_config_load(&cfg, dir, env, &findings);
}

int load(const char *yaml)
{
	static char *const none[] = {NULL};

	put("datadog.yaml", yaml);
	return load_env(none);
}

const char *finding(size_t i)
{
	return i < findings.n ? findings.v[i].text : "(none)";
}

void assert_finding(size_t i, enum bh_finding_level level, const char *where, const char *what)
{
	char want[256];

	(void)snprintf(want, sizeof(want), "%s/%s", dir, where);
	cr_assert_lt(i, findings.n, "%zu findings", findings.n);
	cr_assert_eq(findings.v[i].level, level, "%s", finding(i));
	cr_assert(strncmp(finding(i), want, strlen(want)) == 0, "%s: not at %s", finding(i), where);
	cr_assert_not_null(strstr(finding(i), what), "%s: does not say %s", finding(i), what);
}

const struct bh_option *option(const char *key)
{
	for (size_t i = 0; i < bh_options_n; i++) {
		if (strcmp(bh_options[i].key, key) == 0)
			return &bh_options[i];
	}
	cr_assert_fail("no option %s", key);
	return NULL;
}
