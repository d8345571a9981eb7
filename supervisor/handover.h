/*
 * The memfds through which dogstatsd passes its open buckets to its next incarnation: an empty one
 * for each process to write, and, after a restart that was asked for, the sealed one of the process
 * before to read. The supervisor never looks inside.
 */
#ifndef BH_SUPERVISOR_HANDOVER_H
#define BH_SUPERVISOR_HANDOVER_H

#include <stdbool.h>

struct bh_handover_fds {
	int in;  /* sealed, what the process before left; -1 = nothing */
	int out; /* what the present process may write; -1 = none could be made */
};

void bh_handover_fds_init(struct bh_handover_fds *h);
void bh_handover_fds_release(struct bh_handover_fds *h);

/* Before a start: a fresh `out`. */
void bh_handover_fds_prepare(struct bh_handover_fds *h);
/* After the end of a process: what it wrote becomes `in` when it ended as asked; otherwise it is
 * dropped, and an `in` that no process got to read stays. */
void bh_handover_fds_ended(struct bh_handover_fds *h, bool as_asked);
/* The process runs: it has read `in`. */
void bh_handover_fds_taken(struct bh_handover_fds *h);

#endif
