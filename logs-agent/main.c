/* bulkhead-logs: tails log files, hands finished batches to the forwarder. Started by the
 * supervisor only. */
#include <stdio.h>
#include <stdlib.h>

#include "common/child.h"
#include "logs-agent/logs.h"

static int start(struct bh_child *child, struct bh_logs **l, int *exit_code, struct bh_err *err)
{
	int rc = bh_child_boot(child, BH_ROLE_LOGS, exit_code, err);

	if (rc < 0)
		return rc;
	*exit_code = BH_EXIT_INTERNAL;
	rc = bh_logs_new(l, child, err);
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
