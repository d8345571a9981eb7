#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/sandbox_ids.h"
#include "common/sandbox_orders.h"
#include "common/sandbox_probe.h"
#include "common/sandbox_sanitizer.h"
#include "common/sandbox_seccomp.h"

/* How a process ends that does this: an exit status, or minus a signal. */
static int outcome(int (*act)(const void *), const void *arg)
{
	int status = 0;
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid == 0)
		_exit(act(arg));
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* --- names and orders ---------------------------------------------------------------------------
 */

Test(sandbox, modes_and_gaps_have_names_of_their_own)
{
	enum bh_hardening h;

	for (int i = BH_HARDENING_AUTO; i <= BH_HARDENING_OFF; i++) {
		cr_assert_eq(bh_hardening_parse(bh_hardening_name((enum bh_hardening)i), &h), 0);
		cr_assert_eq((int)h, i);
	}
	cr_assert_eq(bh_hardening_parse("Auto", &h), BH_E_CONFIG);
	for (int i = 0; i < BH_GAP__N; i++) {
		cr_assert(bh_gap_name((enum bh_gap)i) && bh_gap_advice((enum bh_gap)i)[0]);
		for (int k = 0; k < i; k++)
			cr_assert_str_neq(bh_gap_name((enum bh_gap)i), bh_gap_name((enum bh_gap)k));
	}
	cr_assert_str_eq(bh_cap_name(2), "CAP_DAC_READ_SEARCH");
	cr_assert_str_eq(bh_cap_name(21), "CAP_SYS_ADMIN");
	cr_assert_str_eq(bh_cap_name(40), "CAP_CHECKPOINT_RESTORE");
	cr_assert_str_eq(bh_cap_name(63), "CAP_UNKNOWN");
}

Test(sandbox, orders_survive_the_environment)
{
	static const struct bh_sandbox_orders cases[] = {
	    {BH_HARDENING_AUTO, false, 0, 0, 0, false, 0},
	    {BH_HARDENING_STRICT, true, 998, 997, 4, true, 1u << BH_GAP_UID},
	    {BH_HARDENING_OFF, true, UINT32_MAX, UINT32_MAX, UINT64_MAX, true, UINT32_MAX},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		char text[BH_ORDERS_TEXT_MAX];
		struct bh_sandbox_orders o;

		bh_sandbox_orders_print(&cases[i], text);
		cr_assert_eq(bh_sandbox_orders_parse(text, &o), 0, "%s", text);
		cr_assert_eq(o.hardening, cases[i].hardening);
		cr_assert_eq(o.dropped, cases[i].dropped);
		cr_assert_eq(o.uid, cases[i].uid);
		cr_assert_eq(o.gid, cases[i].gid);
		cr_assert_eq(o.caps, cases[i].caps);
		cr_assert_eq(o.own_network, cases[i].own_network);
		cr_assert_eq(o.gaps, cases[i].gaps);
	}
}

Test(sandbox, orders_that_are_none_are_refused)
{
	static const char *const cases[] = {"", "auto", "auto,1,998,997,4,1",
	    "loose,1,998,997,4,1,0", "auto,2,998,997,4,1,0", "auto,1,4294967296,997,4,1,0",
	    "auto,1,-1,997,4,1,0", "auto,1,998,997,4,1,0,", "auto,1,998,997,4,1,0,1",
	    "auto,1,,997,4,1,0", "auto,1,998,997,10000000000000000,1,0", "auto, 1,998,997,4,1,0",
	    "strictstrictstrict,1,998,997,4,1,0"};
	struct bh_sandbox_orders o;

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++)
		cr_assert_eq(bh_sandbox_orders_parse(cases[i], &o), BH_E_FORMAT, "%s", cases[i]);
}

/* --- Landlock -----------------------------------------------------------------------------------
 */

Test(sandbox, landlock_asks_an_older_kernel_for_what_it_knows_only)
{
	static const struct {
		int abi;
		uint64_t handled;
	} cases[] = {{1, 0x1fff}, {2, 0x3fff}, {3, 0x7fff}, {4, 0x7fff}, {5, 0xffff}, {7, 0xffff},
	    {99, 0xffff}};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++)
		cr_assert_eq(bh_landlock_handled(cases[i].abi), cases[i].handled, "ABI %d: %lx",
		    cases[i].abi, (unsigned long)bh_landlock_handled(cases[i].abi));
	cr_assert_eq(bh_landlock_access(BH_USE_READ, 1), 1 << 2);
	cr_assert_eq(bh_landlock_access(BH_USE_READ | BH_USE_LIST, 7), 1 << 2 | 1 << 3);
	cr_assert_eq(bh_landlock_access(BH_USE_SOCKET, 7), 1 << 9 | 1 << 5);
	cr_assert_eq(bh_landlock_access(BH_USE_WRITE, 1) & (1 << 13 | 1 << 14), 0);
	cr_assert_eq(bh_landlock_access(BH_USE_WRITE, 3) & (1 << 13 | 1 << 14), 1 << 13 | 1 << 14);
	cr_assert_eq(
	    bh_landlock_access(BH_USE_READ | BH_USE_LIST | BH_USE_WRITE | BH_USE_SOCKET, 7) & 1, 0,
	    "nothing may be executed");
}

static int landlocked(const void *arg)
{
	const char *dir = arg;
	struct bh_landlock_rules r = {0};
	uint16_t applied = 0;
	char path[96], other[96];

	(void)snprintf(path, sizeof(path), "%s/a", dir);
	(void)snprintf(other, sizeof(other), "%s/b", dir);
	if (bh_landlock_allow(&r, dir, BH_USE_READ) || bh_landlock_allow(&r, dir, BH_USE_LIST) ||
	    bh_landlock_allow(&r, "/nonexistent/x", BH_USE_READ) || r.n != 2)
		return 1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    bh_landlock_enter(&r, bh_landlock_abi(), &applied) || applied != 1)
		return 2;
	bh_landlock_release(&r);
	if (open(path, O_RDONLY | O_CLOEXEC) < 0 || open(dir, O_RDONLY | O_DIRECTORY) < 0)
		return 3;
	if (open(path, O_WRONLY | O_CLOEXEC) >= 0 || errno != EACCES)
		return 4;
	if (open(other, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0 || errno != EACCES)
		return 5;
	if (open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES)
		return 6;
	return 0;
}

Test(sandbox, landlock_opens_one_directory_for_reading_and_nothing_else)
{
	char dir[] = "/tmp/bh-sandbox-XXXXXX", path[96];
	int fd, got;

	if (!bh_landlock_abi())
		cr_skip_test("no Landlock here");
	cr_assert(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/a", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	cr_assert_geq(fd, 0);
	(void)close(fd);
	got = outcome(landlocked, dir);
	(void)unlink(path);
	(void)rmdir(dir);
	cr_assert_eq(got, 0, "step %d", got);
}

/* --- system calls -------------------------------------------------------------------------------
 */

static bool listed(enum bh_role role, const char *call)
{
	const char *name;

	for (size_t i = 0; (name = bh_seccomp_name(role, i)) != NULL; i++) {
		if (strcmp(name, call) == 0)
			return true;
	}
	return false;
}

Test(sandbox, no_role_may_become_something_else)
{
	static const char *const never[] = {"execve", "execveat", "fork", "vfork", "setuid",
	    "setresuid", "setgroups", "capset", "mount", "umount2", "pivot_root", "chroot",
	    "unshare", "setns", "bpf", "perf_event_open", "init_module", "kexec_load",
	    "io_uring_setup", "userfaultfd", "keyctl", "process_vm_writev", "pidfd_getfd",
	    "open_by_handle_at", "memfd_create", "symlink", "link", "mknod"};

	for (int role = BH_ROLE_DOGSTATSD; role < BH_ROLE__N; role++) {
		for (size_t i = 0; i < BH_ARRAY_LEN(never); i++)
			cr_assert(!listed((enum bh_role)role, never[i]), "%s: %s",
			    bh_role_name((enum bh_role)role), never[i]);
		cr_assert(listed((enum bh_role)role, "epoll_wait"));
	}
	for (int role = BH_ROLE_DOGSTATSD; role <= BH_ROLE_LOGS; role++) {
		cr_assert(!listed((enum bh_role)role, "pwrite64"));
		cr_assert(!listed((enum bh_role)role, "rename"));
		cr_assert(!listed((enum bh_role)role, "mkdir"));
	}
	cr_assert(!listed(BH_ROLE_DOGSTATSD, "getdents64") || BH_SANITIZED);
	cr_assert(listed(BH_ROLE_LOGS, "inotify_add_watch"));
	cr_assert(listed(BH_ROLE_FORWARDER, "fdatasync"));
}

struct trial {
	enum bh_role role;
	int family; /* of a socket; -1: write to a pipe instead */
};

static int in_filter(const void *arg)
{
	const struct trial *t = arg;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || bh_seccomp_enter(t->role))
		return 1;
	if (t->family < 0)
		return write(STDERR_FILENO, "", 0) == 0 ? 0 : 2;
	return socket(t->family, SOCK_STREAM | SOCK_CLOEXEC, 0) < 0 ? 10 : 0;
}

Test(sandbox, sockets_are_those_of_the_role)
{
	static const struct {
		struct trial trial;
		int outcome;
	} cases[] = {
	    {{BH_ROLE_DOGSTATSD, -1}, 0},
	    {{BH_ROLE_LOGS, -1}, 0},
	    {{BH_ROLE_FORWARDER, -1}, 0},
	    {{BH_ROLE_DOGSTATSD, AF_UNIX}, 0},
	    {{BH_ROLE_DOGSTATSD, AF_INET}, -SIGSYS},
	    {{BH_ROLE_LOGS, AF_INET6}, -SIGSYS},
	    {{BH_ROLE_LOGS, AF_NETLINK}, -SIGSYS},
	    {{BH_ROLE_FORWARDER, AF_INET}, 0},
	    {{BH_ROLE_FORWARDER, AF_NETLINK}, 10},
	    {{BH_ROLE_FORWARDER, AF_PACKET}, -SIGSYS},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++)
		cr_assert_eq(outcome(in_filter, &cases[i].trial), cases[i].outcome, "case %zu", i);
}

static int probe(const void *arg)
{
	bh_probe_run(arg);
}

static int probe_filtered(const void *arg)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || bh_seccomp_enter(BH_ROLE_FORWARDER))
		return 1;
	bh_probe_run(arg);
}

/* A test that is refused whatever the rights would prove nothing. */
Test(sandbox, the_acts_of_the_self_test_succeed_without_a_sandbox)
{
	static const char *const acts[] = {"list-root", "read-supervisor", "write-tmp",
	    "connect-out", "fork", "signal", "map-code"};

	for (size_t i = 0; i < BH_ARRAY_LEN(acts); i++)
		cr_assert_eq(outcome(probe, acts[i]), BH_PROBE_DONE, "%s", acts[i]);
	cr_assert_eq(outcome(probe, "execute"), 0, "another program took over");
	cr_assert_eq(outcome(probe, "no such act"), 2);
	cr_assert_eq(outcome(probe_filtered, "execute"), -SIGSYS);
	cr_assert_eq(outcome(probe_filtered, "mount"), -SIGSYS);
	cr_assert_eq(outcome(probe_filtered, "setuid-root"), -SIGSYS);
	if (!BH_SANITIZED)
		cr_assert_eq(outcome(probe_filtered, "fork"), -SIGSYS);
}

Test(sandbox, a_process_that_did_not_change_its_user_is_found_out)
{
	cr_assert_eq(bh_ids_verify(false, 0, 0), -EPERM, "no_new_privs is missing");
	cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	cr_assert_eq(bh_ids_verify(false, 0, 0), 0);
	cr_assert_eq(bh_ids_verify(true, geteuid() + 1, getegid()), -EPERM);
	cr_assert_eq(bh_ids_verify(true, geteuid(), getegid() + 1), -EPERM);
}

static int dropped(const void *arg)
{
	const struct bh_ids *ids = arg;
	gid_t groups[8];

	if (bh_ids_drop(ids))
		return 1;
	if (bh_ids_verify(true, ids->uid, ids->gid))
		return 2;
	if (getgroups(8, groups) != 1 || groups[0] != 64104)
		return 3;
	if (bh_caps_effective() != ids->caps || bh_caps_bounding() != ids->caps)
		return 4;
	return bh_caps_keep(0) || bh_caps_permitted() ? 5 : 0;
}

Test(sandbox, user_groups_and_capabilities_are_those_asked_for)
{
	struct bh_ids ids = {.change = true,
	    .user = true,
	    .uid = 64101,
	    .gid = 64102,
	    .groups = {64104},
	    .groups_n = 1,
	    .caps = 1u << 2};

	if (geteuid() != 0)
		cr_skip_test("not root");
	cr_assert_eq(outcome(dropped, &ids), 0);
	ids.caps = 0;
	cr_assert_eq(outcome(dropped, &ids), 0);
}
