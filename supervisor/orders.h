/*
 * start, stop and restart of single children, as supervisorctl knows them. A stop is a drain with
 * the budget of the ordered stop; a child that does not answer in time is killed. The others are
 * not touched, and what they hand over meanwhile waits.
 *
 *   stop      DRAIN … ack, EXIT → stays STOPPED until it is started
 *   restart   the same, then START; of one that does not run: START
 *   start     START; of one that runs: nothing
 *
 * A request is answered when each of its children has settled.
 */
#ifndef BH_SUPERVISOR_ORDERS_H
#define BH_SUPERVISOR_ORDERS_H

#include "common/loop.h"
#include "supervisor/ctl_server.h"
#include "supervisor/kid.h"

struct bh_supervisor;

enum bh_order_what { BH_ORDER_NONE, BH_ORDER_STOP, BH_ORDER_RESTART };

/* What a child has been told beside its ordinary life. */
struct bh_order {
	enum bh_order_what what;
	struct bh_timer deadline;
	struct bh_supervisor *supervisor;
	enum bh_role role;
};

void bh_orders_init(struct bh_supervisor *s);
/* A request with one of the three verbs. */
void bh_orders_take(struct bh_supervisor *s, struct bh_ctl_conn *conn);
/* What a request to restart does, for a reload: one that does not run is started. */
void bh_orders_restart(struct bh_supervisor *s, enum bh_role role);
/* After every change of a child's state. */
void bh_orders_changed(struct bh_supervisor *s);
/* After the end of its process, when all else has been told. */
void bh_orders_gone(struct bh_supervisor *s, struct bh_kid *k);
/* An ordered stop of everything begins: single orders end, those who wait are told. */
void bh_orders_give_up(struct bh_supervisor *s);

#endif
