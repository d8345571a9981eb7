/*
 * The one database: registry, spool, destinations, dedup marks (spec/durability.md §2–§4, §8–§11).
 * One connection, one thread, this process only; nothing else may open the path.
 *
 * Writes happen inside bh_store_begin() … bh_store_commit(). After any error the caller calls
 * bh_store_rollback() and changes nothing in memory. Error codes:
 *   -ENOSPC       the disk is full (or quota, or read-only): a state, try again after
 * bh_store_relieve() BH_E_CORRUPT  the file is damaged: close and open again, which sets it aside
 *   BH_E_STATE    another process holds the store (open only): exit 75
 *   -EIO          state of the last commit unknown: exit 70, recovery decides
 */
#ifndef BH_FORWARDER_STORE_H
#define BH_FORWARDER_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "common/rng.h"
#include "forwarder/position.h"
#include "forwarder/receiver.h"
#include "proto/link.h"
#include "proto/origin.h"

#define BH_STORE_APPLICATION_ID 1651862635 /* "bulk" */
#define BH_STORE_VERSION        2
#define BH_STORE_ID_BYTES       16
#define BH_STORE_BODY_MAX       ((uint64_t)64 << 20) /* a longer length is damage */
#define BH_STORE_TTL_MS         ((int64_t)7 * 24 * 3600 * 1000)

struct bh_store;
struct bh_replaced;

struct bh_store_config {
	const char *dir; /* exists, mode 0700; spool.db is made in it */
	const struct bh_clock *clock;
	struct bh_rng *rng;
	struct bh_log *log;
	int64_t max_size_bytes; /* of the spool; sizes the ballast */
	bool fsync_off;         /* synchronous=NORMAL: a power cut may take commits back */
	bool stop_on_damage;    /* a damaged file is not replaced: BH_E_CONFIG at open */
	const char *vfs;        /* SQLite's name of what lies below the file; NULL = its default */
};

/* A spool row. Strings borrow: from the caller when writing, from the loaded block when reading. */
struct bh_spool_row {
	uint64_t ord;
	const char *producer; /* role name */
	uint64_t epoch, seq;
	enum bh_kind kind;
	enum bh_encoding encoding;
	uint32_t items;
	uint64_t raw_len;
	int64_t created_ms, expires_ms;
	struct bh_str origins;
	struct bh_str body;
};

struct bh_dest_counts {
	uint64_t pending_rows, pending_bytes, taken, dropped, expired, poison;
};

/* Opens or creates. A damaged, newer or vanished file is replaced by a new one that holds what
 * could be read (replace.h). When no file can be made, or the one there is cannot be written
 * (read-only file system), the store is in memory: no rows, until bh_store_land(). */
int bh_store_open(
    struct bh_store **out, const struct bh_store_config *cfg, struct bh_err *err) BH_MUST_CHECK;
/* Ordered end: clean = 1, WAL written back and cut. After a failure as bh_store_free(). */
void bh_store_close_clean(struct bh_store *s);
/* Closes without a word to the file, as a crash would leave it. */
void bh_store_free(struct bh_store *s);

const uint8_t *bh_store_id(const struct bh_store *s);
/* SQLite met damage since the start. A note of it lies beside the file, so the next start replaces
 * the store: the process should end (exit 70). */
bool bh_store_damaged(const struct bh_store *s);
/* An operation failed for a reason that does not pass (-EIO), in a checkpoint too: what the disk
 * holds is unknown, nothing is tried again here. The process should end (exit 70). */
bool bh_store_failed(const struct bh_store *s);
/* The replacement of this start, or of an earlier one that was not acknowledged by then; NULL =
 * none. */
const struct bh_replaced *bh_store_replaced(const struct bh_store *s);
/* Destinations whose pending counts this start found to differ from their rows, and mended (§9.3):
 * a bug, which nothing else shows. */
uint64_t bh_store_recounted(const struct bh_store *s);
bool bh_store_in_memory(const struct bh_store *s); /* no file: nothing outlives the process */
/* In memory: the error that says why, as of the start; 0 otherwise. */
int bh_store_without(const struct bh_store *s);
/* In memory: tries to get a file. Not inside begin … commit.
 *   0           all that was in memory is in spool.db, and that is the store from now on; nobody
 *               sees a difference, ids and ords stay
 *   BH_E_STATE  a store of before lies there and can be written now: only a start can open it, this
 *               process should end in order
 *   -ENOSPC …   there is still none: try again later */
int bh_store_land(struct bh_store *s, int64_t max_size_bytes) BH_MUST_CHECK;
const char *bh_store_dir(const struct bh_store *s);

/* The next ord: rises for ever; one that was committed never comes again (the commit that uses it
 * reserves it in meta). 0. */
int bh_store_next_ord(struct bh_store *s, uint64_t *ord) BH_MUST_CHECK;

/* From now on every ord is above this one. */
int bh_store_raise_ord(struct bh_store *s, uint64_t above) BH_MUST_CHECK;

/* Destinations are told apart by a key that holds no secret and stays the same over restarts
 * (forwarder/endpoints.h). Those of a store: so many at most, the quarantine among them. */
#define BH_STORE_DESTS_MAX 64
#define BH_STORE_DEST_KEY  256 /* bytes of a key, with its NUL */

/* Looks up or makes the destination row, and notes that it was seen. Not inside begin … commit.
 * -ENOSPC: it is new, and the disk is full. */
int bh_store_destination(
    struct bh_store *s, const char *key, int kind, bool reliable, int64_t *id) BH_MUST_CHECK;
/* Every destination that is owed rows, in order of id. Not inside begin … commit; fn may not
 * write. */
int bh_store_each_owed(struct bh_store *s,
    int (*fn)(void *ctx, int64_t id, const char *key, int kind), void *ctx) BH_MUST_CHECK;
/* How many destinations are owed the row, 0 = there is no such row; and how many of them are
 * reliable. */
int bh_store_owers(struct bh_store *s, uint64_t ord, unsigned *n, unsigned *reliable) BH_MUST_CHECK;
int bh_store_counts(struct bh_store *s, int64_t dest, struct bh_dest_counts *c) BH_MUST_CHECK;
int bh_store_row_items(struct bh_store *s, uint64_t ord, uint32_t *items) BH_MUST_CHECK;
int bh_store_items(
    struct bh_store *s, int64_t dest, uint64_t *items) BH_MUST_CHECK; /* in its rows */

int bh_store_begin(struct bh_store *s) BH_MUST_CHECK;
int bh_store_commit(struct bh_store *s) BH_MUST_CHECK;
void bh_store_rollback(struct bh_store *s);

/* T1: spool, spool_body, delivery rows and the destination's pending counts. */
int bh_store_put(struct bh_store *s, const struct bh_spool_row *row, int64_t dest) BH_MUST_CHECK;
/* One more destination for a row that was put. */
int bh_store_put_delivery(
    struct bh_store *s, uint64_t ord, uint64_t bytes, int64_t dest) BH_MUST_CHECK;
enum bh_store_end { BH_STORE_TAKEN, BH_STORE_DROPPED, BH_STORE_EXPIRED, BH_STORE_POISON };
/* T2, T3: the delivery row goes, counted; the payload goes with its last delivery row. */
int bh_store_remove(
    struct bh_store *s, uint64_t ord, int64_t dest, enum bh_store_end end) BH_MUST_CHECK;
/* A row of the registry, or of the table of sources when its identifier is one (proto/LINK.md). */
int bh_store_position(struct bh_store *s, const struct bh_position *p) BH_MUST_CHECK;
/* Deletes the row, or the source's; harmless when there is none. */
int bh_store_forget(struct bh_store *s, struct bh_str identifier, uint64_t gen) BH_MUST_CHECK;
int bh_store_producer(
    struct bh_store *s, const char *name, const struct bh_receiver *r) BH_MUST_CHECK;
/* The refused seq of the mark and its cause; read again by bh_store_load_producer(). */
int bh_store_refused(
    struct bh_store *s, const char *name, const struct bh_receiver *r) BH_MUST_CHECK;

/* A number kept under a name for ever. get: 1 = *v filled, 0 = never set. */
int bh_store_meta_set(struct bh_store *s, const char *key, int64_t v) BH_MUST_CHECK;
int bh_store_meta_get(struct bh_store *s, const char *key, int64_t *v) BH_MUST_CHECK;

/* Loading at start. */
int bh_store_load_producer(
    struct bh_store *s, const char *name, struct bh_receiver *r) BH_MUST_CHECK;
int bh_store_each_position(
    struct bh_store *s, int (*fn)(void *ctx, const struct bh_position *p), void *ctx) BH_MUST_CHECK;
/* Of rows that a reliable destination is owed. */
int bh_store_each_origins(struct bh_store *s,
    int (*fn)(void *ctx, uint64_t ord, struct bh_str origins), void *ctx) BH_MUST_CHECK;

/* The lowest (or highest) ord owed to dest that skip() does not know; 1 = found, 0 = none. */
int bh_store_claim(struct bh_store *s, int64_t dest, bool newest, unsigned skip_max,
    bool (*skip)(void *ctx, uint64_t ord), void *ctx, uint64_t *ord) BH_MUST_CHECK;
/* One block for the row and its strings, freed by the caller with free(). BH_E_CORRUPT: the body
 * fails its check (remove it as POISON); *row is then filled but for the body. */
int bh_store_load(
    struct bh_store *s, uint64_t ord, struct bh_spool_row *row, void **block) BH_MUST_CHECK;
/* Low end of dest whose time is over, or the oldest at all (now_ms = INT64_MAX). 1 = found. */
int bh_store_oldest(
    struct bh_store *s, int64_t dest, int64_t now_ms, uint64_t *ord, uint32_t *items) BH_MUST_CHECK;

uint64_t bh_store_used_bytes(struct bh_store *s);       /* O(1): pages in use and the WAL */
uint64_t bh_store_wal_bytes(const struct bh_store *s);  /* its length, which stays */
uint64_t bh_store_wal_used(const struct bh_store *s);   /* of it pages not yet in the file */
uint64_t bh_store_free_bytes(struct bh_store *s);       /* in free pages of the file */
uint64_t bh_store_disk_free(const struct bh_store *s);  /* bytes an ordinary user may still take */
uint64_t bh_store_disk_total(const struct bh_store *s); /* of the file system; 0 = unknown */
int64_t bh_store_oldest_ms(struct bh_store *s);         /* created_ms of the oldest row; 0 = none */

/* After acks: checkpoint when the WAL has grown (idle: at once). */
void bh_store_tend(struct bh_store *s, bool idle);
/* Where much of the file is free, gives a slice of it (2 MiB, about 25 ms) back to the file system,
 * or all of it when little is in use; but only when no row has come for a minute, or for a second
 * while the disk is fuller than it may be (pressed). quiet_ns: since the last row came. Returns
 * after how many ns to come again; -1 = there is no more to give. Not inside begin … commit. */
int64_t bh_store_give_back(struct bh_store *s, int64_t quiet_ns, bool pressed);
/* Disk full: gives up the ballast and checkpoints, so that deletes and positions work again. */
void bh_store_relieve(struct bh_store *s);
/* Is there a ballast, or room to make it again? Without one the store takes no rows. */
bool bh_store_ballasted(struct bh_store *s);
/* Gives a slice of the file's free pages, and the WAL, back to the file system at once. */
void bh_store_reclaim(struct bh_store *s);

#endif
