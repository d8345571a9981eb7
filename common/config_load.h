/*
 * From datadog.yaml, conf.d and the environment to struct bh_config. Supervisor and bulkheadctl
 * only (libyaml is linked nowhere else).
 *
 * Every finding has a position: "FILE:LINE:COL: message" or "environment DD_X: message". An error
 * (wrong YAML, wrong value, unreadable file) makes the load fail; a warning (unknown key with the
 * nearest known one, known key without effect) does not. One bad log source is a warning and is
 * left out; its neighbours stay (spec/logs.md §2.3).
 */
#ifndef BH_COMMON_CONFIG_LOAD_H
#define BH_COMMON_CONFIG_LOAD_H

#include "common/config.h"

enum bh_finding_level { BH_FINDING_WARNING, BH_FINDING_ERROR };

struct bh_finding {
	enum bh_finding_level level;
	char *text; /* "file:line:col: cause; way out" */
};

struct bh_findings {
	struct bh_finding *v;
	size_t n;
	size_t errors;
};

void bh_findings_release(struct bh_findings *f);

/*
 * path: -c argument: a file, or the directory that holds datadog.yaml; NULL = /etc/bulkhead, then
 * /etc/datadog-agent, and when neither has a datadog.yaml: defaults and environment alone.
 * environ_: like environ(7); DD_* (and BULKHEAD_* / DD_BULKHEAD_* for bulkhead.*) override the
 * file; an empty value counts as unset; api_key may also be a credential (config_credential.h). cfg
 * is filled in any case and must be released. Returns 0, or BH_E_CONFIG when findings->errors > 0.
 */
int bh_config_load(struct bh_config *cfg, const char *path, char *const *environ_,
    struct bh_findings *findings) BH_MUST_CHECK;

#endif
