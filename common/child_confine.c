#include "common/child_confine.h"

#include <stdlib.h>

#include "common/sandbox_probe.h"
#include "common/sandbox_sanitizer.h"

/* Symbols and memory maps, for reports; executables stand anywhere. */
static int allow_sanitizer(struct bh_landlock_rules *rules)
{
	return BH_SANITIZED ? bh_landlock_allow(rules, "/proc", BH_USE_READ | BH_USE_LIST) : 0;
}

int bh_child_confine(
    struct bh_child *c, struct bh_landlock_rules *rules, int *exit_code, struct bh_err *err)
{
	const char *probe = getenv("BULKHEAD_PROBE");
	int rc = allow_sanitizer(rules);

	*exit_code = BH_EXIT_INTERNAL;
	if (rc)
		return bh_err_set(err, rc, "file rules");
	*exit_code = BH_EXIT_NOPERM;
	rc = bh_sandbox_enter(c->role, &c->orders, rules, &c->rights, err);
	if (!rc && probe)
		bh_probe_run(probe);
	return rc;
}
