#include "supervisor/loose.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Who may exchange what stands in a directory: whoever may write there, unless it is sticky. */
static int check_parent(const char *path, struct bh_err *err)
{
	char *copy = strdup(path), *slash;
	struct stat st;
	int rc = 0;

	if (!copy)
		return bh_err_set(err, -ENOMEM, "%s", path);
	slash = strrchr(copy, '/');
	if (slash && slash != copy) {
		*slash = '\0';
		if (stat(copy, &st) == 0 && st.st_mode & S_IWOTH && !(st.st_mode & S_ISVTX))
			rc = bh_err_set(err, -EPERM,
			    "%s may be written by everybody, so %s could be exchanged: chmod o-w "
			    "%s",
			    copy, path, copy);
	}
	free(copy);
	return rc;
}

int bh_loose_dir(const char *path, struct bh_err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return check_parent(path, err);
	if (st.st_mode & S_IWOTH)
		return bh_err_set(
		    err, -EPERM, "%s may be written by everybody: chmod o-w %s", path, path);
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return bh_err_set(err, -EPERM,
		    "%s belongs to user %u, not to the one that starts bulkhead: chown %u %s", path,
		    (unsigned)st.st_uid, (unsigned)geteuid(), path);
	return check_parent(path, err);
}
