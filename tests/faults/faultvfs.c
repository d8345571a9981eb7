#include "tests/faults/faultvfs.h"

#include <errno.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/attrs.h"
#include "tests/faults/disk.h"

struct file {
	sqlite3_file base;
	struct disk_file *disk;
	enum fault_file kind;
	sqlite3_file real[]; /* of the default VFS, as large as it says */
};

static sqlite3_vfs *below;
static struct fault_plan plan;
static unsigned count, failed;

/* --- the plan ------------------------------------------------------------------------------------
 */

static _Noreturn void die(void)
{
	(void)raise(SIGKILL);
	abort();
}

static bool takes_space(enum fault_op op)
{
	return op == FAULT_OPEN || op == FAULT_WRITE || op == FAULT_ALLOCATE;
}

/* What is to happen to this operation. Does not return when the process ends here. */
static enum fault_act meet(enum fault_op op, enum fault_file file)
{
	if (!(plan.ops & op) || !(plan.files & file))
		return FAULT_NOTHING;
	count++;
	if (plan.at == 0 || count < plan.at || (plan.n && count >= plan.at + plan.n))
		return FAULT_NOTHING;
	switch (plan.act) {
	case FAULT_KILL:
		die();
	case FAULT_KILL_HALF:
		if (op != FAULT_WRITE)
			die();
		return FAULT_KILL_HALF;
	case FAULT_POWER:
		disk_cut(plan.seed);
		die();
	case FAULT_ENOSPC:
		if (!takes_space(op))
			return FAULT_NOTHING;
		failed++;
		return FAULT_ENOSPC;
	case FAULT_EIO:
		failed++;
		return FAULT_EIO;
	case FAULT_NOTHING:
		break;
	}
	return FAULT_NOTHING;
}

void fault_set(const struct fault_plan *next)
{
	plan = next ? *next : (struct fault_plan){.act = FAULT_NOTHING};
	count = failed = 0;
}

unsigned fault_count(void)
{
	return count;
}

unsigned fault_failed(void)
{
	return failed;
}

/* --- files ---------------------------------------------------------------------------------------
 */

static struct file *of(sqlite3_file *f)
{
	return (struct file *)(void *)f;
}

static int f_close(sqlite3_file *f)
{
	return of(f)->real->pMethods ? of(f)->real->pMethods->xClose(of(f)->real) : SQLITE_OK;
}

static int f_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at)
{
	return of(f)->real->pMethods->xRead(of(f)->real, to, n, at);
}

static int f_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	sqlite3_file *real = of(f)->real;
	int rc;

	switch (meet(FAULT_WRITE, of(f)->kind)) {
	case FAULT_EIO:
		return SQLITE_IOERR_WRITE;
	case FAULT_ENOSPC:
		return SQLITE_FULL;
	case FAULT_KILL_HALF:
		(void)real->pMethods->xWrite(real, p, n / 2, at);
		die();
	default:
		break;
	}
	rc = real->pMethods->xWrite(real, p, n, at);
	if (rc == SQLITE_OK)
		disk_write(of(f)->disk, p, (size_t)n, (uint64_t)at);
	return rc;
}

static int f_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	int rc;

	if (meet(FAULT_TRUNCATE, of(f)->kind) == FAULT_EIO)
		return SQLITE_IOERR_TRUNCATE;
	rc = of(f)->real->pMethods->xTruncate(of(f)->real, size);
	if (rc == SQLITE_OK)
		disk_truncate(of(f)->disk, (uint64_t)size);
	return rc;
}

/* Only the model waits for the disk: no process here outlives the machine. */
static int f_sync(sqlite3_file *f, int flags)
{
	(void)flags;
	if (meet(FAULT_SYNC, of(f)->kind) == FAULT_EIO)
		return SQLITE_IOERR_FSYNC;
	disk_sync(of(f)->disk, of(f)->kind != FAULT_DB);
	return SQLITE_OK;
}

static int f_size(sqlite3_file *f, sqlite3_int64 *size)
{
	return of(f)->real->pMethods->xFileSize(of(f)->real, size);
}

static int f_lock(sqlite3_file *f, int how)
{
	return of(f)->real->pMethods->xLock(of(f)->real, how);
}

static int f_unlock(sqlite3_file *f, int how)
{
	return of(f)->real->pMethods->xUnlock(of(f)->real, how);
}

static int f_check_lock(sqlite3_file *f, int *out)
{
	return of(f)->real->pMethods->xCheckReservedLock(of(f)->real, out);
}

static int f_control(sqlite3_file *f, int op, void *arg)
{
	/* A hint to make the file longer would be a write that nobody counted. */
	if (op == SQLITE_FCNTL_SIZE_HINT || op == SQLITE_FCNTL_CHUNK_SIZE)
		return SQLITE_NOTFOUND;
	return of(f)->real->pMethods->xFileControl(of(f)->real, op, arg);
}

static int f_sector(sqlite3_file *f)
{
	return of(f)->real->pMethods->xSectorSize(of(f)->real);
}

static int f_character(sqlite3_file *f)
{
	return of(f)->real->pMethods->xDeviceCharacteristics(of(f)->real);
}

/* Version 1, without shared memory: the store keeps its WAL index in its heap. */
static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = f_close,
    .xRead = f_read,
    .xWrite = f_write,
    .xTruncate = f_truncate,
    .xSync = f_sync,
    .xFileSize = f_size,
    .xLock = f_lock,
    .xUnlock = f_unlock,
    .xCheckReservedLock = f_check_lock,
    .xFileControl = f_control,
    .xSectorSize = f_sector,
    .xDeviceCharacteristics = f_character,
};

/* --- the VFS -------------------------------------------------------------------------------------
 */

static enum fault_file kind_of(int flags)
{
	return flags & SQLITE_OPEN_MAIN_DB ? FAULT_DB
	       : flags & SQLITE_OPEN_WAL   ? FAULT_WAL
					   : FAULT_OTHER;
}

static int v_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out)
{
	int rc;

	(void)v;
	f->pMethods = NULL;
	of(f)->kind = kind_of(flags);
	if (flags & SQLITE_OPEN_CREATE && name && access(name, F_OK) < 0) {
		enum fault_act act = meet(FAULT_OPEN, of(f)->kind);

		if (act == FAULT_EIO)
			return SQLITE_IOERR;
		if (act == FAULT_ENOSPC)
			return SQLITE_CANTOPEN;
	}
	of(f)->real->pMethods = NULL;
	of(f)->disk = disk_open(name);
	rc = below->xOpen(below, name, of(f)->real, flags, out);
	if (of(f)->real->pMethods)
		f->pMethods = &methods;
	return rc;
}

static int v_delete(sqlite3_vfs *v, const char *name, int sync_dir)
{
	int rc;

	(void)v;
	if (meet(FAULT_DELETE, FAULT_OTHER) == FAULT_EIO)
		return SQLITE_IOERR_DELETE;
	rc = below->xDelete(below, name, 0);
	if (rc == SQLITE_OK)
		disk_unlink(name, sync_dir);
	return rc;
}

int fault_init(void)
{
	static sqlite3_vfs vfs;
	int rc = sqlite3_initialize();

	if (rc != SQLITE_OK || below)
		return rc;
	below = sqlite3_vfs_find(NULL);
	vfs = *below;
	vfs.pNext = NULL;
	vfs.zName = FAULTVFS_NAME;
	vfs.szOsFile = (int)sizeof(struct file) + below->szOsFile;
	vfs.xOpen = v_open;
	vfs.xDelete = v_delete;
	return sqlite3_vfs_register(&vfs, 0);
}

/* --- calls beside SQLite: -Wl,--wrap -------------------------------------------------------------
 */

int __real_rename(const char *from, const char *to);
int __real_unlink(const char *path);
int __real_fsync(int fd);
int __real_posix_fallocate(int fd, off_t at, off_t n);
int __wrap_rename(const char *from, const char *to);
int __wrap_unlink(const char *path);
int __wrap_fsync(int fd);
int __wrap_posix_fallocate(int fd, off_t at, off_t n);

static int fail_with(enum fault_act act)
{
	errno = act == FAULT_ENOSPC ? ENOSPC : EIO;
	return -1;
}

int __wrap_rename(const char *from, const char *to)
{
	enum fault_act act = meet(FAULT_RENAME, FAULT_OTHER);
	int rc = act == FAULT_EIO ? fail_with(act) : __real_rename(from, to);

	if (rc == 0)
		disk_rename(from, to);
	return rc;
}

int __wrap_unlink(const char *path)
{
	enum fault_act act = meet(FAULT_UNLINK, FAULT_OTHER);
	int rc = act == FAULT_EIO ? fail_with(act) : __real_unlink(path);

	if (rc == 0)
		disk_unlink(path, true);
	return rc;
}

int __wrap_fsync(int fd)
{
	enum fault_act act = meet(FAULT_FSYNC, FAULT_OTHER);

	(void)fd;
	return act == FAULT_EIO ? fail_with(act) : 0;
}

int __wrap_posix_fallocate(int fd, off_t at, off_t n)
{
	enum fault_act act = meet(FAULT_ALLOCATE, FAULT_OTHER);

	if (act == FAULT_EIO)
		return EIO;
	return act == FAULT_ENOSPC ? ENOSPC : __real_posix_fallocate(fd, at, n);
}
