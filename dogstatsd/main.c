/* bulkhead-dogstatsd: takes DogStatsD datagrams in, hands finished series and sketches to the
 * forwarder. Started by the supervisor only. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/child_confine.h"
#include "dogstatsd/dogstatsd.h"

static int start(
    struct bh_child *child, struct bh_dogstatsd **d, int *exit_code, struct bh_err *err)
{
	struct bh_landlock_rules none = {0}; /* it opens nothing */
	int rc;

	rc = bh_child_boot(child, BH_ROLE_DOGSTATSD, exit_code, err);
	if (rc < 0)
		return rc;
	rc = bh_child_confine(child, &none, exit_code, err);
	bh_landlock_release(&none);
	if (rc < 0)
		return rc;
	rc = bh_dogstatsd_new(d, child, err);
	if (rc < 0) {
		*exit_code = rc == BH_E_CONFIG ? BH_EXIT_CONFIG : BH_EXIT_INTERNAL;
		return rc;
	}
	rc = bh_child_start(child, &bh_dogstatsd_child_ops, *d);
	if (rc < 0) {
		*exit_code = BH_EXIT_INTERNAL;
		return bh_err_set(err, rc, "control channel");
	}
	return 0;
}

/*
 * Makes the allocator do its work bit by bit. What it would put off otherwise (joining the small
 * blocks a flush freed) falls on one later call, which then takes a hundred milliseconds when there
 * are a million contexts; and large blocks on its heap are copied when they grow.
 */
static void tune_allocator(void)
{
	(void)mallopt(M_MXFAST, 0);
	(void)mallopt(M_MMAP_THRESHOLD, 1 << 20);
	(void)mallopt(M_TRIM_THRESHOLD, 1 << 20);
}

int main(void)
{
	struct bh_err err = BH_ERR_INIT;
	struct bh_dogstatsd *d = NULL;
	struct bh_child *child;
	int exit_code = BH_EXIT_INTERNAL;

	tune_allocator();
	child = calloc(1, sizeof(*child));
	if (!child)
		return BH_EXIT_INTERNAL;
	if (start(child, &d, &exit_code, &err) < 0) {
		(void)fprintf(stderr, "bulkhead-dogstatsd: %s\n", err.text);
	} else {
		bh_child_ready(child);
		exit_code = bh_child_run(child);
	}
	bh_dogstatsd_free(d);
	bh_child_release(child);
	free(child);
	return exit_code;
}
