/*
 * Sources, rules and samples of logs as data: their empty state, the way into the sealed copy for a
 * child and out of it, their end (the types are those of config.h).
 */
#ifndef BH_COMMON_CONFIG_LOGS_H
#define BH_COMMON_CONFIG_LOGS_H

#include "common/config.h"

/* Texts "" and what §2.2 and §19 of spec/logs.md give as defaults. -ENOMEM: s must be released. */
int bh_log_source_init(struct bh_log_source *s) BH_MUST_CHECK;
void bh_log_source_release(struct bh_log_source *s);

void bh_log_rules_release(struct bh_log_rule **rules, size_t *n);
void bh_log_samples_release(struct bh_log_sample **samples, size_t *n);

/* A strlist and a text as the sealed copy holds them. Failures stay in out. */
void bh_config_put_text(struct bh_buf *out, const char *s);
void bh_config_put_list(struct bh_buf *out, const struct bh_strlist *l);
/* Replace what was there. BH_E_FORMAT for a NUL within a text; -ENOMEM. A cursor that has run out
 * gives empty values: the caller checks it. */
int bh_config_get_text(struct bh_cur *c, char **out) BH_MUST_CHECK;
int bh_config_get_list(struct bh_cur *c, struct bh_strlist *l) BH_MUST_CHECK;

/* One source. */
void bh_config_put_source(struct bh_buf *out, const struct bh_log_source *s);
/* Sources, global rules and samples, all of cfg that is no option. */
void bh_config_put_logs(struct bh_buf *out, const struct bh_config *cfg);
/* BH_E_FORMAT, -ENOMEM; then cfg is for release only. */
int bh_config_get_logs(struct bh_cur *c, struct bh_config *cfg) BH_MUST_CHECK;

#endif
