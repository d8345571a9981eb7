/* The store's bytes: what the file, the WAL, the ballast and the disk have, and giving back what is
 * free. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "forwarder/store_internal.h"

#define WAL_THRESHOLD ((uint64_t)16 << 20)
#define WAL_MOST      ((uint64_t)64 << 20) /* as journal_size_limit in store_schema.c */
#define BALLAST_SLACK ((uint64_t)1 << 20)
#define COMPONENT     "store"
#define VACUUM_PAGES  128
#define VACUUM_FREE   ((uint64_t)64 << 20)
#define VACUUM_WHOLE  ((uint64_t)8 << 20) /* in use: so much is copied through memory */
#define QUIET_NS      (60 * BH_NS_PER_S)  /* since the last row came */
#define PRESSED_NS    (1 * BH_NS_PER_S)   /* the same while the disk is too full */
#define SLICE_NS      (50 * BH_NS_PER_MS) /* between two slices */

uint64_t bh_store_wal_bytes(const struct bh_store *s)
{
	struct stat st;

	return stat(s->wal, &st) == 0 ? (uint64_t)st.st_size : 0;
}

uint64_t bh_store_wal_used(const struct bh_store *s)
{
	return s->wal_used;
}

uint64_t bh_store_used_bytes(struct bh_store *s)
{
	sqlite3_int64 pages = 0, free_pages = 0;

	if (bh_store_scalar(s, "PRAGMA page_count", &pages) ||
	    bh_store_scalar(s, "PRAGMA freelist_count", &free_pages))
		return 0;
	return (uint64_t)(pages - free_pages) * s->page_size + bh_store_wal_bytes(s);
}

uint64_t bh_store_free_bytes(struct bh_store *s)
{
	sqlite3_int64 free_pages = 0;

	return bh_store_scalar(s, "PRAGMA freelist_count", &free_pages)
		   ? 0
		   : (uint64_t)free_pages * s->page_size;
}

uint64_t bh_store_disk_free(const struct bh_store *s)
{
	struct statvfs fs;

	return statvfs(s->cfg.dir, &fs) == 0 ? (uint64_t)fs.f_bavail * fs.f_frsize : UINT64_MAX;
}

uint64_t bh_store_disk_total(const struct bh_store *s)
{
	struct statvfs fs;

	return statvfs(s->cfg.dir, &fs) == 0 ? (uint64_t)fs.f_blocks * fs.f_frsize : 0;
}

int64_t bh_store_oldest_ms(struct bh_store *s)
{
	sqlite3_int64 ms = 0;

	if (bh_store_scalar(s, "SELECT created_ms FROM spool ORDER BY ord LIMIT 1", &ms))
		return 0;
	return ms;
}

static uint64_t ballast_size(const struct bh_store *s)
{
	uint64_t eighth =
	    s->cfg.max_size_bytes > 0 ? (uint64_t)s->cfg.max_size_bytes / 8 : UINT64_MAX;
	uint64_t full = WAL_THRESHOLD + BALLAST_SLACK;
	uint64_t disk = bh_store_disk_free(s);

	/* A small limit or a small disk makes a small ballast, and with it a small WAL. */
	eighth = BH_MIN(eighth, disk / 8);
	return BH_MAX(BH_MIN(eighth, full), (uint64_t)1 << 20);
}

static bool make_ballast(struct bh_store *s)
{
	struct statvfs fs;
	uint64_t want = ballast_size(s);
	int fd;

	if (statvfs(s->cfg.dir, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize < 2 * want)
		return false;
	fd = open(s->ballast, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return false;
	s->ballast_bytes = posix_fallocate(fd, 0, (off_t)want) == 0 ? want : 0;
	(void)close(fd);
	if (!s->ballast_bytes)
		(void)unlink(s->ballast);
	return s->ballast_bytes > 0;
}

/* A slice at a time: a whole file in one call would hold everything up for seconds. */
static void vacuum_slice(struct bh_store *s)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "PRAGMA incremental_vacuum(%d)", VACUUM_PAGES);
	(void)bh_store_check(s, sqlite3_exec(s->db, text, NULL, NULL, NULL));
}

/* A full disk makes it fail without harm. */
static void checkpoint(struct bh_store *s, int mode)
{
	int pages = 0, moved = 0;
	int rc = bh_store_check(s, sqlite3_wal_checkpoint_v2(s->db, NULL, mode, &pages, &moved));

	if (!rc)
		s->wal_used = (uint64_t)BH_MAX(pages - moved, 0) * s->page_size;
}

static bool is_busy(const struct bh_store *s)
{
	sqlite3_stmt *st = sqlite3_next_stmt(s->db, NULL);

	while (st && !sqlite3_stmt_busy(st))
		st = sqlite3_next_stmt(s->db, st);
	return st != NULL;
}

int bh_store_vacuum(struct bh_store *s)
{
	int rc = bh_store_check(s, sqlite3_exec(s->db, "VACUUM", NULL, NULL, NULL));

	checkpoint(s, SQLITE_CHECKPOINT_TRUNCATE);
	return rc;
}

int64_t bh_store_give_back(struct bh_store *s, int64_t quiet_ns, bool pressed)
{
	int64_t due_ns = (pressed ? PRESSED_NS : QUIET_NS) - quiet_ns;
	uint64_t unused = bh_store_free_bytes(s), used;
	sqlite3_int64 pages = 0;

	if (bh_store_scalar(s, "PRAGMA page_count", &pages) ||
	    unused <= BH_MAX(VACUUM_FREE, (uint64_t)pages * s->page_size / 4))
		return -1;
	if (due_ns > 0)
		return due_ns;
	used = (uint64_t)pages * s->page_size - unused;
	/* On a disk without room for the copy slices go on. */
	if (used >= VACUUM_WHOLE || is_busy(s) || bh_store_vacuum(s)) {
		vacuum_slice(s);
		checkpoint(s, SQLITE_CHECKPOINT_PASSIVE);
	}
	return SLICE_NS;
}

/* Nothing is read here: what is open was forgotten. */
static void end_statements(struct bh_store *s)
{
	for (sqlite3_stmt *st = NULL; (st = sqlite3_next_stmt(s->db, st)) != NULL;) {
		if (!sqlite3_stmt_busy(st))
			continue;
		bh_error(s->cfg.log, COMPONENT,
		    "the WAL has %llu MiB: a statement was held open, which is a bug, and is ended "
		    "now: %.200s",
		    (unsigned long long)(bh_store_wal_bytes(s) >> 20), sqlite3_sql(st));
		(void)sqlite3_reset(st);
	}
}

/* A statement that is open keeps the WAL from being written back, and nothing says so. Too large
 * once may be a large transaction: the next one cuts it. */
static void look_at_wal(struct bh_store *s)
{
	if (s->wal_used <= WAL_MOST) {
		s->wal_over = false;
	} else if (!s->wal_over) {
		s->wal_over = true;
	} else {
		end_statements(s);
		checkpoint(s, SQLITE_CHECKPOINT_TRUNCATE);
	}
}

/* Never more than the ballast can make room for. */
static uint64_t wal_threshold(const struct bh_store *s)
{
	if (s->ballast_bytes > WAL_THRESHOLD)
		return WAL_THRESHOLD;
	return BH_MAX(s->ballast_bytes / 2, (uint64_t)1 << 19);
}

void bh_store_tend(struct bh_store *s, bool idle)
{
	if (s->wal_used >= wal_threshold(s) || (idle && s->wal_used > 0))
		checkpoint(s, SQLITE_CHECKPOINT_PASSIVE);
	look_at_wal(s);
}

void bh_store_relieve(struct bh_store *s)
{
	if (s->ballast_bytes && unlink(s->ballast) == 0)
		s->ballast_bytes = 0;
	checkpoint(s, SQLITE_CHECKPOINT_TRUNCATE);
}

bool bh_store_ballasted(struct bh_store *s)
{
	return !s->in_memory && (s->ballast_bytes > 0 || make_ballast(s));
}

void bh_store_reclaim(struct bh_store *s)
{
	vacuum_slice(s);
	checkpoint(s, SQLITE_CHECKPOINT_TRUNCATE);
}
