#include "common/sandbox_seccomp.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/sandbox_sanitizer.h"

#define DOGSTATSD (1u << BH_ROLE_DOGSTATSD)
#define LOGS      (1u << BH_ROLE_LOGS)
#define FORWARDER (1u << BH_ROLE_FORWARDER)
#define ALL       (DOGSTATSD | LOGS | FORWARDER)

/* --- calls that are allowed whatever their arguments --------------------------------------------
 */

/* What every process does all day comes first. */
static const char *const core[] = {"read", "write", "readv", "writev", "futex", "epoll_wait",
    "epoll_pwait", "epoll_ctl", "recvmsg", "sendmsg", "recvmmsg", "recvfrom", "sendto",
    "timerfd_settime", "clock_gettime", "madvise", "munmap", "mremap", "brk", "close", "fstat",
    "newfstatat", "lseek", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack",
    "clock_nanosleep", "nanosleep", "gettimeofday", "clock_getres", "time", "getcpu", "getpid",
    "getppid", "gettid", "getuid", "geteuid", "getgid", "getegid", "getrandom", "exit",
    "exit_group", "restart_syscall", "sched_yield", "sched_getaffinity", "uname", "sysinfo",
    "set_robust_list", "rseq", "epoll_create1", "poll", "ppoll", "timerfd_create", "signalfd4",
    "eventfd2", "pipe2", "fcntl", "pread64", "dup2", "dup3", "openat", NULL};

/* The link to the forwarder and the control channel. */
static const char *const ipc[] = {"bind", "listen", "accept", "accept4", "connect", "shutdown",
    "getsockopt", "setsockopt", "getsockname", "unlink", "unlinkat", "chmod", "fchmodat", NULL};

static const char *const logs[] = {"getdents64", "inotify_init1", "inotify_add_watch",
    "inotify_rm_watch", "statx", "stat", "lstat", "access", "faccessat", "faccessat2", "readlink",
    "readlinkat", "openat2", "fadvise64", "statfs", "fstatfs", "getpeername", NULL};

static const char *const dogstatsd[] = {"ftruncate", "getpeername", NULL};

static const char *const forwarder[] = {"pwrite64", "fsync", "fdatasync", "ftruncate", "fallocate",
    "access", "faccessat", "faccessat2", "getcwd", "readlink", "stat", "lstat", "fchmod", "fchown",
    "sendmmsg", "socketpair", "getpeername", "getdents64", "statx", "statfs", "fstatfs", "rename",
    "renameat", "renameat2", "mkdir", "mkdirat", "readlinkat", "rmdir", "unlinkat", "fadvise64",
    "select", "pselect6", "umask", NULL};

/* What the runtime of the sanitizers needs (sandbox_sanitizer.h). */
static const char *const sanitizer[] = {"open", "getdents", "waitid", "set_tid_address", "getpgid",
    "clone", "clone3", "ptrace", "wait4", "prctl", "tgkill", "kill", "mmap", "mprotect", "readlink",
    "readlinkat", "getdents64", "openat", "dup", "dup2", "getrlimit", "prlimit64", "personality",
    "arch_prctl", "sched_getparam", "pread64", "statx", "process_vm_readv", "setrlimit", "ioctl",
    "rt_tgsigqueueinfo", "stat", "lstat", "access", "pipe", NULL};

static const struct {
	unsigned roles;
	const char *const *names;
} groups[] = {
    {ALL, core},
    {ALL, ipc},
    {DOGSTATSD, dogstatsd},
    {LOGS, logs},
    {FORWARDER, forwarder},
#if BH_SANITIZED
    {ALL, sanitizer},
#endif
};

const char *bh_seccomp_name(enum bh_role role, size_t i)
{
	(void)sanitizer;
	for (size_t g = 0; g < BH_ARRAY_LEN(groups); g++) {
		const char *const *name = groups[g].names;

		if (!(groups[g].roles & 1u << role))
			continue;
		for (; *name; name++) {
			if (i-- == 0)
				return *name;
		}
	}
	return NULL;
}

/* --- calls that depend on an argument -----------------------------------------------------------
 */

#define EAFNO            SCMP_ACT_ERRNO(EAFNOSUPPORT)
#define ENOSYS_          SCMP_ACT_ERRNO(ENOSYS)
#define PR_SET_VMA_NAMES 0x53564d41 /* names of mappings, of newer libraries */

static const struct {
	unsigned roles;
	uint32_t action;
	const char *name;
	unsigned arg;
	uint64_t mask, value; /* (argument & mask) == value */
} conditions[] = {
    {ALL, SCMP_ACT_ALLOW, "socket", 0, UINT32_MAX, AF_UNIX},
    {FORWARDER, SCMP_ACT_ALLOW, "socket", 0, UINT32_MAX, AF_INET},
    {FORWARDER, SCMP_ACT_ALLOW, "socket", 0, UINT32_MAX, AF_INET6},
    /* The resolver looks at the interfaces when it may, and goes on when it may not. */
    {FORWARDER, EAFNO, "socket", 0, UINT32_MAX, AF_NETLINK},
    /* Threads, no processes. The flags of clone3 cannot be seen: glibc then takes clone. */
    {ALL, SCMP_ACT_ALLOW, "clone", 0, CLONE_THREAD, CLONE_THREAD},
    {ALL, ENOSYS_, "clone3", 0, 0, 0},
    /* No code but what was loaded. The others load modules (resolver, iconv) and compile rules. */
    {DOGSTATSD, SCMP_ACT_ALLOW, "mmap", 2, PROT_EXEC, 0},
    {DOGSTATSD, SCMP_ACT_ALLOW, "mprotect", 2, PROT_EXEC, 0},
    {LOGS | FORWARDER, SCMP_ACT_ALLOW, "mmap", 0, 0, 0},
    {LOGS | FORWARDER, SCMP_ACT_ALLOW, "mprotect", 0, 0, 0},
    {ALL, SCMP_ACT_ALLOW, "prctl", 0, UINT32_MAX, PR_SET_NAME},
    {ALL, SCMP_ACT_ALLOW, "prctl", 0, UINT32_MAX, PR_SET_VMA_NAMES},
    {ALL, SCMP_ACT_ALLOW, "ioctl", 1, UINT32_MAX, FIONREAD},
    {ALL, SCMP_ACT_ALLOW, "ioctl", 1, UINT32_MAX, FIONBIO},
    {ALL, SCMP_ACT_ALLOW, "ioctl", 1, UINT32_MAX, TCGETS},
    /* Its own limits; the pid of another process is not 0. */
    {LOGS | FORWARDER, SCMP_ACT_ALLOW, "prlimit64", 0, UINT32_MAX, 0},
};

static bool is_allowed(enum bh_role role, const char *name)
{
	const char *known;

	for (size_t i = 0; (known = bh_seccomp_name(role, i)) != NULL; i++) {
		if (strcmp(known, name) == 0)
			return true;
	}
	return false;
}

/* A name that this architecture does not have is nobody's. */
static int add_name(scmp_filter_ctx ctx, const char *name)
{
	int nr = seccomp_syscall_resolve_name(name);

	return nr < 0 ? 0 : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0);
}

static int add_condition(scmp_filter_ctx ctx, enum bh_role role, size_t i)
{
	int nr = seccomp_syscall_resolve_name(conditions[i].name);

	if (nr < 0 || !(conditions[i].roles & 1u << role) || is_allowed(role, conditions[i].name))
		return 0;
	if (!conditions[i].mask && !conditions[i].value)
		return seccomp_rule_add(ctx, conditions[i].action, nr, 0);
	return seccomp_rule_add(ctx, conditions[i].action, nr, 1,
	    SCMP_CMP(
		conditions[i].arg, SCMP_CMP_MASKED_EQ, conditions[i].mask, conditions[i].value));
}

/* abort() and the like: to threads of this process only. */
static int add_own_signals(scmp_filter_ctx ctx, enum bh_role role)
{
	if (is_allowed(role, "tgkill"))
		return 0;
	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
	    (struct scmp_arg_cmp){.op = SCMP_CMP_EQ, .datum_a = (scmp_datum_t)getpid()});
}

static int fill(scmp_filter_ctx ctx, enum bh_role role)
{
	const char *name;
	int rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);

	/* The handler that names a call does not run everywhere: the kernel's log has it too. */
	if (BH_SANITIZED)
		(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_LOG, 1);
	/* A binary tree; older libraries have none and do without. */
	(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (size_t i = 0; !rc && (name = bh_seccomp_name(role, i)) != NULL; i++) {
		rc = add_name(ctx, name);
		rc = rc == -EEXIST ? 0 : rc;
	}
	for (size_t i = 0; i < BH_ARRAY_LEN(conditions) && !rc; i++)
		rc = add_condition(ctx, role, i);
	return rc ? rc : add_own_signals(ctx, role);
}

/* --- a call that is not allowed, in a build with sanitizers -------------------------------------
 */

static void on_violation(int sig, siginfo_t *info, void *context)
{
	char *name = seccomp_syscall_resolve_num_arch(info->si_arch, info->si_syscall);

	(void)context;
	(void)dprintf(STDERR_FILENO, "blocked system call %d (%s)\n", info->si_syscall,
	    name ? name : "unknown");
	free(name);
	(void)signal(sig, SIG_DFL);
	(void)raise(sig);
}

static int name_violations(void)
{
	struct sigaction act = {.sa_sigaction = on_violation, .sa_flags = SA_SIGINFO | SA_NODEFER};
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGSYS);
	if (sigaction(SIGSYS, &act, NULL) < 0 || sigprocmask(SIG_UNBLOCK, &set, NULL) < 0)
		return -errno;
	return 0;
}

int bh_seccomp_enter(enum bh_role role)
{
	scmp_filter_ctx ctx = seccomp_init(BH_SANITIZED ? SCMP_ACT_TRAP : SCMP_ACT_KILL_PROCESS);
	int rc = BH_SANITIZED ? name_violations() : 0;

	if (!ctx)
		return -ENOMEM;
	if (!rc)
		rc = fill(ctx, role);
	if (!rc)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	/* The library has words of its own for a kernel without filters. */
	return rc == -EINVAL || rc == -ECANCELED ? -ENOSYS : rc;
}
