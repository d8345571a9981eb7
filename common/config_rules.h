/*
 * Processing rules and samples of auto multi-line detection, of a source or of all
 * (spec/logs.md §8.3, §9.1, §2.3).
 */
#ifndef BH_COMMON_CONFIG_RULES_H
#define BH_COMMON_CONFIG_RULES_H

#include "common/config_read.h"

/* Reads a list of rules into *rules (empty before; owned by the caller in any case). NULL: none. A
 * rule that the Agent would refuse is r's fault, in the Agent's words. -ENOMEM. */
int bh_config_read_rules(struct bh_reading *r, const struct bh_yaml *list,
    struct bh_log_rule **rules, size_t *n) BH_MUST_CHECK;

/* Appends the samples of a list. NULL: none. What is wrong with one costs that one, with a warning;
 * r has no fault then. -ENOMEM. */
int bh_config_read_samples(struct bh_reading *r, const struct bh_yaml *list,
    struct bh_log_sample **samples, size_t *n) BH_MUST_CHECK;

/* Where an option of logs_config that holds a structure was written last. */
struct bh_config_tree {
	const struct bh_yaml *node; /* borrowed; NULL: the option holds the text */
	const char *where;          /* of the text: "environment DD_X" or "file:line:col" */
	bool whole;                 /* a position within the text would mean nothing */
};

/* The typed fields of cfg (log_rules, log_samples) from logs_processing_rules,
 * logs_auto_multi_line_custom_samples and the extra patterns; log_rules_fault when the rules are
 * refused. -ENOMEM. */
int bh_config_read_log_globals(struct bh_config *cfg, const struct bh_config_tree *rules,
    const struct bh_config_tree *samples, struct bh_findings *findings) BH_MUST_CHECK;

#endif
