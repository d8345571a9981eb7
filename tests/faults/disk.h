/* What is on the disk and what is only on its way there, for each file of the fault VFS. */
#ifndef BH_TESTS_DISK_H
#define BH_TESTS_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct disk_file;

/* A file that was not known: what it holds now is durable. Valid for the life of the process. */
struct disk_file *disk_open(const char *path);
void disk_write(struct disk_file *f, const void *p, size_t n, uint64_t at);
void disk_truncate(struct disk_file *f, uint64_t size);
/* folder: SQLite syncs the folder with the first sync of a new journal or WAL, and with it every
 * name that was unlinked before. */
void disk_sync(struct disk_file *f, bool folder);
/* Not durable: the name may come back with what it held. */
void disk_unlink(const char *path, bool durable);
void disk_rename(const char *from, const char *to);

/* The power goes: writes every file as it would be found. */
void disk_cut(uint64_t seed);

#endif
