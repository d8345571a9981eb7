#include "forwarder/store_vfs.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "common/attrs.h"

/* Writes end where the offset is a multiple of it. SQLite's VFS of Unix keeps only the low 17 bits
 * of a length, so 64 KiB is the largest power of two. */
#define BUFFER ((int64_t)64 << 10)

struct file {
	sqlite3_file base;
	bool written;          /* since the last sync */
	int64_t at, n;         /* where the buffer's bytes belong, how many they are */
	unsigned char *buffer; /* of BUFFER bytes */
	sqlite3_file real[];   /* of the VFS below, as large as it says */
};

struct bh_store_vfs {
	sqlite3_vfs vfs;
	sqlite3_vfs *below;
	char name[32];
	bool has_main; /* the next database is a copy, not the store */
};

static struct file *of(sqlite3_file *f)
{
	return (struct file *)(void *)f;
}

static const sqlite3_io_methods *below(const struct file *f)
{
	return f->real->pMethods;
}

static int flush(struct file *f)
{
	int rc = f->n ? below(f)->xWrite(f->real, f->buffer, (int)f->n, f->at) : SQLITE_OK;

	if (rc == SQLITE_OK)
		f->n = 0;
	return rc;
}

static int f_close(sqlite3_file *f)
{
	free(of(f)->buffer);
	return below(of(f))->xClose(of(f)->real);
}

static int f_read(sqlite3_file *base, void *to, int n, sqlite3_int64 at)
{
	struct file *f = of(base);
	int rc = SQLITE_OK;

	if (at >= f->at && at + n <= f->at + f->n) {
		memcpy(to, f->buffer + (at - f->at), (size_t)n);
		return SQLITE_OK;
	}
	if (at < f->at + f->n && at + n > f->at)
		rc = flush(f);
	return rc == SQLITE_OK ? below(f)->xRead(f->real, to, n, at) : rc;
}

/* How many bytes the buffer can take of what belongs there; 0 = it must be empty first. */
static int64_t room(struct file *f, int64_t at)
{
	if (f->n == 0)
		f->at = at;
	if (at < f->at || at > f->at + f->n)
		return 0;
	return f->at + BUFFER - f->at % BUFFER - at;
}

static int f_write(sqlite3_file *base, const void *from, int left, sqlite3_int64 at)
{
	struct file *f = of(base);
	const unsigned char *p = from;

	f->written = true;
	while (left > 0) {
		int64_t n = room(f, at);

		if (n == 0) {
			int rc = flush(f);

			if (rc != SQLITE_OK)
				return rc;
			continue;
		}
		n = BH_MIN(n, (int64_t)left);
		memcpy(f->buffer + (at - f->at), p, (size_t)n);
		at += n;
		p += n;
		left -= (int)n;
		f->n = BH_MAX(f->n, at - f->at);
	}
	return SQLITE_OK;
}

static int f_truncate(sqlite3_file *base, sqlite3_int64 size)
{
	struct file *f = of(base);

	f->written = true;
	f->n = BH_MAX(BH_MIN(f->n, size - f->at), (int64_t)0);
	return below(f)->xTruncate(f->real, size);
}

static int f_sync(sqlite3_file *base, int flags)
{
	struct file *f = of(base);
	int rc = flush(f);

	if (rc != SQLITE_OK || !f->written)
		return rc;
	rc = below(f)->xSync(f->real, flags);
	f->written = rc != SQLITE_OK;
	return rc;
}

static int f_size(sqlite3_file *base, sqlite3_int64 *size)
{
	struct file *f = of(base);
	int rc = below(f)->xFileSize(f->real, size);

	if (f->n)
		*size = BH_MAX(*size, (sqlite3_int64)(f->at + f->n));
	return rc;
}

static int f_lock(sqlite3_file *f, int how)
{
	return below(of(f))->xLock(of(f)->real, how);
}

static int f_unlock(sqlite3_file *f, int how)
{
	return below(of(f))->xUnlock(of(f)->real, how);
}

static int f_check_lock(sqlite3_file *f, int *out)
{
	return below(of(f))->xCheckReservedLock(of(f)->real, out);
}

static int f_control(sqlite3_file *f, int op, void *arg)
{
	return below(of(f))->xFileControl(of(f)->real, op, arg);
}

static int f_sector(sqlite3_file *f)
{
	return below(of(f))->xSectorSize(of(f)->real);
}

static int f_character(sqlite3_file *f)
{
	return below(of(f))->xDeviceCharacteristics(of(f)->real);
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

static int v_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags, int *out)
{
	struct bh_store_vfs *v = BH_CONTAINER(vfs, struct bh_store_vfs, vfs);
	bool main = flags & SQLITE_OPEN_MAIN_DB && !v->has_main;
	struct file *f = of(base);
	int rc;

	if (!main && !(flags & SQLITE_OPEN_WAL))
		return v->below->xOpen(v->below, name, base, flags, out);
	v->has_main |= main;
	base->pMethods = NULL;
	f->written = true; /* by whoever had it before */
	f->n = 0;
	f->buffer = malloc(BUFFER);
	if (!f->buffer)
		return SQLITE_NOMEM;
	f->real->pMethods = NULL;
	rc = v->below->xOpen(v->below, name, f->real, flags, out);
	if (f->real->pMethods)
		base->pMethods = &methods;
	else
		free(f->buffer);
	return rc;
}

int bh_store_vfs_new(struct bh_store_vfs **out, const char *below_name)
{
	struct bh_store_vfs *v = NULL;
	sqlite3_vfs *under = sqlite3_initialize() ? NULL : sqlite3_vfs_find(below_name);

	if (!under)
		return -EIO;
	v = calloc(1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	(void)snprintf(v->name, sizeof(v->name), "store-%p", (void *)v);
	v->below = under;
	v->vfs = *under;
	v->vfs.pNext = NULL;
	v->vfs.zName = v->name;
	v->vfs.szOsFile = (int)sizeof(struct file) + under->szOsFile;
	v->vfs.xOpen = v_open;
	if (sqlite3_vfs_register(&v->vfs, 0) != SQLITE_OK) {
		free(v);
		return -EIO;
	}
	*out = v;
	return 0;
}

const char *bh_store_vfs_name(const struct bh_store_vfs *v)
{
	return v->name;
}

void bh_store_vfs_free(struct bh_store_vfs *v)
{
	if (!v)
		return;
	(void)sqlite3_vfs_unregister(&v->vfs);
	free(v);
}
