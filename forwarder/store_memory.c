/* A store without a file, for as long as none can be made (spec/durability.md §8, §10.4), and its
 * way into one. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "forwarder/store_internal.h"
#include "forwarder/store_schema.h"

#define COMPONENT "store"
#define MAIN      "spool.db"
#define LANDING   "spool.db.salvage" /* removed by the next start when this one dies over it */
#define SLACK     ((uint64_t)1 << 20)

int bh_store_open_in_memory(struct bh_store *s, int cause)
{
	s->in_memory = true;
	s->damaged = s->failed = false;
	s->without = cause;
	(void)snprintf(s->path, sizeof(s->path), ":memory:");
	(void)snprintf(s->wal, sizeof(s->wal), "/nonexistent");
	return bh_store_open_file(s);
}

int bh_store_without(const struct bh_store *s)
{
	return s->in_memory ? s->without : 0;
}

bool bh_store_lies_there(const struct bh_store *s)
{
	char path[NAME_CAP + 32];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/" MAIN, s->dir);
	return !s->leftover && lstat(path, &st) == 0 && st.st_size > 0;
}

void bh_store_remove_files(const struct bh_store *s)
{
	char journal[sizeof(s->path) + 16];

	/* Of a creation that failed before the file was in WAL mode; SQLite would roll the next
	 * file of that name back to it. */
	(void)snprintf(journal, sizeof(journal), "%s-journal", s->path);
	(void)unlink(s->path);
	(void)unlink(s->wal);
	(void)unlink(journal);
}

/* Whole and on the disk when it returns 0. */
static int copy(const struct bh_store *s, struct bh_store *file)
{
	static const char safely[] = "PRAGMA journal_mode=OFF; PRAGMA synchronous=FULL;";
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
		    SQLITE_OPEN_EXRESCODE;
	sqlite3_backup *backup = NULL;
	sqlite3 *to = NULL;
	int rc = bh_store_error(sqlite3_open_v2(file->path, &to, flags, s->cfg.vfs));

	if (!rc)
		rc = bh_store_error(sqlite3_exec(to, safely, NULL, NULL, NULL));
	if (!rc && !(backup = sqlite3_backup_init(to, "main", s->db, "main")))
		rc = bh_store_error(sqlite3_errcode(to));
	if (!rc)
		rc = bh_store_error(sqlite3_backup_step(backup, -1));
	if (backup && !rc)
		rc = bh_store_error(sqlite3_backup_finish(backup));
	else if (backup)
		(void)sqlite3_backup_finish(backup);
	if (rc)
		rc = bh_store_cause(to, rc);
	(void)sqlite3_close(to);
	return rc;
}

/* A producer's mark from before would be older than what it has been acknowledged since: it would
 * wait for ever for what it does not have any more. Without a mark it greets as new. */
static int forget_marks(struct bh_store *file)
{
	int rc;

	bh_store_name(file, MAIN);
	rc = bh_store_open_file(file);
	if (!rc) {
		rc = bh_store_check(
		    file, sqlite3_exec(file->db, "DELETE FROM producer", NULL, NULL, NULL));
		bh_store_close_file(file, false);
	}
	/* A start replaces these, and takes no marks over. */
	return rc == BH_E_CORRUPT || rc == BH_E_LIMIT ? 0 : rc;
}

static int take_name(struct bh_store *file)
{
	char from[sizeof(file->path)];
	int dir;

	(void)snprintf(from, sizeof(from), "%s", file->path);
	bh_store_name(file, MAIN);
	bh_store_remove_files(file);
	if (rename(from, file->path) < 0)
		return -errno;
	dir = open(file->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0) {
		(void)fsync(dir);
		(void)close(dir);
	}
	return bh_store_open_file(file);
}

/* file is open, and holds all that s does. */
static void become(struct bh_store *s, struct bh_store *file)
{
	file->next_ord = s->next_ord;
	file->ord_floor = s->ord_floor;
	bh_store_close_file(s, false);
	*s = *file;
	s->cfg.dir = s->dir;
	s->leftover = false;
	bh_store_watch_wal(s); /* file goes away */
}

static int land(struct bh_store *s, struct bh_store *file)
{
	int rc;

	if (bh_store_disk_free(s) < 2 * bh_store_used_bytes(s) + SLACK)
		return -ENOSPC;
	bh_store_name(file, LANDING);
	bh_store_remove_files(file);
	rc = copy(s, file);
	if (!rc && bh_store_lies_there(s)) {
		bh_store_remove_files(file);
		rc = forget_marks(file);
		return rc ? rc : BH_E_STATE;
	}
	if (!rc)
		rc = take_name(file);
	if (rc)
		bh_store_remove_files(file);
	else
		become(s, file);
	return rc;
}

int bh_store_land(struct bh_store *s, int64_t max_size_bytes)
{
	struct bh_store *file;
	int rc;

	if (!s->in_memory)
		return 0;
	file = malloc(sizeof(*file));
	if (!file)
		return -ENOMEM;
	*file = *s;
	memset(file->st, 0, sizeof(file->st));
	file->db = NULL;
	file->vfs = NULL; /* below the other connection */
	file->cfg.dir = file->dir;
	file->cfg.max_size_bytes = max_size_bytes;
	file->in_memory = false;
	rc = land(s, file);
	free(file);
	if (!rc)
		(void)bh_store_ballasted(s);
	return rc;
}
