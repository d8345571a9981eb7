/*
 * The answer of `health` (spec/supervision.md §9): whether each part works, and why not. What the
 * intake does to us is no part of it: a container that is restarted because the network is down
 * would only lose time.
 *
 * Components: "supervisor" (it does not drain), each enabled role (RUNNING, its main loop answers),
 * "link dogstatsd" and "link logs" (the producer and the forwarder reach each other).
 */
#ifndef BH_SUPERVISOR_HEALTH_H
#define BH_SUPERVISOR_HEALTH_H

#include "common/buf.h"
#include "supervisor/status_view.h"

/* {"schema":1,"healthy":…,"components":[{"name","healthy","text"}…]}, appended to out. */
void bh_health_json(const struct bh_status_view *v, struct bh_buf *out);

#endif
