/* Verbs that the supervisor answers at once, from what it holds. */
#ifndef BH_SUPERVISOR_CTL_ANSWERS_H
#define BH_SUPERVISOR_CTL_ANSWERS_H

#include "supervisor/ctl_server.h"

struct bh_supervisor;

/* The report of the last drain, of this supervisor or of the one before it. */
void bh_last_stop_answer(struct bh_supervisor *s, struct bh_ctl_conn *c);
/* Sends the signal to each process that was named: {"schema":1,"results":[{"name","ok","running",
 * "result"}…]}. */
void bh_signal_answer(struct bh_supervisor *s, struct bh_ctl_conn *c);

#endif
