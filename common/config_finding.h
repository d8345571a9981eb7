/* Adds findings while a configuration is read; see config_load.h for what they are. */
#ifndef BH_COMMON_CONFIG_FINDING_H
#define BH_COMMON_CONFIG_FINDING_H

#include "common/config_load.h"

/* More than these are not kept: a file of noise must not fill memory or the terminal. Warnings end
 * earlier, so that they never hide the error that stops the start. */
#define BH_FINDINGS_MAX          256
#define BH_FINDINGS_WARNINGS_MAX 192

/* Text is cut at BH_ERR_TEXT_MAX, control bytes become '?': one line, whatever a file holds. Out of
 * memory loses the text, never the count of errors. */
void bh_finding_add(struct bh_findings *f, enum bh_finding_level level, const char *fmt, ...)
    BH_PRINTF(3, 4);
/* No room for another warning: work that only makes a better text may be skipped. */
bool bh_findings_full(const struct bh_findings *f);

#endif
