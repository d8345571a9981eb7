/*
 * What stands in the spool, as one line of JSON a row, for people and their tools: of the database
 * the forwarder has open, or of one that was opened to be looked at (offline.h). Reading only.
 *
 * A request is a word and lines "key=value" behind it, as bulkheadctl sends it:
 *
 *   ls, show, export, snapshot, replay, purge
 *   id=7  destination=logs/primary  class=logs|metrics  older=SECONDS
 *
 * Without a destination and an id, what was refused for good (quarantine.h) is left out.
 */
#ifndef BH_FORWARDER_SPOOL_VIEW_H
#define BH_FORWARDER_SPOOL_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "common/str.h"

#define BH_SPOOL_SLICE 128 /* rows looked at in one go */

enum bh_spool_verb {
	BH_SPOOL_LS,
	BH_SPOOL_SHOW,
	BH_SPOOL_EXPORT,
	BH_SPOOL_SNAPSHOT,
	BH_SPOOL_REPLAY,
	BH_SPOOL_PURGE,
	BH_SPOOL__N,
};

#define BH_SPOOL_NAME_MAX 400

struct bh_spool_request {
	enum bh_spool_verb verb;
	uint64_t id;                             /* 0 = every row */
	char destination[BH_SPOOL_NAME_MAX + 1]; /* its key; "" = all but the quarantine */
	enum { BH_CLASS_ALL, BH_CLASS_LOGS, BH_CLASS_METRICS } class;
	int64_t older_s; /* -1 = any age */
	char file[4096]; /* snapshot of a stopped store: where to; "" = none */
};

/* 0; BH_E_FORMAT, with what is wrong in *why. */
int bh_spool_request_parse(
    struct bh_str text, struct bh_spool_request *r, const char **why) BH_MUST_CHECK;

/* A replay of what was refused for good, or of what waits? */
bool bh_spool_means_quarantine(const struct bh_spool_request *r);
/* Does the request mean this destination, this kind of payload, this age? */
bool bh_spool_wants_destination(const struct bh_spool_request *r, const char *key);
bool bh_spool_wants_row(
    const struct bh_spool_request *r, int kind, int64_t created_ms, int64_t now_ms);

/* Where a walk stands; all zero to begin. */
struct bh_spool_walk {
	uint64_t after; /* ord of the last row looked at */
	bool over;
	uint64_t rows, items, bytes; /* that were wanted */
};

/* Appends the lines of up to BH_SPOOL_SLICE more rows to out; fewer when bodies are wanted. 0;
 * -ENOMEM; the store's codes for what SQLite says. */
int bh_spool_walk(sqlite3 *db, const struct bh_spool_request *r, int64_t now_ms,
    struct bh_spool_walk *w, struct bh_buf *out) BH_MUST_CHECK;

/* The last line of an answer: {"end":true,"payloads":…}, or {"error":"text"}. */
void bh_spool_put_end(const struct bh_spool_walk *w, uint64_t under_way, struct bh_buf *out);
void bh_spool_put_error(const char *text, struct bh_buf *out);
/* One of the two: an error when the request names a payload that was not there. */
void bh_spool_put_last(const struct bh_spool_request *r, const struct bh_spool_walk *w,
    uint64_t under_way, struct bh_buf *out);

#endif
