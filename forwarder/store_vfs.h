/*
 * Few large writes in place of many small ones: an SQLite VFS over another one, for the store's
 * file and its WAL (spec/durability.md §5, §11).
 *
 * SQLite writes a WAL as a head of 24 bytes and a page, a call each, and a checkpoint writes the
 * file page by page. Here each of the two files has a buffer: what follows what was written last
 * joins it there, and goes down as one write when the buffer is full, at a sync, and before
 * something is read or written that lies across its edge. Reads see what it holds. A write that
 * fails there fails the call that met it, and stays in the buffer, to be tried again or written
 * over; in a commit that call is the sync at the latest, so COMMIT does not succeed over it.
 *
 * What was not synced is lost with the process, not only with the machine: SQLite's promises hold
 * where each commit syncs (synchronous=FULL) and not where it does not. A sync of a file that was
 * not written since the last one is not passed on.
 *
 * Other files that the same connection opens (journals, copies) go to the VFS below untouched.
 */
#ifndef BH_FORWARDER_STORE_VFS_H
#define BH_FORWARDER_STORE_VFS_H

#include "common/attrs.h"

struct bh_store_vfs;

/* Makes one and registers it with SQLite, for one connection. below: a name SQLite knows, or NULL
 * for its default. 0, -ENOMEM, or -EIO (no such VFS). */
int bh_store_vfs_new(struct bh_store_vfs **out, const char *below) BH_MUST_CHECK;
/* The name to open the connection with; as long as the VFS. */
const char *bh_store_vfs_name(const struct bh_store_vfs *v);
/* After the connection is closed. NULL is allowed. */
void bh_store_vfs_free(struct bh_store_vfs *v);

#endif
