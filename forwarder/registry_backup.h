/*
 * registry-backup.json beside the database (spec/durability.md §10.3): the Agent's registry.json,
 * version 2, with more members. It is read when the database is gone, or does not give its registry
 * back.
 *
 * An entry's Offset is what was delivered; "Complete" the same for all destinations. "Generation",
 * "Device", "Inode", "LastSize", "State" are those of the row, 64-bit values as text;
 * "MarkerLength" and "MarkerHash" are there only where nothing is outstanding, since the marker
 * belongs to `safe`. "Registry" holds the generations at their paths, "Generations" (an array,
 * entries with "Identifier", or "IdentifierHex" when it is no UTF-8) all others, "Sources" the
 * times of the last scans. The Agent reads the first alone.
 */
#ifndef BH_FORWARDER_REGISTRY_BACKUP_H
#define BH_FORWARDER_REGISTRY_BACKUP_H

#include <stdint.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "forwarder/positions.h"

#define BH_BACKUP_NAME "registry-backup.json"

/* Appends the file's text. -ENOMEM. */
int bh_backup_encode(
    const struct bh_positions *ps, int64_t now_ms, struct bh_buf *out) BH_MUST_CHECK;

/* Replaces dir/name by these bytes, whole or not at all: temporary file, fsync, rename, fsync of
 * the directory. -errno. */
int bh_backup_save(const char *dir, const char *name, struct bh_str bytes) BH_MUST_CHECK;

/* bh_backup_encode and bh_backup_save under its name. */
int bh_backup_write(const char *dir, const struct bh_positions *ps, int64_t now_ms) BH_MUST_CHECK;

/* Rows of dir's backup; *n of them. 0 also when there is none or it is no such file (*n is 0). */
int bh_backup_read(const char *dir, int (*row)(void *ctx, const struct bh_origin *o), void *ctx,
    size_t *n) BH_MUST_CHECK;

#endif
