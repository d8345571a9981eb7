/* Words for the modes and the gaps; apart from sandbox.c, which needs libseccomp. */
#include <string.h>

#include "common/sandbox.h"

static const char *const hardening_names[] = {"auto", "strict", "off"};

const char *bh_hardening_name(enum bh_hardening h)
{
	return hardening_names[h];
}

int bh_hardening_parse(const char *text, enum bh_hardening *out)
{
	for (size_t i = 0; i < BH_ARRAY_LEN(hardening_names); i++) {
		if (strcmp(text, hardening_names[i]) == 0) {
			*out = (enum bh_hardening)i;
			return 0;
		}
	}
	return BH_E_CONFIG;
}

static const struct {
	const char *name, *advice;
} gaps[BH_GAP__N] = {
    [BH_GAP_HARDENING_OFF] = {"hardening-off",
	"bulkhead.hardening is off: no system call filter, no file rules, no namespaces"},
    [BH_GAP_UID] = {"no-uid-separation",
	"all processes run as one user: start as root with the users _bulkhead-dsd, "
	"_bulkhead-logs and _bulkhead-fwd there (or bulkhead.user_* set)"},
    [BH_GAP_CAPABILITIES] = {"capabilities", "capabilities are left that have no use"},
    [BH_GAP_NETNS] = {"no-network-namespace",
	"shares the network of the host: a namespace of its own takes a start as root with "
	"CAP_SYS_ADMIN"},
    [BH_GAP_LANDLOCK] = {"no-landlock",
	"no file rules: the kernel has no Landlock (5.13 or later, lsm=landlock), or refuses it"},
    [BH_GAP_LANDLOCK_TCP] = {"no-landlock-tcp",
	"may connect to any TCP port: the kernel's Landlock is older than 6.7"},
    [BH_GAP_LANDLOCK_SCOPE] = {"no-landlock-scope",
	"abstract sockets and signals are not confined: the kernel's Landlock is older than 6.12"},
    [BH_GAP_SECCOMP] = {"no-seccomp", "no system call filter: the kernel has none, or refuses it"},
};

const char *bh_gap_name(enum bh_gap gap)
{
	return gaps[gap].name;
}

const char *bh_gap_advice(enum bh_gap gap)
{
	return gaps[gap].advice;
}

const char *bh_cap_name(int cap)
{
	/* in the order of linux/capability.h */
	static const char *const names[] = {"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH",
	    "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP",
	    "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN",
	    "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO",
	    "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT",
	    "CAP_SYS_NICE", "CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD",
	    "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE",
	    "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ",
	    "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE"};

	return cap >= 0 && cap < (int)BH_ARRAY_LEN(names) ? names[cap] : "CAP_UNKNOWN";
}
