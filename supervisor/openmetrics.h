/* The figures as a page of OpenMetrics 1.0 (application/openmetrics-text). Pure. */
#ifndef BH_SUPERVISOR_OPENMETRICS_H
#define BH_SUPERVISOR_OPENMETRICS_H

#include "common/buf.h"
#include "supervisor/figures.h"

#define BH_OPENMETRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* Appends the page: families with prefix bulkhead_, each with its TYPE and HELP, then # EOF. Label
 * values are escaped; bytes that are not UTF-8 become U+FFFD. */
void bh_openmetrics_page(const struct bh_samples *s, struct bh_buf *out);

#endif
