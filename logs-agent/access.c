#include "logs-agent/access.h"

#include <errno.h>
#include <limits.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHOWN 50 /* of a component's path: its end tells it from its neighbours */

static void describe(
    const char *path, const struct stat *st, const char *what, char *out, size_t cap)
{
	size_t n = strlen(path);
	bool cut = n > SHOWN;

	(void)snprintf(out, cap,
	    "permission denied: %s%s (%u:%u %04o) lets uid %u gid %u not %s it: give a group or "
	    "ACL",
	    cut ? "..." : "", path + (cut ? n - SHOWN : 0), (unsigned)st->st_uid,
	    (unsigned)st->st_gid, (unsigned)st->st_mode & 07777, (unsigned)geteuid(),
	    (unsigned)getegid(), what);
}

void bh_access_explain(const char *path, char *out, size_t cap)
{
	char part[PATH_MAX];
	struct stat st;

	(void)snprintf(out, cap, "permission denied");
	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		(void)snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		if (stat(part, &st) < 0)
			return; /* the component before it was reported, or changed just now */
		if (faccessat(AT_FDCWD, part, X_OK, AT_EACCESS) < 0 && errno == EACCES) {
			describe(part, &st, "enter", out, cap);
			return;
		}
	}
	if (stat(path, &st) == 0 && faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) < 0)
		describe(path, &st, "read", out, cap);
	else if (stat(path, &st) == 0)
		/* The modes allow it, something else does not. */
		(void)snprintf(out, cap,
		    "permission denied though its mode allows it: a sandbox, or a link target "
		    "outside"
		    " the granted directories");
}
