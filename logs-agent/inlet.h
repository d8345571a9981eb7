/*
 * Sources of type tcp and udp (spec/logs.md §11): their sockets, from the descriptor inherited from
 * the supervisor to messages in batches. One object for all of them.
 *
 * While the process may not read (bh_logs_may_read) no socket is: TCP senders wait, datagrams stay
 * in the kernel's receive buffer. A socket that has something then is set aside, and has its turn,
 * in the order of waiting, once there is credit.
 */
#ifndef BH_LOGS_INLET_H
#define BH_LOGS_INLET_H

#include <stdbool.h>

#include "common/attrs.h"

struct bh_logs;
struct bh_source;
struct bh_inlets;

/* Takes the descriptors of the sources of l that run; a source without one says so and does not
 * run. l outlives the result. -ENOMEM; then *out is to be freed all the same (it may be NULL). */
int bh_inlets_new(struct bh_inlets **out, struct bh_logs *l) BH_MUST_CHECK;
/* Closes everything at once. Harmless for NULL. */
void bh_inlets_free(struct bh_inlets *all);

/* The link is ready for the first time: accepts and reads from now on. */
void bh_inlets_start(struct bh_inlets *all);
/* There may be credit: reads what waited. */
void bh_inlets_resume(struct bh_inlets *all);
/* Credit came: whether sockets have their turn before files. Every other time, so that neither can
 * use up all of it for good. */
bool bh_inlets_go_first(struct bh_inlets *all);

/* The drain (§17): accepts nothing more, reads once what the receive buffers hold and at most
 * a little of what comes meanwhile, ends the connections and emits what is held, as far as the
 * queue of batches has room. True when all is done; else it is to be called again with the next
 * credit. */
bool bh_inlets_drain(struct bh_inlets *all);

/* source is not configured any more (source->busy until all of this is done): what the receive
 * buffers hold is read as in a drain, the connections end, the socket is closed. heir: goes on with
 * the socket, accepting or reading at once; NULL = nobody. */
void bh_inlets_leave(struct bh_inlets *all, struct bh_source *source, struct bh_source *heir);
/* There may be room in the queue for what sources that leave still hold. */
void bh_inlets_go_on_leaving(struct bh_inlets *all);
/* Whether source has a socket. */
bool bh_inlets_has(const struct bh_inlets *all, const struct bh_source *source);

/* Numbers for the status. Asks the kernel for its drops first: call it before the ledgers. */
void bh_inlets_stats(struct bh_inlets *all);

#endif
