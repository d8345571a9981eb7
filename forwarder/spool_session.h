/*
 * bulkheadctl spool, while the forwarder runs: a socket that came with a question of the supervisor
 * (proto/CONTROL.md QUERY 8 to 10) gets lines of JSON, the last one with "end" or "error"; a
 * snapshot comes along with that one as a descriptor. One at a time, a slice a turn, and only as
 * fast as the other side reads: payloads do not wait for it, and memory is bounded.
 */
#ifndef BH_FORWARDER_SPOOL_SESSION_H
#define BH_FORWARDER_SPOOL_SESSION_H

#include "common/outgoing.h"
#include "forwarder/custody.h"
#include "forwarder/spool_copy.h"
#include "forwarder/spool_purge.h"
#include "forwarder/spool_view.h"

struct bh_spool_session {
	struct bh_loop *loop; /* borrowed, as the next two */
	struct bh_custody *custody;
	struct bh_store *store;
	/* of the one under way */
	struct bh_watch watch; /* fd -1: none is; owned */
	struct bh_timer patience;
	struct bh_spool_request request;
	struct bh_spool_walk walk;
	struct bh_purge purge;
	struct bh_spool_copy *copy;
	struct bh_outgoing out;
	bool last; /* out holds the last line */
};

void bh_spool_session_init(struct bh_spool_session *s, struct bh_loop *loop,
    struct bh_custody *custody, struct bh_store *store);
/* text: the request. changes: what it may ask for changes the spool. fd is borrowed. */
void bh_spool_session_take(struct bh_spool_session *s, struct bh_str text, bool changes, int fd);
/* Ends the one under way; before the store is closed. */
void bh_spool_session_end(struct bh_spool_session *s);

#endif
