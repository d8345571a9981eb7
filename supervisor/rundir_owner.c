#include "supervisor/rundir_owner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One link each, regular: nothing that its former owner could have pointed elsewhere. */
static int hand_over_file(int dir, const char *name, uid_t uid, gid_t gid)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	int rc = 0;

	if (fd < 0)
		return errno == ELOOP || errno == ENXIO ? 0 : -errno;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 &&
	    fchown(fd, uid, gid) < 0)
		rc = -errno;
	(void)close(fd);
	return rc;
}

static int hand_over_files(int fd, uid_t uid, gid_t gid)
{
	int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = again < 0 ? NULL : fdopendir(again);
	const struct dirent *e;
	int rc = 0;

	if (!dir) {
		rc = -errno;
		if (again >= 0)
			(void)close(again);
		return rc;
	}
	while (!rc && (e = readdir(dir)) != NULL) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			rc = hand_over_file(dirfd(dir), e->d_name, uid, gid);
	}
	(void)closedir(dir);
	return rc;
}

/* The files first: from then on the new owner may put there what it likes. */
static int change(const char *path, uid_t uid, gid_t gid, mode_t mode)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return -errno;
	rc = hand_over_files(fd, uid, gid);
	if (!rc && (fchown(fd, uid, gid) < 0 || fchmod(fd, mode) < 0))
		rc = -errno;
	(void)close(fd);
	return rc;
}

static int settle(
    const char *dir, const char *name, uid_t uid, gid_t gid, mode_t mode, struct bh_err *err)
{
	char path[PATH_MAX];
	struct stat st;
	int rc = 0, n = snprintf(path, sizeof(path), "%s/%s", dir, name);

	if (n < 0 || (size_t)n >= sizeof(path))
		return bh_err_set(err, -ENAMETOOLONG, "%s/%s", dir, name);
	if (lstat(path, &st) < 0)
		return bh_err_set(err, -errno, "%s", path);
	if (st.st_uid != uid || st.st_gid != gid)
		rc = change(path, uid, gid, mode);
	else if ((st.st_mode & 07777) != mode && chmod(path, mode) < 0)
		rc = -errno;
	if (rc)
		return bh_err_set(err, rc,
		    "%s must belong to %u:%u with mode %04o; make it so (chown -R, chmod), and "
		    "start "
		    "again",
		    path, (unsigned)uid, (unsigned)gid, (unsigned)mode);
	return 0;
}

/* Every directory above must let the forwarder in; that of the link its peers too, but those who
 * may enter for the forwarder may for them in all but odd set-ups. */
static int check_way(const char *dir, const struct bh_rundir_owner *owner, struct bh_err *err)
{
	char part[PATH_MAX];
	struct stat st;

	for (const char *slash = dir;; slash++) {
		bool end;

		slash += strcspn(slash, "/");
		end = *slash == '\0';
		if (snprintf(part, sizeof(part), "%.*s", (int)(slash - dir), dir) <= 0) {
			if (end)
				return 0;
			continue;
		}
		if (stat(part, &st) == 0 && !(st.st_mode & S_IXOTH) &&
		    !(st.st_uid == owner->uid && st.st_mode & S_IXUSR) &&
		    !((st.st_gid == owner->gid || st.st_gid == owner->ipc) && st.st_mode & S_IXGRP))
			return bh_err_set(err, -EPERM,
			    "%s does not let user %u in, who has the database and the sockets "
			    "below "
			    "it: chmod o+x %s",
			    part, (unsigned)owner->uid, part);
		if (end)
			return 0;
	}
}

int bh_rundir_settle(const char *run_dir, const char *run_path, const struct bh_rundir_owner *owner,
    struct bh_err *err)
{
	int rc = owner->separate ? settle(run_dir, "link", owner->uid, owner->ipc, 02710, err)
				 : settle(run_dir, "link", owner->uid, owner->gid, 0700, err);

	rc = rc ? rc : settle(run_path, "store", owner->uid, owner->gid, 0700, err);
	if (!rc && owner->separate)
		rc = check_way(run_dir, owner, err);
	if (!rc && owner->separate)
		rc = check_way(run_path, owner, err);
	return rc;
}
