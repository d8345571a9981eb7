/*
 * What a disk may do to a store, made to happen at a chosen operation: an SQLite VFS over the
 * default one, and wrappers of the file calls the store makes by itself (the linker's --wrap).
 *
 * Every operation that changes a file is counted: of the VFS open (create), write, sync, truncate
 * and delete; of the wrappers rename, unlink, fsync and posix_fallocate. The n-th one that a plan
 * names fails, ends the process, or is the moment the power goes.
 *
 * Power loss: for each file of the VFS it is known what was there at its last sync and what was
 * written since. When the power goes, the files are left as a disk may show them then: of what was
 * not synced any 512-byte sector is there or is not, in any order, and the process is killed. Calls
 * of the wrappers count as durable at once; that is the limit of the model.
 *
 * A file may only be used by one process at a time; all state is the process's own, so a test forks
 * before it sets a plan.
 */
#ifndef BH_TESTS_FAULTVFS_H
#define BH_TESTS_FAULTVFS_H

#include <stdbool.h>
#include <stdint.h>

#define FAULTVFS_NAME "fault"

enum fault_op {
	FAULT_OPEN = 1,
	FAULT_WRITE = 2,
	FAULT_SYNC = 4,
	FAULT_TRUNCATE = 8,
	FAULT_DELETE = 16,
	FAULT_RENAME = 32,
	FAULT_UNLINK = 64,
	FAULT_FSYNC = 128,
	FAULT_ALLOCATE = 256,
	FAULT_ANY = 511,
};

enum fault_file { FAULT_DB = 1, FAULT_WAL = 2, FAULT_OTHER = 4, FAULT_FILES = 7 };

enum fault_act {
	FAULT_NOTHING, /* counts */
	FAULT_EIO,
	FAULT_ENOSPC,    /* only of what takes space: open, write, allocate */
	FAULT_KILL,      /* before the operation */
	FAULT_KILL_HALF, /* after the first half of a write; else as FAULT_KILL */
	FAULT_POWER,     /* before the operation */
};

struct fault_plan {
	unsigned ops, files; /* what counts: of enum fault_op and enum fault_file */
	unsigned at;         /* the how many-th of them, from 1; 0 = never */
	unsigned n;          /* how many from there on; 0 = all */
	enum fault_act act;
	uint64_t seed; /* of FAULT_POWER */
};

/* One death at that operation: a kill, or a power cut, in turn. */
static inline struct fault_plan fault_death(unsigned at)
{
	return (struct fault_plan){.ops = FAULT_ANY,
	    .files = FAULT_FILES,
	    .at = at,
	    .n = 1,
	    .act = at % 2 ? FAULT_KILL : FAULT_POWER,
	    .seed = at};
}

/* Registers the VFS, once a process. 0 or an SQLite code. */
int fault_init(void);
/* Counting begins again from 0. NULL: nothing happens any more. */
void fault_set(const struct fault_plan *plan);
/* Operations counted since then. */
unsigned fault_count(void);
/* Those of them that were made to fail. */
unsigned fault_failed(void);

#endif
