#include "supervisor/ctl_peer.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define GROUPS_MAX 1024 /* of one process; who has more is no reader */

/* Verbs that change nothing and show no text of clients or log files. */
static bool is_open_to_readers(enum bh_verb verb)
{
	switch (verb) {
	case BH_VERB_STATUS:
	case BH_VERB_LEDGER:
	case BH_VERB_VERSION:
	case BH_VERB_DOGSTATSD_STATS:
	case BH_VERB_CONTEXTS:
	case BH_VERB_SENDERS:
	case BH_VERB_HEALTH:
	case BH_VERB_SECURITY:
	case BH_VERB_LAST_STOP:
	case BH_VERB_EVENTS:
	case BH_VERB_EVENTS_FOLLOW:
		return true;
	default:
		return false;
	}
}

bool bh_ctl_may(enum bh_ctl_access access, enum bh_verb verb)
{
	return access == BH_CTL_ACCESS_ALL ||
	       (access == BH_CTL_ACCESS_READ && is_open_to_readers(verb));
}

static bool is_member(int fd, gid_t own, gid_t group)
{
	gid_t groups[GROUPS_MAX];
	socklen_t n = sizeof(groups);

	if (group == BH_CTL_NO_GROUP)
		return false;
	if (own == group)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &n) < 0)
		return false;
	for (size_t i = 0; i < n / sizeof(groups[0]); i++) {
		if (groups[i] == group)
			return true;
	}
	return false;
}

int bh_ctl_peer_of(int fd, gid_t readers, struct bh_ctl_peer *out)
{
	struct ucred peer = {0};
	socklen_t n = sizeof(peer);

	*out = (struct bh_ctl_peer){.uid = (uid_t)-1, .access = BH_CTL_ACCESS_NONE};
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
		return -errno;
	out->uid = peer.uid;
	out->pid = peer.pid;
	if (peer.uid == 0 || peer.uid == geteuid())
		out->access = BH_CTL_ACCESS_ALL;
	else if (is_member(fd, peer.gid, readers))
		out->access = BH_CTL_ACCESS_READ;
	return 0;
}
