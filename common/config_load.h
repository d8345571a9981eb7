/*
 * From datadog.yaml, conf.d and the environment to struct bh_config. Supervisor and bulkheadctl
 * only (libyaml is linked nowhere else).
 *
 * Every finding has a position: "FILE:LINE:COL: message" or "environment DD_X: message". An error
 * (wrong YAML, wrong value, unreadable file) makes the load fail; a warning (known key without
 * effect) does not. A mistake (unknown key with the nearest known one, a log source that cannot
 * run) costs what it stands in and nothing else, as in the Agent: the neighbours of a bad source
 * stay (spec/logs.md §2.3). `bulkheadctl config check` fails on it, a start does not.
 */
#ifndef BH_COMMON_CONFIG_LOAD_H
#define BH_COMMON_CONFIG_LOAD_H

#include "common/config.h"

enum bh_finding_level { BH_FINDING_WARNING, BH_FINDING_MISTAKE, BH_FINDING_ERROR };

struct bh_finding {
	enum bh_finding_level level;
	char *text; /* "file:line:col: cause; way out" */
};

struct bh_findings {
	struct bh_finding *v;
	size_t n;
	size_t errors;
	size_t mistakes;
};

void bh_findings_release(struct bh_findings *f);

/*
 * path: -c argument: a file, or the directory that holds datadog.yaml; NULL = /etc/bulkhead, then
 * /etc/datadog-agent, and when neither has a datadog.yaml: defaults and environment alone.
 * environ_: like environ(7); DD_* (and BULKHEAD_* / DD_BULKHEAD_* for bulkhead.*) override the
 * file; an empty value counts as unset; api_key may also be a credential (common/secret.h). cfg
 * is filled in any case and must be released. Returns 0, or BH_E_CONFIG when findings->errors > 0.
 */
int bh_config_load(struct bh_config *cfg, const char *path, char *const *environ_,
    struct bh_findings *findings) BH_MUST_CHECK;

/* Where each option was set last, in the order of bh_options: "FILE:LINE:COL" or "environment
 * DD_X"; NULL = it has its default. */
struct bh_config_trace {
	char **at;
};

/* The same; fills trace, which is to be released in any case. */
int bh_config_load_traced(struct bh_config *cfg, const char *path, char *const *environ_,
    struct bh_findings *findings, struct bh_config_trace *trace) BH_MUST_CHECK;
void bh_config_trace_release(struct bh_config_trace *t);

#endif
