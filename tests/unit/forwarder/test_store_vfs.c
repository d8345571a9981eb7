/* The buffer below the store's files, over a file of memory that fails when told to. */
#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "common/attrs.h"
#include "common/rng.h"
#include "forwarder/store_vfs.h"

#define CAP  400000
#define HEAD 24
#define PAGE 16384

static unsigned char disk[CAP];
static int64_t disk_n;
static unsigned writes, syncs;
static bool fails;

static int m_close(sqlite3_file *f)
{
	(void)f;
	return SQLITE_OK;
}

static int m_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at)
{
	(void)f;
	memset(to, 0, (size_t)n);
	if (at < disk_n)
		memcpy(to, disk + at, (size_t)BH_MIN((int64_t)n, disk_n - at));
	return at + n <= disk_n ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static void grow(int64_t n)
{
	if (n > disk_n)
		memset(disk + disk_n, 0, (size_t)(n - disk_n));
	disk_n = n;
}

static int m_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	(void)f;
	writes++;
	cr_assert_leq(n, 0x1ffff, "SQLite's VFS of Unix cuts longer ones off");
	if (fails)
		return SQLITE_FULL;
	grow(BH_MAX(disk_n, at + n));
	memcpy(disk + at, p, (size_t)n);
	return SQLITE_OK;
}

static int m_truncate(sqlite3_file *f, sqlite3_int64 n)
{
	(void)f;
	grow(n);
	return SQLITE_OK;
}

static int m_sync(sqlite3_file *f, int flags)
{
	(void)f;
	(void)flags;
	syncs++;
	return fails ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int m_size(sqlite3_file *f, sqlite3_int64 *n)
{
	(void)f;
	*n = disk_n;
	return SQLITE_OK;
}

static int m_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out)
{
	static const sqlite3_io_methods methods = {.iVersion = 1,
	    .xClose = m_close,
	    .xRead = m_read,
	    .xWrite = m_write,
	    .xTruncate = m_truncate,
	    .xSync = m_sync,
	    .xFileSize = m_size};

	(void)v;
	(void)name;
	(void)flags;
	(void)out;
	f->pMethods = &methods;
	return SQLITE_OK;
}

static struct bh_store_vfs *v;
static sqlite3_vfs *registered;

static void set_up(void)
{
	static sqlite3_vfs memory = {
	    .iVersion = 1, .szOsFile = sizeof(sqlite3_file), .zName = "memory", .xOpen = m_open};

	cr_assert_eq(sqlite3_vfs_register(&memory, 0), SQLITE_OK);
	cr_assert_eq(bh_store_vfs_new(&v, "memory"), 0);
	registered = sqlite3_vfs_find(bh_store_vfs_name(v));
	cr_assert_not_null(registered);
}

static void tear_down(void)
{
	bh_store_vfs_free(v);
}

TestSuite(store_vfs, .init = set_up, .fini = tear_down);

static sqlite3_file *open_as(int flags)
{
	sqlite3_file *f = calloc(1, (size_t)registered->szOsFile);

	cr_assert_eq(registered->xOpen(registered, "file", f, flags, NULL), SQLITE_OK);
	return f;
}

static void close_file(sqlite3_file *f)
{
	cr_assert_eq(f->pMethods->xClose(f), SQLITE_OK);
	free(f);
}

static void put_frames(sqlite3_file *f, int n)
{
	static const unsigned char page[PAGE];

	for (int i = 0; i < n; i++) {
		const sqlite3_int64 at = 32 + (sqlite3_int64)i * (HEAD + PAGE);

		cr_assert_eq(f->pMethods->xWrite(f, page, HEAD, at), SQLITE_OK);
		cr_assert_eq(f->pMethods->xWrite(f, page, PAGE, at + HEAD), SQLITE_OK);
	}
}

Test(store_vfs, frames_that_follow_each_other_are_one_write)
{
	sqlite3_file *f = open_as(SQLITE_OPEN_WAL);

	put_frames(f, 3);
	cr_expect_eq(writes, 0);
	cr_assert_eq(f->pMethods->xSync(f, 0), SQLITE_OK);
	cr_expect_eq(writes, 1);
	cr_expect_eq(disk_n, 32 + 3 * (HEAD + PAGE));
	cr_assert_eq(f->pMethods->xSync(f, 0), SQLITE_OK);
	cr_expect_eq(syncs, 1, "nothing was written since");
	put_frames(f, 16);
	cr_expect_eq(writes, 5, "each time 64 KiB are full");
	close_file(f);
	cr_expect_eq(writes, 5, "what was not synced is not owed");
}

Test(store_vfs, a_sync_that_failed_is_not_taken_for_done)
{
	sqlite3_file *f = open_as(SQLITE_OPEN_WAL);

	put_frames(f, 1);
	fails = true;
	cr_expect_eq(f->pMethods->xSync(f, 0), SQLITE_FULL);
	cr_expect_eq(syncs, 0);
	fails = false;
	cr_expect_eq(f->pMethods->xSync(f, 0), SQLITE_OK);
	cr_expect_eq(disk_n, 32 + HEAD + PAGE);
	put_frames(f, 1);
	cr_expect_eq(f->pMethods->xTruncate(f, 0), SQLITE_OK);
	fails = true;
	cr_expect_eq(f->pMethods->xSync(f, 0), SQLITE_IOERR_FSYNC, "nothing left to write");
	cr_expect_eq(f->pMethods->xSync(f, 0), SQLITE_IOERR_FSYNC);
	close_file(f);
}

Test(store_vfs, other_files_are_not_touched)
{
	static const struct {
		int flags;
		unsigned writes;
	} opens[] = {{SQLITE_OPEN_MAIN_JOURNAL, 1}, {SQLITE_OPEN_MAIN_DB, 0},
	    {SQLITE_OPEN_MAIN_DB, 1}, {SQLITE_OPEN_TEMP_DB, 1}, {SQLITE_OPEN_WAL, 0}};

	for (size_t i = 0; i < BH_ARRAY_LEN(opens); i++) {
		sqlite3_file *f = open_as(opens[i].flags);

		writes = 0;
		cr_assert_eq(f->pMethods->xWrite(f, "x", 1, 0), SQLITE_OK);
		cr_expect_eq(writes, opens[i].writes, "file %zu", i);
		close_file(f);
	}
}

static unsigned char model[CAP];
static int64_t model_n, last;

/* Where writes go: on from the last one, back into it, or anywhere in the file. */
static int64_t place(struct bh_rng *rng, int64_t n)
{
	uint64_t kind = bh_rng_u64(rng) % 8;
	int64_t back = (int64_t)(bh_rng_u64(rng) % 70000), at = last;

	if (kind == 6)
		at = BH_MAX(last - back, (int64_t)0);
	else if (kind == 7)
		at = (int64_t)(bh_rng_u64(rng) % (uint64_t)(model_n + 1));
	return at + n <= CAP ? at : 0;
}

static void one_write(sqlite3_file *f, struct bh_rng *rng)
{
	static unsigned char bytes[PAGE];
	int64_t n = bh_rng_u64(rng) % 3 ? PAGE : 1 + (int64_t)(bh_rng_u64(rng) % PAGE);
	int64_t at = place(rng, n);

	memset(bytes, (int)bh_rng_u64(rng), sizeof(bytes));
	fails = bh_rng_u64(rng) % 4 == 0;
	if (f->pMethods->xWrite(f, bytes, (int)n, at) != SQLITE_OK) {
		/* As SQLite after a roll-back: the same place is written again. */
		cr_assert(fails);
		fails = false;
		cr_assert_eq(f->pMethods->xWrite(f, bytes, (int)n, at), SQLITE_OK);
	}
	memcpy(model + at, bytes, (size_t)n);
	model_n = BH_MAX(model_n, at + n);
	last = at + n;
}

static void one_read(sqlite3_file *f, struct bh_rng *rng)
{
	static unsigned char got[PAGE];
	int64_t n = 1 + (int64_t)(bh_rng_u64(rng) % PAGE);
	int64_t at = bh_rng_u64(rng) % 2 ? (int64_t)(bh_rng_u64(rng) % CAP)
					 : BH_MAX(last - 2 * PAGE, (int64_t)0);
	sqlite3_int64 size = 0;

	fails = false;
	cr_assert_eq(f->pMethods->xFileSize(f, &size), SQLITE_OK);
	cr_assert_eq(size, model_n);
	if (at + n > model_n)
		return;
	cr_assert_eq(f->pMethods->xRead(f, got, (int)n, at), SQLITE_OK);
	cr_assert_arr_eq(got, model + at, (size_t)n);
}

static void one_truncation(sqlite3_file *f, struct bh_rng *rng)
{
	int64_t n = model_n ? (int64_t)(bh_rng_u64(rng) % (uint64_t)model_n) : 0;

	cr_assert_eq(f->pMethods->xTruncate(f, n), SQLITE_OK);
	model_n = n;
	last = BH_MIN(last, n);
}

static void one_sync(sqlite3_file *f)
{
	if (f->pMethods->xSync(f, 0) != SQLITE_OK) {
		fails = false;
		cr_assert_eq(f->pMethods->xSync(f, 0), SQLITE_OK);
	}
	cr_assert_eq(disk_n, model_n);
	cr_assert_arr_eq(disk, model, (size_t)model_n);
}

Test(store_vfs, any_order_of_calls_reads_back_what_was_written)
{
	sqlite3_file *f = open_as(SQLITE_OPEN_MAIN_DB);
	struct bh_rng rng;

	bh_rng_seed(&rng, 11);
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t kind = bh_rng_u64(&rng) % 100;

		if (kind < 60)
			one_write(f, &rng);
		else if (kind < 90)
			one_read(f, &rng);
		else if (kind < 93)
			one_truncation(f, &rng);
		else
			one_sync(f);
	}
	close_file(f);
}
