#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/sandbox_probe.h"
#include "supervisor/kernel_log.h"
#include "supervisor/loose.h"
#include "supervisor/rights.h"
#include "supervisor/rundir_owner.h"
#include "supervisor/security.h"

#define CAP(c) ((uint64_t)1 << (c))
#define USUAL  (CAP(CAP_SETUID) | CAP(CAP_SETGID) | CAP(CAP_DAC_READ_SEARCH) | CAP(CAP_SYS_ADMIN))

static struct bh_config cfg;
static struct bh_rights_plans plans;
static struct bh_err err;

static void set(char **field, const char *value)
{
	free(*field);
	*field = strdup(value);
}

static void set_up(void)
{
	bh_config_defaults(&cfg);
	set(&cfg.user_dogstatsd, "64101");
	set(&cfg.user_logs, "64102:65102");
	set(&cfg.user_forwarder, "64103");
	set(&cfg.group_ipc, "64104");
	err = (struct bh_err)BH_ERR_INIT;
}

static void tear_down(void)
{
	bh_config_release(&cfg);
}

TestSuite(rights, .init = set_up, .fini = tear_down);

/* spec/supervision.md §12, §17 */
Test(rights, what_there_is_decides_what_each_process_loses)
{
	enum { UID = 1 << BH_GAP_UID, NET = 1 << BH_GAP_NETNS, OFF = 1 << BH_GAP_HARDENING_OFF };
	static const struct {
		const char *what, *hardening;
		struct bh_rights_means means;
		bool separate;
		uint64_t logs_caps;
		uint32_t dogstatsd_gaps, forwarder_gaps;
		bool change;
	} cases[] = {
	    {"root with all", "auto", {true, USUAL, 7, true}, true, CAP(CAP_DAC_READ_SEARCH), 0, 0,
		true},
	    {"strict is the same", "strict", {true, USUAL, 7, true}, true, CAP(CAP_DAC_READ_SEARCH),
		0, 0, true},
	    {"no namespaces", "auto", {true, USUAL, 7, false}, true, CAP(CAP_DAC_READ_SEARCH), NET,
		0, true},
	    {"unbounded reading is no reading", "auto", {true, USUAL, 0, true}, true, 0, 0, 0,
		true},
	    {"a capability that is not there", "auto",
		{true, CAP(CAP_SETUID) | CAP(CAP_SETGID), 7, false}, true, 0, NET, 0, true},
	    {"root without SETUID", "auto", {true, CAP(CAP_SETGID), 7, false}, false, 0, UID | NET,
		UID, true},
	    {"not root", "auto", {false, 0, 7, false}, false, 0, UID | NET, UID, false},
	    {"off changes the user only", "off", {true, USUAL, 7, true}, true, 0, OFF, OFF, true},
	    {"off without root", "off", {false, 0, 7, false}, false, 0, OFF | UID, OFF | UID,
		false},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		const struct bh_rights_plan *dsd = &plans.of[BH_ROLE_DOGSTATSD];
		const struct bh_rights_plan *logs = &plans.of[BH_ROLE_LOGS];
		const struct bh_rights_plan *fwd = &plans.of[BH_ROLE_FORWARDER];

		set(&cfg.hardening, cases[i].hardening);
		cr_assert_eq(
		    bh_rights_plan(&cfg, &cases[i].means, &plans, NULL), 0, "%s", cases[i].what);
		cr_assert_eq(plans.separate, cases[i].separate, "%s", cases[i].what);
		cr_assert_eq(logs->ids.caps, cases[i].logs_caps, "%s", cases[i].what);
		cr_assert_eq(logs->orders.caps, cases[i].logs_caps, "%s", cases[i].what);
		cr_assert_eq(dsd->ids.caps | fwd->ids.caps, 0);
		cr_assert_eq(dsd->orders.gaps, cases[i].dogstatsd_gaps, "%s", cases[i].what);
		cr_assert_eq(fwd->orders.gaps, cases[i].forwarder_gaps, "%s", cases[i].what);
		cr_assert_eq(dsd->ids.change, cases[i].change, "%s", cases[i].what);
		cr_assert_eq(dsd->orders.dropped, cases[i].change, "%s", cases[i].what);
		cr_assert(!fwd->ids.own_network, "the forwarder connects");
		cr_assert_eq(
		    fwd->orders.uid, cases[i].separate ? 64103 : geteuid(), "%s", cases[i].what);
	}
}

Test(rights, each_process_gets_its_user_and_the_group_of_the_link)
{
	struct bh_users u;

	cr_assert_eq(bh_users_resolve(&cfg, &u, &err), 0, "%s", err.text);
	cr_assert_eq(u.ids[BH_ROLE_DOGSTATSD].uid, 64101);
	cr_assert_eq(u.ids[BH_ROLE_DOGSTATSD].gid, 64101);
	cr_assert_eq(u.ids[BH_ROLE_LOGS].uid, 64102);
	cr_assert_eq(u.ids[BH_ROLE_LOGS].gid, 65102);
	cr_assert_eq(u.ids[BH_ROLE_FORWARDER].groups_n, 1);
	cr_assert_eq(u.ids[BH_ROLE_FORWARDER].groups[0], 64104);
	cr_assert_eq(u.ipc, 64104);
}

Test(rights, users_that_cannot_be_are_said)
{
	static const struct {
		const char *dogstatsd, *ipc;
		int rc;
	} cases[] = {
	    {"root", "64104", BH_E_CONFIG},
	    {"0", "64104", BH_E_CONFIG},
	    {"12x", "64104", BH_E_CONFIG},
	    {"4294967295", "64104", BH_E_CONFIG},
	    {"64101:", "64104", BH_E_CONFIG},
	    {"64101:1:2", "64104", BH_E_CONFIG},
	    {"no-such-user-here", "64104", -ENOENT},
	    {"64103", "64104", -ENOENT}, /* the forwarder's */
	    {"64101", "no-such-group-here", -ENOENT},
	    {"64101", "1x", BH_E_CONFIG},
	};
	struct bh_users u;

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		set(&cfg.user_dogstatsd, cases[i].dogstatsd);
		set(&cfg.group_ipc, cases[i].ipc);
		err.text[0] = '\0';
		cr_assert_eq(bh_users_resolve(&cfg, &u, &err), cases[i].rc, "case %zu", i);
		cr_assert(err.text[0], "case %zu", i);
	}
}

Test(rights, missing_users_are_a_gap_and_wrong_ones_an_error)
{
	struct bh_rights_means means = {true, USUAL, 7, true};

	set(&cfg.user_logs, "no-such-user-here");
	cr_assert_eq(bh_rights_plan(&cfg, &means, &plans, &err), 0);
	cr_assert(!plans.separate);
	cr_assert(strstr(err.text, "no-such-user-here"), "%s", err.text);
	cr_assert_eq(plans.of[BH_ROLE_LOGS].ids.caps, CAP(CAP_DAC_READ_SEARCH));
	set(&cfg.user_logs, "root");
	cr_assert_eq(bh_rights_plan(&cfg, &means, &plans, &err), BH_E_CONFIG);
	set(&cfg.user_logs, "64102");
	set(&cfg.hardening, "maximal");
	cr_assert_eq(bh_rights_plan(&cfg, &means, &plans, &err), BH_E_CONFIG);
}

Test(rights, gaps_are_listed_once_with_their_roles)
{
	uint32_t gaps[BH_ROLE__N] = {[BH_ROLE_DOGSTATSD] = 1u << BH_GAP_UID,
	    [BH_ROLE_FORWARDER] = 1u << BH_GAP_UID | 1u << BH_GAP_SECCOMP};
	struct bh_strlist list = {NULL, 0};

	cr_assert_eq(bh_rights_list(gaps, &list), 0);
	cr_assert_eq(list.n, 2);
	cr_assert(strstr(list.v[0], "no-uid-separation (dogstatsd, forwarder): "), "%s", list.v[0]);
	cr_assert(strstr(list.v[1], "no-seccomp (forwarder): "), "%s", list.v[1]);
	bh_strlist_release(&list);
}

Test(rights, a_violation_is_found_in_the_kernels_log)
{
	static const char record[] =
	    "5,1234,99,-;audit: type=1326 audit(1.2:3): auid=4294967295 uid=0 gid=0 ses=4294967295 "
	    "pid=77 comm=\"bulkhead-logs\" exe=\"/x\" sig=31 arch=c000003e syscall=59 compat=0 "
	    "ip=0x7f code=0x80000000\n";

	cr_assert_eq(bh_kernel_log_find(record, sizeof(record) - 1, 77), 59);
	cr_assert_eq(bh_kernel_log_find(record, sizeof(record) - 1, 7), -1);
	cr_assert_eq(bh_kernel_log_find("type=1300 pid=77 syscall=59 ", 28, 77), -1);
	cr_assert_eq(bh_kernel_log_find("", 0, 77), -1);
}

Test(rights, an_act_that_is_not_refused_fails_the_self_test)
{
	static const struct {
		bool killed;
		int status;
		const char *result;
		bool ok;
	} cases[] = {
	    {true, SIGSYS, "killed", true},
	    {false, BH_PROBE_REFUSED + EACCES, "refused", true},
	    {false, BH_PROBE_DONE, "DONE", false},
	    {false, 0, "unknown", false},
	    {false, 77, "unknown", false},
	    {false, BH_PROBE_REFUSED, "unknown", false},
	    {true, SIGKILL, "unknown", false},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		bool ok = !cases[i].ok;

		cr_assert_str_eq(bh_self_test_result(cases[i].killed, cases[i].status, &ok),
		    cases[i].result, "case %zu", i);
		cr_assert_eq(ok, cases[i].ok, "case %zu", i);
	}
}

/* --- directories --------------------------------------------------------------------------------
 */

Test(rights, a_directory_of_everybody_is_refused_with_the_way_out)
{
	char base[] = "/tmp/bh-loose-XXXXXX", dir[64], text[96];

	cr_assert(mkdtemp(base));
	(void)snprintf(dir, sizeof(dir), "%s/run", base);
	(void)snprintf(text, sizeof(text), "chmod o-w %s", dir);
	cr_assert_eq(bh_loose_dir(dir, &err), 0, "it is made later");
	cr_assert_eq(mkdir(dir, 0755), 0);
	cr_assert_eq(bh_loose_dir(dir, &err), 0);
	cr_assert_eq(chmod(dir, 01777), 0);
	cr_assert_eq(bh_loose_dir(dir, &err), -EPERM, "also with the sticky bit");
	cr_assert(strstr(err.text, text), "%s", err.text);
	cr_assert_eq(chmod(dir, 0755), 0);
	cr_assert_eq(chmod(base, 0777), 0);
	cr_assert_eq(bh_loose_dir(dir, &err), -EPERM, "it could be exchanged");
	cr_assert_eq(chmod(base, 01777), 0);
	cr_assert_eq(bh_loose_dir(dir, &err), 0);
	(void)rmdir(dir);
	(void)rmdir(base);
}

static void assert_owned(const char *path, uid_t uid, gid_t gid, mode_t mode)
{
	struct stat st;

	cr_assert_eq(lstat(path, &st), 0, "%s", path);
	cr_assert_eq(st.st_uid, uid, "%s", path);
	cr_assert_eq(st.st_gid, gid, "%s", path);
	cr_assert_eq(st.st_mode & 07777, mode, "%s: %o", path, st.st_mode);
}

Test(rights, directories_change_hands_with_their_files)
{
	static const struct bh_rundir_owner apart = {true, 64103, 64105, 64104};
	static const struct bh_rundir_owner one = {false, 0, 0, 0};
	char base[] = "/tmp/bh-owner-XXXXXX", link[64], store[64], db[64], planted[64], secret[64];

	if (geteuid() != 0)
		cr_skip_test("not root");
	cr_assert(mkdtemp(base));
	(void)snprintf(link, sizeof(link), "%s/link", base);
	(void)snprintf(store, sizeof(store), "%s/store", base);
	(void)snprintf(db, sizeof(db), "%s/store/spool.db", base);
	(void)snprintf(planted, sizeof(planted), "%s/store/planted", base);
	(void)snprintf(secret, sizeof(secret), "%s/secret", base);
	cr_assert_eq(mkdir(link, 0700) | mkdir(store, 0700), 0);
	(void)close(open(db, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	(void)close(open(secret, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	cr_assert_eq(bh_rundir_settle(base, base, &apart, &err), -EPERM, "nobody gets there");
	cr_assert(strstr(err.text, "chmod o+x"), "%s", err.text);
	cr_assert_eq(chmod(base, 0711), 0);
	cr_assert_eq(bh_rundir_settle(base, base, &apart, &err), 0, "%s", err.text);
	assert_owned(link, 64103, 64104, 02710);
	assert_owned(store, 64103, 64105, 0700);
	assert_owned(db, 64103, 64105, 0600);
	/* what a forwarder gone wild left for the next owner */
	cr_assert_eq(symlink(secret, planted), 0);
	cr_assert_eq(bh_rundir_settle(base, base, &one, &err), 0, "%s", err.text);
	assert_owned(link, 0, 0, 0700);
	assert_owned(db, 0, 0, 0600);
	cr_assert_eq(bh_rundir_settle(base, base, &apart, &err), 0, "%s", err.text);
	assert_owned(secret, 0, 0, 0600);
	(void)unlink(planted);
	(void)unlink(db);
	(void)unlink(secret);
	(void)rmdir(link);
	(void)rmdir(store);
	(void)rmdir(base);
}
