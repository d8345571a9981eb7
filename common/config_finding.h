/* Adds findings while a configuration is read; see config_load.h for what they are. */
#ifndef BH_COMMON_CONFIG_FINDING_H
#define BH_COMMON_CONFIG_FINDING_H

#include "common/config_load.h"

/* Text is cut at BH_ERR_TEXT_MAX. Out of memory loses the text, never the count of errors. */
void bh_finding_add(struct bh_findings *f, enum bh_finding_level level, const char *fmt, ...)
    BH_PRINTF(3, 4);

#endif
