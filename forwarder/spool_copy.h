/*
 * A consistent copy of the database, made a slice at a time by the connection that has it open, so
 * that delivery goes on: what is committed in between goes into the copy as well. The copy has no
 * name from its first moment on, so that nothing is left behind when the process dies; who gets the
 * descriptor finds a plain database in it (rollback journal), readable by the sqlite3 shell.
 */
#ifndef BH_FORWARDER_SPOOL_COPY_H
#define BH_FORWARDER_SPOOL_COPY_H

#include "common/attrs.h"
#include "common/err.h"
#include "forwarder/store.h"

struct bh_spool_copy;

/* The store must outlive the copy. -ENOSPC: the disk has not twice the room for it; -ENOMEM; the
 * store's errors. */
int bh_spool_copy_begin(
    struct bh_spool_copy **out, struct bh_store *store, struct bh_err *err) BH_MUST_CHECK;
/* The next slice: 1 = there is more, 0 = it is whole; the store's errors, and BH_E_STATE: the
 * store is too busy just now, go on later. */
int bh_spool_copy_step(struct bh_spool_copy *c) BH_MUST_CHECK;
/* The copy, when it is whole; the caller's. -errno. Ends it, as free does. */
int bh_spool_copy_take(struct bh_spool_copy *c);
void bh_spool_copy_free(struct bh_spool_copy *c);

#endif
