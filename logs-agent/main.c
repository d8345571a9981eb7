/* bulkhead-logs: tails log files, hands finished batches to the forwarder. Started by the
 * supervisor only. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/child_confine.h"
#include "logs-agent/grants.h"
#include "logs-agent/logs.h"

/* The rules are made of what stands in the file system now. */
static int confine(
    struct bh_child *child, struct bh_grants *grants, int *exit_code, struct bh_err *err)
{
	const struct bh_config *cfg = &child->config;
	const struct bh_log_source **sources =
	    calloc(cfg->log_sources_n + 1, sizeof(const struct bh_log_source *));
	int rc = sources ? 0 : -ENOMEM;

	*exit_code = BH_EXIT_INTERNAL;
	for (size_t i = 0; !rc && i < cfg->log_sources_n; i++)
		sources[i] = &cfg->log_sources[i];
	if (!rc)
		rc = bh_grants_make(
		    grants, sources, cfg->log_sources_n, cfg->logs_enable_recursive_glob);
	free((void *)sources);
	if (rc == BH_E_LIMIT)
		bh_warn(&child->log, "grants",
		    "sources name more than %d directories: the last ones stay closed",
		    BH_LANDLOCK_RULES_MAX);
	else if (rc)
		return bh_err_set(err, rc, "file rules");
	return bh_child_confine(child, &grants->rules, exit_code, err);
}

static int start(struct bh_child *child, struct bh_logs **l, int *exit_code, struct bh_err *err)
{
	struct bh_grants grants = {.n = 0};
	int rc = bh_child_boot(child, BH_ROLE_LOGS, exit_code, err);

	if (rc < 0)
		return rc;
	rc = confine(child, &grants, exit_code, err);
	if (rc < 0) {
		bh_grants_release(&grants);
		return rc;
	}
	*exit_code = BH_EXIT_INTERNAL;
	rc = bh_logs_new(l, child, &grants, err);
	if (rc < 0)
		return rc;
	rc = bh_child_start(child, &bh_logs_child_ops, *l);
	return rc < 0 ? bh_err_set(err, rc, "control channel") : 0;
}

int main(void)
{
	struct bh_child *child = calloc(1, sizeof(*child));
	struct bh_err err = BH_ERR_INIT;
	struct bh_logs *l = NULL;
	int exit_code = BH_EXIT_INTERNAL;

	if (!child)
		return BH_EXIT_INTERNAL;
	if (start(child, &l, &exit_code, &err) < 0)
		(void)fprintf(stderr, "bulkhead-logs: %s\n", err.text);
	else
		exit_code = bh_child_run(child);
	if (l)
		bh_logs_free(l);
	bh_child_release(child);
	free(child);
	return exit_code;
}
