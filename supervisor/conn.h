/*
 * A client of a listening socket of the supervisor: a request comes in, an answer goes out, and it
 * is closed. Who takes longer than 5 s to ask, or 10 s to read, is closed too.
 */
#ifndef BH_SUPERVISOR_CONN_H
#define BH_SUPERVISOR_CONN_H

#include <stdbool.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "common/loop.h"
#include "common/outgoing.h"

struct bh_conn {
	struct bh_watch watch; /* fd is -1 while the place is free */
	struct bh_timer timer;
	struct bh_buf in;
	struct bh_outgoing out;
	bool asked;    /* the owner's: a request was taken, an answer is owed */
	bool answered; /* out is being written */
};

/* A free place. */
#define BH_CONN_INIT \
	{ \
		.watch = {.fd = -1}, .out = BH_OUTGOING_INIT \
	}

/* Takes fd, which does not block, into a free place; fn is called when there is something to read,
 * or the client left. On error (-errno) fd is closed and the place is free. */
int bh_conn_open(struct bh_conn *c, struct bh_loop *loop, int fd, bh_watch_fn *fn) BH_MUST_CHECK;
/* Harmless on a free place. */
void bh_conn_close(struct bh_conn *c);

/* Adds what came to c->in, up to max bytes in one call. false: nothing came, or the client left and
 * c is closed. */
bool bh_conn_read(struct bh_conn *c, size_t max);
/* Writes c->out, whose bytes the owner has put there, and closes; what does not fit the socket yet
 * follows with bh_conn_write(). Out of memory for them, it closes at once. */
void bh_conn_answer(struct bh_conn *c);
/* For fn: the socket of an answered one is writable again. */
void bh_conn_write(struct bh_conn *c);

/* Whether somebody waits for an answer. */
static inline bool bh_conn_waits(const struct bh_conn *c)
{
	return c->asked && !c->answered;
}

#endif
