#include "forwarder/spool_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "forwarder/store_internal.h"
#include "forwarder/store_schema.h"

#define SLICE_PAGES 64          /* 1 MiB: a few milliseconds */
#define VERSIONS_AT 18          /* of the file's head: how it is to be read and written */
#define SLACK       (64u << 20) /* that delivery may need meanwhile */

struct bh_spool_copy {
	sqlite3 *db;
	sqlite3_backup *backup;
	int fd;
};

static int open_copy(struct bh_spool_copy *c, const char *path)
{
	/* What is behind it is thrown away with the process: no journal, no sync. */
	static const char quick[] = "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
				    "PRAGMA cache_size=-1024; PRAGMA locking_mode=EXCLUSIVE;";
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	int rc = bh_store_error(sqlite3_open_v2(path, &c->db, flags, NULL));

	return rc ? rc : bh_store_error(sqlite3_exec(c->db, quick, NULL, NULL, NULL));
}

static int begin(struct bh_spool_copy *c, struct bh_store *store)
{
	char path[NAME_CAP + 40];
	int rc;

	(void)snprintf(path, sizeof(path), "%s/snapshot-XXXXXX", bh_store_dir(store));
	c->fd = mkostemp(path, O_CLOEXEC);
	if (c->fd < 0)
		return -errno;
	rc = open_copy(c, path);
	(void)unlink(path);
	if (rc)
		return rc;
	c->backup = sqlite3_backup_init(c->db, "main", store->db, "main");
	return c->backup ? 0 : bh_store_error(sqlite3_errcode(c->db));
}

int bh_spool_copy_begin(struct bh_spool_copy **out, struct bh_store *store, struct bh_err *err)
{
	uint64_t need = bh_store_used_bytes(store) + bh_store_free_bytes(store) + SLACK;
	struct bh_spool_copy *c;
	int rc;

	if (bh_store_disk_free(store) < need)
		return bh_err_set(err, -ENOSPC,
		    "a snapshot needs %llu MiB of free space beside the store in %s",
		    (unsigned long long)(need >> 20), bh_store_dir(store));
	c = calloc(1, sizeof(*c));
	if (!c)
		return bh_err_set(err, -ENOMEM, "snapshot");
	c->fd = -1;
	rc = begin(c, store);
	if (rc) {
		bh_spool_copy_free(c);
		return bh_err_set(err, rc, "snapshot in %s", bh_store_dir(store));
	}
	*out = c;
	return 0;
}

int bh_spool_copy_step(struct bh_spool_copy *c)
{
	int code = sqlite3_backup_step(c->backup, SLICE_PAGES);

	if (code == SQLITE_OK)
		return 1;
	return code == SQLITE_DONE ? 0 : bh_store_error(code);
}

static int close_copy(struct bh_spool_copy *c)
{
	int rc = 0;

	if (c->backup)
		rc = bh_store_error(sqlite3_backup_finish(c->backup));
	c->backup = NULL;
	(void)sqlite3_close(c->db);
	c->db = NULL;
	return rc;
}

int bh_spool_copy_take(struct bh_spool_copy *c)
{
	static const uint8_t plain[2] = {1, 1};
	int fd = c->fd, rc = close_copy(c);

	c->fd = -1;
	/* The head says WAL, as the original's; whoever reads it has no business with one. */
	if (!rc && pwrite(fd, plain, sizeof(plain), VERSIONS_AT) != (ssize_t)sizeof(plain))
		rc = -EIO;
	bh_spool_copy_free(c);
	if (!rc)
		return fd;
	(void)close(fd);
	return rc;
}

void bh_spool_copy_free(struct bh_spool_copy *c)
{
	if (!c)
		return;
	(void)close_copy(c);
	if (c->fd >= 0)
		(void)close(c->fd);
	free(c);
}
