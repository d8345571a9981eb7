/* One entry of a `logs:` list: its keys, their checks, its place among the others (spec/logs.md
 * §2.2, §2.3). */
#ifndef BH_COMMON_CONFIG_SOURCE_H
#define BH_COMMON_CONFIG_SOURCE_H

#include "common/config_load.h"
#include "common/config_yaml.h"

/* More than these are refused: a new source is compared with all before it. */
#define BH_LOG_SOURCES_MAX 10000

/*
 * Appends the source to cfg->log_sources. What is wrong becomes a warning. A source that its
 * content forbids to run (ENC[...] in it, too: common/secret.h) is appended with its fault; one
 * that cannot be read (a list in place of a text) is left out. The options of cfg that stand in for
 * keys of a source have been read. -ENOMEM.
 */
int bh_config_read_source(struct bh_config *cfg, const struct bh_yaml *entry, const char *file,
    struct bh_findings *findings) BH_MUST_CHECK;

#endif
