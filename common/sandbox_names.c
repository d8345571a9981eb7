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
