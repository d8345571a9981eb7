/*
 * The dogstatsd process: inherited sockets → parser → sampler → flush → link; and its drain (spec/
 * dogstatsd.md §12.3): empty the sockets' queues, flush open buckets too, hand over, fence, report.
 */
#ifndef BH_DOGSTATSD_DOGSTATSD_H
#define BH_DOGSTATSD_DOGSTATSD_H

#include "common/child.h"

struct bh_dogstatsd;

/* Takes the descriptors of the child whose names begin with "udp:", "uds:", "uds-stream:" or
 * "forward:". The child must outlive it. 0, or an error with text (-ENOMEM, BH_E_NET, BH_E_CONFIG).
 */
int bh_dogstatsd_new(
    struct bh_dogstatsd **out, struct bh_child *child, struct bh_err *err) BH_MUST_CHECK;
void bh_dogstatsd_free(struct bh_dogstatsd *d);

/* For bh_child_start(), with the object as ctx. */
extern const struct bh_child_ops bh_dogstatsd_child_ops;

#endif
