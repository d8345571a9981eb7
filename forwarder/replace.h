/*
 * What a start does with a spool.db that is damaged, newer or gone (spec/durability.md §10): a new
 * file is made beside it from what can be read, then the old one is renamed (it is never written
 * to) and the new one takes its name. Only whole steps are visible; a start that finds one half
 * done goes on with it.
 *
 *   spool.db.salvage     a new file being filled; worthless after a crash
 *   spool.db.new         whole, waiting for its name
 *   spool.db.corrupt-<UTC>[-wal], spool.db.newer-<UTC>[-wal]   the newest two are kept
 *   spool.damaged        damage was met in operation: the next start replaces the file
 *   store-replaced       "<ms of its last write>\n<what happened>\n"; whoever deletes it, or has it
 *                        deleted (bh_replace_acknowledge), has acknowledged the loss; until then
 *                        the state is degraded
 */
#ifndef BH_FORWARDER_REPLACE_H
#define BH_FORWARDER_REPLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/attrs.h"

#define BH_REPLACED_NOTE "store-replaced"

struct bh_store;

struct bh_replaced {
	char text[512];  /* "" = nothing was replaced, or it was acknowledged */
	int64_t lost_ms; /* wall, last write of the old store */
	uint64_t rows, lost, positions, moved_back, bytes_back; /* of this start */
};

/* Finishes what an earlier start left, removes leftovers, reads the note. */
void bh_replace_recover(struct bh_store *s);
/* There is no spool.db, or an empty one, where there was a store. */
bool bh_replace_missing(const struct bh_store *s);
/* Damage was noted for the file s would open. */
bool bh_replace_noted(const struct bh_store *s);
void bh_replace_note(const struct bh_store *s);
/* Whether the note of a replacement still lies there. */
bool bh_replace_acknowledged(const struct bh_store *s);
/* Takes the note away, for good when it returns 0. -ENOENT: there is none; BH_E_STATE: the store is
 * in memory, which only a start can end; else -errno. */
int bh_replace_acknowledge(const struct bh_store *s) BH_MUST_CHECK;

/* why: BH_E_CORRUPT, BH_E_LIMIT (newer) or -ENOENT (gone). Leaves s open, on a file or, when none
 * can be made, in memory. An error: not even that. */
int bh_replace(struct bh_store *s, int why) BH_MUST_CHECK;
/* Nothing is wrong with what lies there, if anything does, but nothing can be written (cause):
 * leaves s open in memory, with the positions that can be read. */
int bh_replace_later(struct bh_store *s, int cause) BH_MUST_CHECK;

#endif
