/* What the agent sends about itself at each flush (spec/dogstatsd.md §13.1). */
#ifndef BH_DOGSTATSD_SELFMETRICS_H
#define BH_DOGSTATSD_SELFMETRICS_H

#include "dogstatsd/notices.h"
#include "dogstatsd/output.h"

/* The service check datadog.agent.up = OK. */
void bh_selfmetrics_note(struct bh_notices *n, struct bh_str hostname, int64_t now);

/* datadog.agent.running = 1, by which a host shows as an Agent host. The output's writer is within
 * a series payload; now is wall clock in seconds. */
void bh_selfmetrics_output(struct bh_output *o, struct bh_str hostname, int64_t now);

/* The figures of a job (ownfigures.h) as series; counts are of so many seconds, 0 = not known. As
 * above. */
void bh_selfmetrics_figures(struct bh_output *o, struct bh_str figures, struct bh_str hostname,
    int64_t now, int64_t interval);

#endif
