/*
 * What is wrong with a configuration beyond its single values: options that contradict each other,
 * addresses that are none, files that are not there. A missing key is an error; all else is a
 * mistake, which a start survives.
 */
#ifndef BH_COMMON_CONFIG_CHECK_H
#define BH_COMMON_CONFIG_CHECK_H

#include "common/config_load.h"

/* trace: of the load; NULL = places are not known. */
void bh_config_check(
    const struct bh_config *cfg, const struct bh_config_trace *trace, struct bh_findings *findings);

/* What may be meant, but probably is not: warnings for somebody who asks. */
void bh_config_hint(
    const struct bh_config *cfg, const struct bh_config_trace *trace, struct bh_findings *findings);

/* All findings as `config check` prints them, a line each: "PLACE: LEVEL: what; way out". */
int bh_findings_print(const struct bh_findings *f, struct bh_buf *out) BH_MUST_CHECK;
/* Bytes of the place a finding's text begins with: a file with its line and column, or a variable.
 * 0: it has none. */
size_t bh_finding_place(const char *text);

#endif
