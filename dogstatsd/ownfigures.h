/*
 * Figures of the whole agent that the supervisor collects (proto/CONTROL.md FIGURES), to be sent as
 * bulkhead.* with the next flush: a gauge as it came last, a count as the sum of what came since
 * the flush before. One that did not come again is not sent again. Bounded; what does not fit is
 * left out: these figures are also on the page of OpenMetrics.
 */
#ifndef BH_DOGSTATSD_OWNFIGURES_H
#define BH_DOGSTATSD_OWNFIGURES_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "proto/control.h"

#define BH_OWN_FIGURES 1024

struct bh_own_figures {
	struct bh_own_figure *v; /* owned */
	size_t n, cap;
};

void bh_own_figures_release(struct bh_own_figures *own);
/* Figures one behind the other, up to the first that does not decode. */
void bh_own_figures_take(struct bh_own_figures *own, struct bh_str figures);
/* Appends those that came since the last time, encoded as they came. Without memory some are
 * missing. */
void bh_own_figures_flush(struct bh_own_figures *own, struct bh_buf *out);

#endif
