/*
 * User, groups, capabilities and namespaces: how the new process gives them up between fork and
 * exec (bh_ids_drop), and how the program that was started proves it (bh_ids_verify).
 */
#ifndef BH_COMMON_SANDBOX_IDS_H
#define BH_COMMON_SANDBOX_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/attrs.h"

#define BH_IDS_GROUPS_MAX 64

struct bh_ids {
	bool change; /* false: everything but umask, core limit and no_new_privs stays as it is */
	bool user;   /* change the user too; else it only loses capabilities */
	uid_t uid;
	gid_t gid;
	gid_t groups[BH_IDS_GROUPS_MAX]; /* supplementary ones; these only */
	size_t groups_n;
	uint64_t caps;    /* 1 << capability: kept through exec; the bounding set shrinks to them */
	bool own_network; /* leave the host's network namespace */
};

/* Where bh_ids_drop() failed. */
enum bh_ids_step {
	BH_IDS_OK,
	BH_IDS_NETWORK,
	BH_IDS_BOUNDING,
	BH_IDS_GROUPS,
	BH_IDS_GID,
	BH_IDS_UID,
	BH_IDS_CAPS,
	BH_IDS_CORE,
	BH_IDS_NO_NEW_PRIVS,
	BH_IDS__N,
};

const char *bh_ids_step_name(enum bh_ids_step step); /* "change the user" */

/* Async-signal-safe. On failure errno is set; the process must not go on. */
enum bh_ids_step bh_ids_drop(const struct bh_ids *ids) BH_MUST_CHECK;

/* In the program: whether all three ids are these, an old one cannot come back, and no_new_privs is
 * in force. 0 or -EPERM. changed: as in struct bh_ids. */
int bh_ids_verify(bool changed, uid_t uid, gid_t gid) BH_MUST_CHECK;

/* Gives up every capability but these, of those that are held. -errno. */
int bh_caps_keep(uint64_t caps) BH_MUST_CHECK;

uint64_t bh_caps_effective(void);
uint64_t bh_caps_permitted(void);
uint64_t bh_caps_bounding(void);

#endif
