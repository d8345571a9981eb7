/*
 * The rights of a child process (spec/supervision.md §12): what is asked for, what is in force, and
 * the names of what is missing. The parts stand in files of their own:
 *
 *   sandbox_ids.h       before exec, by the supervisor: user, groups, capabilities, network
 *                       namespace, no_new_privs; after exec: their proof
 *   sandbox_landlock.h  files and TCP ports; ABI and names defined here, the headers are older
 *   sandbox_seccomp.h   system calls by role
 *   sandbox_sanitizer.h what a build with sanitizers needs on top, in one place
 *
 * bh_sandbox_enter() puts them together in the child: once, after exec and before its first thread.
 */
#ifndef BH_COMMON_SANDBOX_H
#define BH_COMMON_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/attrs.h"
#include "common/config.h"
#include "common/err.h"
#include "common/sandbox_landlock.h"

enum bh_hardening {
	BH_HARDENING_AUTO,   /* what there is; each gap is told once */
	BH_HARDENING_STRICT, /* a gap ends the start, exit 77 */
	BH_HARDENING_OFF,    /* nothing but the change of user and no_new_privs; for debugging */
};

int bh_hardening_parse(const char *text, enum bh_hardening *out) BH_MUST_CHECK;
const char *bh_hardening_name(enum bh_hardening h);

/* A protection that a process should have and does not. A set is a bit mask, 1 << gap. */
enum bh_gap {
	BH_GAP_HARDENING_OFF,
	BH_GAP_UID,          /* shares its user with another process of the agent */
	BH_GAP_CAPABILITIES, /* holds capabilities it has no use for */
	BH_GAP_NETNS,        /* is in the host's network namespace and has no use for it */
	BH_GAP_LANDLOCK,
	BH_GAP_LANDLOCK_TCP,   /* ABI < 4: the forwarder may connect to any port */
	BH_GAP_LANDLOCK_SCOPE, /* ABI < 6: abstract sockets and signals, in the host's namespaces */
	BH_GAP_SECCOMP,
	BH_GAP__N,
};

const char *bh_gap_name(enum bh_gap gap); /* "no-uid-separation" */
/* "CAP_KILL"; "CAP_UNKNOWN" for those that are newer. */
const char *bh_cap_name(int cap);
/* A sentence for the log: what is missing, and what gives it. */
const char *bh_gap_advice(enum bh_gap gap);

/* What is in force in a process, as it read it back from the kernel. */
struct bh_rights {
	uint32_t uid, gid;
	uint64_t cap_effective, cap_bounding; /* 1 << capability */
	bool no_new_privs;
	uint8_t seccomp;      /* 0 off, 2 filter, as in /proc/PID/status */
	uint8_t landlock_abi; /* 0 = not in force */
	uint16_t landlock_rules;
	bool own_network; /* an empty network namespace */
	bool no_core;     /* RLIMIT_CORE 0 and not dumpable */
	uint32_t gaps;    /* 1 << enum bh_gap */
};

/* What the supervisor tells a child of its rights. */
struct bh_sandbox_orders {
	enum bh_hardening hardening;
	bool dropped; /* the supervisor is root and changed user or capabilities before exec */
	uid_t uid;    /* to be found in force when dropped */
	gid_t gid;
	uint64_t caps; /* capabilities to keep; others go */
	bool own_network;
	uint32_t gaps; /* known before the start */
};

/*
 * Takes everything that is left away from the calling process, which must have one thread only, and
 * fills *out. rules: what its Landlock domain allows (borrowed); ports: TCP ports it may connect
 * to.
 *
 * -EPERM with a text: the user or no_new_privs is not what the supervisor set, or hardening is
 * strict and there is a gap; the process must exit 77.
 */
int bh_sandbox_enter(enum bh_role role, const struct bh_sandbox_orders *orders,
    const struct bh_landlock_rules *rules, struct bh_rights *out, struct bh_err *err) BH_MUST_CHECK;

#endif
