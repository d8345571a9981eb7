/* Finds the files of conf.d that hold log sources (spec/logs.md §2.1) and reads them in order of
 * name. One bad file or source never harms another. */
#ifndef BH_COMMON_CONFIG_SOURCES_H
#define BH_COMMON_CONFIG_SOURCES_H

#include "common/config_load.h"

/* Fills cfg->log_sources from cfg->confd_path. Everything wrong becomes a warning. */
int bh_config_read_sources(struct bh_config *cfg, struct bh_findings *findings) BH_MUST_CHECK;

#endif
