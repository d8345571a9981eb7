/*
 * Questions whose answer is none of the supervisor's business: what stands in the spool, what the
 * forwarder finds between itself and the intakes. It makes a socket, gives one end to the forwarder
 * with the question and the other to who asked, as for stream-logs, and forgets both.
 */
#ifndef BH_SUPERVISOR_INQUIRY_H
#define BH_SUPERVISOR_INQUIRY_H

#include "supervisor/ctl_server.h"

struct bh_supervisor;

void bh_inquiry_take(struct bh_supervisor *s, struct bh_ctl_conn *conn);

#endif
