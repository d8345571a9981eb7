#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "common/config_hostname.h"

static void resolve(
    const char *set, const char *own, const char *want, size_t warnings, size_t errors)
{
	struct bh_findings findings = {0};
	struct bh_config cfg;

	bh_config_defaults(&cfg);
	free(cfg.hostname);
	cfg.hostname = strdup(set);
	cr_assert_not_null(cfg.hostname);
	bh_config_resolve_hostname(&cfg, "f:1:2", own, &findings);
	cr_assert_str_eq(cfg.hostname, want);
	cr_assert_eq(findings.errors, errors, "%s", set);
	cr_assert_eq(findings.n, warnings + errors, "%s", set);
	cr_assert(!findings.n || strncmp(findings.v[0].text, "f:1:2: hostname: ", 17) == 0);
	bh_findings_release(&findings);
	bh_config_release(&cfg);
}

Test(config_hostname, names_follow_rfc_1123)
{
	static const char *const good[] = {"a", "web-1", "web-1.example.org", "1.2", "A9"};
	static const char *const bad[] = {"", "-a", "a-", "a..b", ".a", "a.", "a_b", "a b", "a.-b",
	    "\xc3\xa4", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
	char label[65] = {0};

	for (size_t i = 0; i < BH_ARRAY_LEN(good); i++)
		cr_assert(bh_hostname_valid(good[i]), "%s", good[i]);
	for (size_t i = 0; i < BH_ARRAY_LEN(bad); i++)
		cr_assert_not(bh_hostname_valid(bad[i]), "%s", bad[i]);
	memset(label, 'a', 63);
	cr_assert(bh_hostname_valid(label), "63 bytes are a label");
}

Test(config_hostname, the_option_counts_before_the_name_of_the_kernel)
{
	resolve("web", "other", "web", 0, 0);
	resolve("", "own", "own", 0, 0);
}

Test(config_hostname, localhost_gives_way_to_a_better_name)
{
	resolve("LocalHost", "own", "own", 1, 0);
	resolve("localhost", "localhost", "localhost", 1, 0);
}

Test(config_hostname, a_name_that_is_no_better_is_used_with_a_warning)
{
	resolve("", "localhost", "localhost", 1, 0);
	resolve("", "", "localhost", 1, 0);
	resolve("", "under_score", "under_score", 1, 0);
}

Test(config_hostname, a_wrong_option_is_an_error)
{
	resolve("a_b", "own", "a_b", 0, 1);
}
