/*
 * Who asks on the control socket, and what that one may (spec/supervision.md §9.2). The kernel says
 * who it is: SO_PEERCRED, and SO_PEERGROUPS for the group of readers.
 */
#ifndef BH_SUPERVISOR_CTL_PEER_H
#define BH_SUPERVISOR_CTL_PEER_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/attrs.h"
#include "supervisor/ctl_request.h"

#define BH_CTL_NO_GROUP ((gid_t)-1)

enum bh_ctl_access {
	BH_CTL_ACCESS_NONE,
	BH_CTL_ACCESS_READ, /* a member of the readers' group: verbs that only show figures */
	BH_CTL_ACCESS_ALL,  /* uid 0, and the user we run as */
};

struct bh_ctl_peer {
	uid_t uid;
	pid_t pid;
	enum bh_ctl_access access;
};

/* readers: the group's id; BH_CTL_NO_GROUP = there is none. 0, or -errno: access is then NONE. */
int bh_ctl_peer_of(int fd, gid_t readers, struct bh_ctl_peer *out) BH_MUST_CHECK;

bool bh_ctl_may(enum bh_ctl_access access, enum bh_verb verb);

#endif
