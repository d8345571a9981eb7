#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config_logs.h"
#include "logs-agent/grants.h"
#include "tests/unit/remove_tree.h"

static char base[] = "/tmp/bh-grants-XXXXXX";
static struct bh_grants grants, wanted;

static char *at(const char *name)
{
	static char path[4][128];
	static unsigned turn;
	char *p = path[turn++ % 4];

	(void)snprintf(p, sizeof(path[0]), "%s/%s", base, name);
	return p;
}

static void set_up(void)
{
	cr_assert(mkdtemp(base));
	cr_assert_eq(mkdir(at("app"), 0755) | mkdir(at("elsewhere"), 0755), 0);
	(void)close(open(at("elsewhere/real.log"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
}

static void tear_down(void)
{
	bh_grants_release(&grants);
	bh_grants_release(&wanted);
	cr_assert_eq(remove_tree(base), 0);
}

TestSuite(grants, .init = set_up, .fini = tear_down);

static void make(struct bh_grants *g, char *type, char *path)
{
	struct bh_log_source s = {.type = type, .path = path, .encoding = "", .fault = ""};
	const struct bh_log_source *const list[] = {&s};

	bh_grants_release(g);
	cr_assert_eq(bh_grants_make(g, list, 1, false), 0);
}

static bool has(const struct bh_grants *g, const char *path)
{
	for (size_t i = 0; i < g->rules.n; i++) {
		if (strcmp(g->rules.v[i].path, path) == 0)
			return true;
	}
	return false;
}

Test(grants, of_a_pattern_the_directory_before_the_first_wildcard)
{
	static const char *const cases[][2] = {
	    {"/var/log/app/a.log", "/var/log/app"},
	    {"/var/log/app/*.log", "/var/log/app"},
	    {"/var/log/*/a.log", "/var/log"},
	    {"/var/log/app?/x/a.log", "/var/log"},
	    {"/var/log/[ab]/a.log", "/var/log"},
	    {"/var/log/a\\*.log", "/var/log"},
	    {"/a.log", "/"},
	    {"/*/a.log", "/"},
	    {"relative/a.log", ""},
	    {"", ""},
	};
	char out[64];

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		bh_grants_base(cases[i][0], out, sizeof(out));
		cr_assert_str_eq(out, cases[i][1], "%s", cases[i][0]);
	}
	bh_grants_base("/123456789/x", out, 10);
	cr_assert_str_eq(out, "");
}

Test(grants, sources_name_directories_and_nothing_above_them)
{
	make(&grants, "file", at("app/*.log"));
	cr_assert_eq(grants.rules.n, 1);
	cr_assert(has(&grants, at("app")));
	cr_assert_eq(grants.rules.v[0].use, BH_USE_READ | BH_USE_LIST);
	make(&grants, "tcp", "");
	cr_assert_eq(grants.rules.n, 0);
	make(&grants, "journald", "");
	cr_assert(has(&grants, "/var/log/journal") && has(&grants, "/run/log/journal"));
	make(&grants, "file", "/var/log/containers/*.log");
	cr_assert(has(&grants, "/var/log/pods") && has(&grants, "/var/lib/docker/containers"));
}

Test(grants, a_link_of_root_or_of_the_targets_owner_takes_its_target_along)
{
	cr_assert_eq(symlink(at("elsewhere/real.log"), at("app/a.log")), 0);
	make(&grants, "file", at("app/*.log"));
	cr_assert(has(&grants, at("elsewhere")));
	make(&grants, "file", at("app/a.log"));
	cr_assert(has(&grants, at("elsewhere")), "not only in patterns");
}

Test(grants, a_link_of_a_stranger_opens_nothing)
{
	if (geteuid() != 0)
		cr_skip_test("not root");
	cr_assert_eq(symlink(at("elsewhere/real.log"), at("app/a.log")), 0);
	cr_assert_eq(lchown(at("app/a.log"), 64101, 64101), 0);
	make(&grants, "file", at("app/*.log"));
	cr_assert_eq(grants.rules.n, 1);
	cr_assert_eq(chown(at("elsewhere/real.log"), 64101, 64101), 0);
	make(&grants, "file", at("app/*.log"));
	cr_assert(has(&grants, at("elsewhere")), "it is the stranger's own");
}

/* root's link to a stranger's link to a file of root's */
Test(grants, every_link_of_a_chain_counts)
{
	if (geteuid() != 0)
		cr_skip_test("not root");
	cr_assert_eq(mkdir(at("home"), 0755), 0);
	cr_assert_eq(symlink(at("elsewhere/real.log"), at("home/middle.log")), 0);
	cr_assert_eq(lchown(at("home/middle.log"), 64101, 64101), 0);
	cr_assert_eq(symlink("../home/middle.log", at("app/a.log")), 0);
	make(&grants, "file", at("app/*.log"));
	cr_assert_eq(grants.rules.n, 1);
	cr_assert_eq(lchown(at("home/middle.log"), 0, 0), 0);
	make(&grants, "file", at("app/*.log"));
	cr_assert(has(&grants, at("elsewhere")));
}

Test(grants, a_directory_that_was_replaced_or_came_is_noticed)
{
	make(&grants, "file", at("app/*.log"));
	cr_assert(!bh_grants_moved(&grants));
	cr_assert_eq(rename(at("app"), at("old")), 0);
	cr_assert(!bh_grants_moved(&grants), "there is nothing to let in");
	cr_assert_eq(mkdir(at("app"), 0755), 0);
	cr_assert(bh_grants_moved(&grants));
	make(&grants, "file", at("later/*.log"));
	cr_assert(!bh_grants_moved(&grants));
	cr_assert_eq(mkdir(at("later"), 0755), 0);
	cr_assert(bh_grants_moved(&grants));
}

Test(grants, new_sources_are_covered_below_what_is_open_already)
{
	cr_assert_eq(mkdir(at("app/sub"), 0755), 0);
	make(&grants, "file", at("app/*.log"));
	make(&wanted, "file", at("app/sub/*.log"));
	cr_assert(bh_grants_cover(&grants, &wanted));
	make(&wanted, "file", at("elsewhere/*.log"));
	cr_assert(!bh_grants_cover(&grants, &wanted));
	make(&wanted, "file", at("later/*.log"));
	cr_assert(!bh_grants_cover(&grants, &wanted), "somebody has to look out for it");
	make(&grants, "file", at("later/*.log"));
	cr_assert(bh_grants_cover(&grants, &wanted));
	cr_assert_eq(mkdir(at("application"), 0755), 0);
	make(&grants, "file", at("app/*.log"));
	make(&wanted, "file", at("application/*.log"));
	cr_assert(!bh_grants_cover(&grants, &wanted), "a name that begins alike is another one");
}
