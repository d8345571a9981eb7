#include "forwarder/spool_change.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/rng.h"
#include "forwarder/custody.h"
#include "forwarder/endpoints.h"
#include "forwarder/spool_limits.h"
#include "forwarder/spool_purge.h"

struct change {
	struct bh_loop loop; /* never run: for clock and timers */
	struct bh_log log;
	struct bh_rng rng;
	struct bh_store *store;
	struct bh_endpoint_list endpoints;
	struct bh_custody *custody;
};

static int open_store(struct change *x, const struct bh_config *cfg, struct bh_err *err)
{
	char dir[4096];
	struct bh_store_config store = {
	    .dir = dir,
	    .clock = &bh_clock_system,
	    .rng = &x->rng,
	    .log = &x->log,
	    .max_size_bytes = bh_spool_max_bytes(cfg, UINT64_MAX),
	    .stop_on_damage = true, /* a person looks on: nothing is set aside here */
	};
	int n = snprintf(dir, sizeof(dir), "%s/store", cfg->run_path);

	if (n < 0 || (size_t)n >= sizeof(dir))
		return bh_err_set(err, -ENAMETOOLONG, "run_path");
	return bh_store_open(&x->store, &store, err);
}

static int set_up(struct change *x, const struct bh_config *cfg, struct bh_err *err)
{
	struct bh_custody_config custody = {
	    .loop = &x->loop,
	    .log = &x->log,
	    .rng = &x->rng,
	    .config = cfg,
	    .endpoints = &x->endpoints,
	    .spool_max_bytes = bh_spool_max_bytes(cfg, UINT64_MAX),
	    .spool_only = true,
	};
	int rc = open_store(x, cfg, err);

	if (!rc)
		rc = bh_endpoints_resolve(&x->endpoints, cfg, err);
	custody.store = x->store;
	return rc ? rc : bh_custody_new(&x->custody, &custody, err);
}

static int make(struct change *x, const struct bh_spool_request *r, struct bh_spool_walk *done)
{
	struct bh_purge purge;
	int rc;

	if (r->verb == BH_SPOOL_REPLAY)
		return bh_custody_replay(x->custody, r, done);
	rc = bh_custody_purge_begin(x->custody, r, &purge);
	if (!rc)
		do
			rc = bh_custody_purge_slice(x->custody, &purge);
		while (rc == 1);
	*done = purge.gone;
	return rc;
}

int bh_spool_change(const struct bh_config *cfg, const struct bh_spool_request *r,
    struct bh_spool_walk *done, struct bh_err *err)
{
	struct change x = {.store = NULL};
	int rc = bh_loop_init(&x.loop, &bh_clock_system);

	if (rc)
		return bh_err_set(err, rc, "event loop");
	bh_log_init(&x.log, &bh_clock_system, "spool", STDERR_FILENO);
	x.log.level = BH_LOG_ERROR; /* what is done is said by who asked */
	bh_rng_init(&x.rng);
	rc = set_up(&x, cfg, err);
	if (!rc) {
		rc = make(&x, r, done);
		if (rc)
			(void)bh_err_set(err, rc, "%s",
			    rc == -ENOSPC ? "the spool is full: free disk space and ask again"
					  : bh_err_name(rc));
	}
	bh_custody_free(x.custody);
	if (!rc)
		bh_store_close_clean(x.store);
	else
		bh_store_free(x.store);
	bh_endpoints_free(&x.endpoints);
	bh_loop_release(&x.loop);
	return rc;
}
