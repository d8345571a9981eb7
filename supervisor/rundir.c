#include "supervisor/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "supervisor/loose.h"

#define POLL_MS 50

/* One directory; an existing one keeps its mode unless it is ours alone (mode 0700). */
static int make_dir(const char *path, mode_t mode, struct bh_err *err)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return chmod(path, mode) < 0 ? bh_err_set(err, -errno, "directory %s", path) : 0;
	if (errno != EEXIST)
		return bh_err_set(err, -errno, "create directory %s", path);
	if (stat(path, &st) < 0)
		return bh_err_set(err, -errno, "directory %s", path);
	if (!S_ISDIR(st.st_mode))
		return bh_err_set(err, -ENOTDIR, "%s", path);
	/* Of another user: bh_rundir_settle() decides. */
	if (mode == 0700 && st.st_uid == geteuid() && (st.st_mode & 0077) && chmod(path, mode) < 0)
		return bh_err_set(err, -errno, "take the rights of others from %s", path);
	return 0;
}

/* The path with its missing parents. */
static int make_path(const char *path, mode_t mode, struct bh_err *err)
{
	char *copy = strdup(path);
	struct stat st;
	int rc = 0;

	if (!copy)
		return bh_err_set(err, -ENOMEM, "directory %s", path);
	for (char *slash = strchr(copy + 1, '/'); slash && !rc; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (stat(copy, &st) < 0 && errno == ENOENT)
			rc = make_dir(copy, 0755, err);
		*slash = '/';
	}
	rc = rc ? rc : make_dir(copy, mode, err);
	free(copy);
	return rc;
}

static int make_below(const char *dir, const char *name, mode_t mode, struct bh_err *err)
{
	struct bh_buf path = BH_BUF_INIT;
	int rc = bh_buf_printf(&path, "%s/%s", dir, name);

	rc =
	    rc ? bh_err_set(err, rc, "directory %s/%s", dir, name) : make_dir(path.data, mode, err);
	bh_buf_release(&path);
	return rc;
}

static int open_below(const char *dir, const char *name, struct bh_err *err)
{
	struct bh_buf path = BH_BUF_INIT;
	int fd, rc = bh_buf_printf(&path, "%s/%s", dir, name);

	if (rc)
		return bh_err_set(err, rc, "open %s/%s", dir, name);
	fd = open(path.data, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0644);
	if (fd < 0)
		fd = bh_err_set(err, -errno, "open %s", path.data);
	bh_buf_release(&path);
	return fd;
}

static int try_lock(int fd)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	return errno == EAGAIN || errno == EACCES ? BH_E_STATE : -errno;
}

static int refuse(const struct bh_rundir *r, const char *run_dir, struct bh_err *err)
{
	char pid[16] = "";
	ssize_t n = pread(r->pid_fd, pid, sizeof(pid) - 1, 0);

	pid[n > 0 ? strcspn(pid, "\n") : 0] = '\0';
	return bh_err_set(err, BH_E_STATE,
	    "another instance runs on %s (pid %s): ask it with bulkheadctl, or give this one a "
	    "bulkhead.run_dir of its own",
	    run_dir, *pid ? pid : "unknown");
}

static int take_pid(struct bh_rundir *r, const char *run_dir, struct bh_err *err)
{
	int rc;

	r->pid_fd = open_below(run_dir, "bulkhead.pid", err);
	if (r->pid_fd < 0)
		return r->pid_fd;
	rc = try_lock(r->pid_fd);
	if (rc == BH_E_STATE)
		return refuse(r, run_dir, err);
	if (rc)
		return bh_err_set(err, rc, "lock %s/bulkhead.pid", run_dir);
	if (ftruncate(r->pid_fd, 0) < 0 || dprintf(r->pid_fd, "%d\n", (int)getpid()) < 0)
		return bh_err_set(err, -errno, "write %s/bulkhead.pid", run_dir);
	return 0;
}

static int take_children(struct bh_rundir *r, const char *run_dir, int wait_ms, struct bh_err *err)
{
	int rc;

	r->children_fd = open_below(run_dir, "children.lock", err);
	if (r->children_fd < 0)
		return r->children_fd;
	rc = try_lock(r->children_fd);
	for (int waited = 0; rc == BH_E_STATE && waited < wait_ms; waited += POLL_MS) {
		(void)poll(NULL, 0, POLL_MS);
		rc = try_lock(r->children_fd);
	}
	if (rc == BH_E_STATE)
		return bh_err_set(err, rc,
		    "children of an earlier supervisor on %s still run: end them (fuser -v "
		    "%s/children.lock shows which)",
		    run_dir, run_dir);
	return rc ? bh_err_set(err, rc, "lock %s/children.lock", run_dir) : 0;
}

int bh_rundir_take(
    struct bh_rundir *r, const char *run_dir, const char *run_path, int wait_ms, struct bh_err *err)
{
	int rc;

	*r = (struct bh_rundir)BH_RUNDIR_INIT;
	rc = bh_loose_dir(run_dir, err);
	if (!rc)
		rc = make_path(run_dir, 0755, err);
	if (rc)
		return bh_err_prefix(err, "bulkhead.run_dir");
	rc = make_path(run_path, 0755, err);
	if (rc)
		return bh_err_prefix(err, "run_path");
	rc = take_pid(r, run_dir, err);
	if (!rc)
		rc = take_children(r, run_dir, wait_ms, err);
	if (!rc)
		rc = make_below(run_dir, "link", 0700, err);
	if (!rc)
		rc = make_below(run_path, "store", 0700, err);
	if (rc) {
		/* A file that another instance owns is not emptied. */
		if (rc == BH_E_STATE && r->children_fd < 0 && r->pid_fd >= 0) {
			(void)close(r->pid_fd);
			r->pid_fd = -1;
		}
		bh_rundir_release(r);
	}
	return rc;
}

void bh_rundir_release(struct bh_rundir *r)
{
	if (r->children_fd >= 0)
		(void)close(r->children_fd);
	if (r->pid_fd >= 0) {
		/* Nothing depends on the text: the lock says who runs. */
		if (ftruncate(r->pid_fd, 0) < 0)
			(void)lseek(r->pid_fd, 0, SEEK_SET);
		(void)close(r->pid_fd);
	}
	*r = (struct bh_rundir)BH_RUNDIR_INIT;
}
