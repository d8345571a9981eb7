/* What a reload decides before it does anything (spec/supervision.md §7). */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/config_logs.h"
#include "common/config_endpoints.h"
#include "supervisor/reload.h"
#include "supervisor/reload_config.h"
#include "supervisor/sealed.h"

static struct bh_config used, next;
static struct bh_strlist keys;

static void set_text(char **field, const char *text)
{
	free(*field);
	*field = strdup(text);
}

static void set_up(void)
{
	bh_config_defaults(&used);
	bh_config_defaults(&next);
	set_text(&used.hostname, "h");
	set_text(&next.hostname, "h");
}

static void tear_down(void)
{
	bh_config_release(&used);
	bh_config_release(&next);
	bh_strlist_release(&keys);
}

TestSuite(reload, .init = set_up, .fini = tear_down);

Test(reload, options_that_act_at_a_start_keep_their_value_and_are_named)
{
	set_text(&next.run_path, "/elsewhere");
	next.logs_enabled = true;
	next.dogstatsd_port = 9125;
	set_text(&next.dd_url, "http://x");
	cr_assert_eq(bh_reload_keep_fixed(&used, &next, &keys), 0);
	cr_assert_eq(keys.n, 3);
	cr_assert_str_eq(keys.v[0], "run_path");
	cr_assert_str_eq(keys.v[1], "logs_enabled");
	cr_assert_str_eq(keys.v[2], "dogstatsd_port");
	cr_assert_str_eq(next.run_path, "/var/lib/bulkhead");
	cr_assert_not(next.logs_enabled);
	cr_assert_eq(next.dogstatsd_port, 8125);
	cr_assert_str_eq(next.dd_url, "http://x", "the others are taken");
}

Test(reload, without_a_difference_nothing_is_named)
{
	cr_assert_eq(bh_reload_keep_fixed(&used, &next, &keys), 0);
	cr_assert_eq(keys.n, 0);
}

static void add_source(struct bh_config *cfg, const char *path)
{
	struct bh_log_source *s;

	cfg->log_sources =
	    reallocarray(cfg->log_sources, cfg->log_sources_n + 1, sizeof(*cfg->log_sources));
	s = &cfg->log_sources[cfg->log_sources_n++];
	cr_assert_eq(bh_log_source_init(s), 0);
	set_text(&s->type, "file");
	set_text(&s->path, path);
}

static enum bh_sealed_diff differ(enum bh_role role)
{
	const struct bh_secrets none = {NULL, 0};
	struct bh_err err = BH_ERR_INIT;
	int a = bh_sealed_make(&used, role, &none, &err);
	int b = bh_sealed_make(&next, role, &none, &err);
	enum bh_sealed_diff d;

	cr_assert(a >= 0 && b >= 0);
	d = bh_sealed_compare(a, b, role);
	(void)close(a);
	(void)close(b);
	return d;
}

Test(reload, each_process_is_concerned_by_what_it_reads)
{
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++)
		cr_assert_eq(differ((enum bh_role)i), BH_SEALED_SAME);
	set_text(&next.api_key, "another");
	cr_assert_eq(differ(BH_ROLE_FORWARDER), BH_SEALED_KEYS);
	cr_assert_eq(differ(BH_ROLE_DOGSTATSD), BH_SEALED_SAME);
	cr_assert_eq(differ(BH_ROLE_LOGS), BH_SEALED_SAME);
	set_text(&next.dd_url, "http://x");
	cr_assert_eq(differ(BH_ROLE_FORWARDER), BH_SEALED_OTHER, "a key and more");
	next.logs_batch_max_size++;
	cr_assert_eq(differ(BH_ROLE_DOGSTATSD), BH_SEALED_SAME);
	cr_assert_eq(differ(BH_ROLE_LOGS), BH_SEALED_OTHER);
}

Test(reload, sources_alone_are_told_from_everything_else)
{
	add_source(&used, "/a");
	add_source(&next, "/a");
	cr_assert_eq(differ(BH_ROLE_LOGS), BH_SEALED_SAME);
	add_source(&next, "/b");
	cr_assert_eq(differ(BH_ROLE_LOGS), BH_SEALED_SOURCES);
	cr_assert_eq(differ(BH_ROLE_DOGSTATSD), BH_SEALED_SAME);
	set_text(&next.log_rules_fault, "wrong");
	cr_assert_eq(differ(BH_ROLE_LOGS), BH_SEALED_OTHER);
	cr_assert_eq(bh_sealed_compare(-1, -1, BH_ROLE_LOGS), BH_SEALED_OTHER, "unreadable");
}

Test(reload, the_change_is_told_in_words)
{
	static const struct {
		struct bh_sources_change change;
		const char *text;
	} cases[] = {
	    {{0, 0, 0, 0}, ""},
	    {{0, 0, 0, 7}, ""},
	    {{1, 0, 0, 0}, "1 source added"},
	    {{1, 0, 1, 2}, "1 source added, 1 changed, 2 unchanged"},
	    {{0, 2, 0, 1}, "2 sources removed, 1 unchanged"},
	    {{4, 3, 2, 1}, "4 sources added, 3 removed, 2 changed, 1 unchanged"},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		char text[BH_RELOAD_TEXT_MAX];

		bh_reload_describe(&cases[i].change, text, sizeof(text));
		cr_assert_str_eq(text, cases[i].text);
	}
}

/* --- secrets (spec/intake.md §13.6) ----------------------------------------------------------- */

static bool holds(int fd, const char *what)
{
	char bytes[65536];
	ssize_t n = pread(fd, bytes, sizeof(bytes), 0);

	cr_assert_gt(n, 0);
	return memmem(bytes, (size_t)n, what, strlen(what)) != NULL;
}

static int sealed(const struct bh_config *cfg, enum bh_role role, const char *value)
{
	struct bh_secret one = {.handle = (char[]){"k"}, .value = strdup(value)};
	const struct bh_secrets all = {&one, 1};
	struct bh_err err = BH_ERR_INIT;
	int fd = bh_sealed_make(cfg, role, &all, &err);

	cr_assert_geq(fd, 0, "%s", err.text);
	free(one.value);
	return fd;
}

Test(reload, values_of_handles_are_in_the_copies_of_their_options_only)
{
	set_text(&used.api_key, "ENC[k]");
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		int fd = sealed(&used, (enum bh_role)i, "canary");

		cr_expect_eq(holds(fd, "canary"), i == BH_ROLE_FORWARDER, "%d", i);
		(void)close(fd);
	}
	cr_expect_str_eq(used.api_key, "ENC[k]");
}

Test(reload, keys_of_further_endpoints_come_and_change_as_the_first_one)
{
	static const struct bh_endpoint metrics = {.reliable = true};
	struct bh_secret one = {.handle = (char[]){"k"}, .value = strdup("key-new")};
	const struct bh_secrets all = {&one, 1};
	struct bh_secrets found = {0};
	struct bh_err err = BH_ERR_INIT;
	int first, again;

	cr_assert_eq(
	    bh_endpoints_add(&used, &metrics, BH_STR_LIT("https://a"), BH_STR_LIT("ENC[k]")), 0);
	cr_assert_eq(
	    bh_endpoints_add(&used, &metrics, BH_STR_LIT("https://b"), BH_STR_LIT("key-plain")), 0);
	cr_assert_eq(bh_secrets_collect(&used, &found), 0);
	cr_expect_eq(found.n, 1);
	bh_secrets_release(&found);
	first = sealed(&used, BH_ROLE_FORWARDER, "key-old");
	cr_expect(holds(first, "key-old") && holds(first, "key-plain"));
	bh_secrets_wipe_plain(&used);
	cr_expect_str_eq(used.endpoints[1].api_key, "");
	again = bh_sealed_renew(first, &used, BH_ROLE_FORWARDER, &all, &err);
	cr_assert_geq(again, 0, "%s", err.text);
	cr_expect(holds(again, "key-new") && !holds(again, "key-old") && holds(again, "key-plain"));
	cr_expect_eq(bh_sealed_compare(first, again, BH_ROLE_FORWARDER), BH_SEALED_KEYS);
	(void)close(first);
	(void)close(again);
	free(one.value);
}

Test(reload, a_copy_is_renewed_without_what_the_supervisor_forgot)
{
	struct bh_secret one = {.handle = (char[]){"k"}, .value = strdup("key-new")};
	const struct bh_secrets all = {&one, 1};
	struct bh_err err = BH_ERR_INIT;
	int first, again;

	set_text(&used.api_key, "ENC[k]");
	set_text(&used.proxy_http, "http://u:plain@h:1");
	first = sealed(&used, BH_ROLE_FORWARDER, "key-old");
	bh_secrets_wipe_plain(&used);
	again = bh_sealed_renew(first, &used, BH_ROLE_FORWARDER, &all, &err);
	cr_assert_geq(again, 0, "%s", err.text);
	cr_expect(holds(again, "key-new") && !holds(again, "key-old"));
	cr_expect(holds(again, "http://u:plain@h:1"), "what is no handle stays as it was");
	cr_expect_eq(bh_sealed_compare(first, again, BH_ROLE_FORWARDER), BH_SEALED_KEYS);
	(void)close(first);
	(void)close(again);
	free(one.value);
}
