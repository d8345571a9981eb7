#include "common/sandbox_ids.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CAPS_END 64 /* no kernel knows more */

const char *bh_ids_step_name(enum bh_ids_step step)
{
	static const char *const names[BH_IDS__N] = {
	    [BH_IDS_OK] = "start",
	    [BH_IDS_NETWORK] = "make a network namespace for",
	    [BH_IDS_BOUNDING] = "shrink the bounding set of",
	    [BH_IDS_GROUPS] = "set the groups of",
	    [BH_IDS_GID] = "change the group of",
	    [BH_IDS_UID] = "change the user of",
	    [BH_IDS_CAPS] = "set the capabilities of",
	    [BH_IDS_CORE] = "forbid the core dumps of",
	    [BH_IDS_NO_NEW_PRIVS] = "set no_new_privs for",
	};

	return names[step];
}

static int get_caps(struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3])
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};

	return syscall(SYS_capget, &head, data) < 0 ? -errno : 0;
}

static int set_caps(uint64_t permitted, uint64_t inheritable)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		data[i].permitted = data[i].effective = (uint32_t)(permitted >> (32 * i));
		data[i].inheritable = (uint32_t)(inheritable >> (32 * i));
	}
	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

/* The kernel says EINVAL behind its last capability. */
static int shrink_bounding(uint64_t keep)
{
	for (int cap = 0; cap < CAPS_END; cap++) {
		if (keep & (uint64_t)1 << cap || prctl(PR_CAPBSET_READ, cap, 0, 0, 0) != 1)
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return -errno;
	}
	return 0;
}

/* Ambient ones are what a program of another user than root still has after exec. */
static int keep_through_exec(uint64_t caps)
{
	int rc = set_caps(caps, caps);

	if (rc)
		return rc;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	for (int cap = 0; cap < CAPS_END; cap++) {
		if (caps & (uint64_t)1 << cap &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return -errno;
	}
	return 0;
}

static enum bh_ids_step change(const struct bh_ids *ids)
{
	if (ids->own_network && unshare(CLONE_NEWNET) < 0)
		return BH_IDS_NETWORK;
	/* Without the right to shrink it: no_new_privs makes that nothing comes back from it. */
	if (shrink_bounding(ids->caps) && errno != EPERM)
		return BH_IDS_BOUNDING;
	if (ids->user && setgroups(ids->groups_n, ids->groups) < 0)
		return BH_IDS_GROUPS;
	if (ids->user && setresgid(ids->gid, ids->gid, ids->gid) < 0)
		return BH_IDS_GID;
	/* The permitted set would go with the user, and with it what is to stay. */
	if (ids->user &&
	    (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setresuid(ids->uid, ids->uid, ids->uid) < 0))
		return BH_IDS_UID;
	return keep_through_exec(ids->caps) < 0 ? BH_IDS_CAPS : BH_IDS_OK;
}

enum bh_ids_step bh_ids_drop(const struct bh_ids *ids)
{
	static const struct rlimit no_core = {0, 0};
	enum bh_ids_step failed = ids->change ? change(ids) : BH_IDS_OK;

	(void)umask(0077);
	if (!failed && setrlimit(RLIMIT_CORE, &no_core) < 0)
		failed = BH_IDS_CORE;
	if (!failed && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		failed = BH_IDS_NO_NEW_PRIVS;
	return failed;
}

int bh_ids_verify(bool changed, uid_t uid, gid_t gid)
{
	uid_t u[3];
	gid_t g[3];

	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return -EPERM;
	if (!changed)
		return 0;
	if (getresuid(&u[0], &u[1], &u[2]) < 0 || getresgid(&g[0], &g[1], &g[2]) < 0)
		return -EPERM;
	for (int i = 0; i < 3; i++) {
		if (u[i] != uid || g[i] != gid)
			return -EPERM;
	}
	/* What can be undone is not done. */
	if (uid != 0 && (setresuid(0, 0, 0) == 0 || setresgid(0, 0, 0) == 0))
		return -EPERM;
	return 0;
}

int bh_caps_keep(uint64_t caps)
{
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return set_caps(caps & bh_caps_permitted(), 0);
}

static uint64_t join(uint32_t low, uint32_t high)
{
	return (uint64_t)high << 32 | low;
}

uint64_t bh_caps_effective(void)
{
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	return get_caps(data) ? 0 : join(data[0].effective, data[1].effective);
}

uint64_t bh_caps_permitted(void)
{
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	return get_caps(data) ? 0 : join(data[0].permitted, data[1].permitted);
}

uint64_t bh_caps_bounding(void)
{
	uint64_t set = 0;

	for (int cap = 0; cap < CAPS_END; cap++) {
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
			set |= (uint64_t)1 << cap;
	}
	return set;
}
