/*
 * bulkhead-forwarder: takes payloads from the producers, keeps them until an intake took them, and
 * keeps the registry. The only process that sees the API key and the database.
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/child_confine.h"
#include "common/sandbox_sanitizer.h"
#include "common/child.h"
#include "forwarder/answer.h"
#include "forwarder/custody.h"
#include "forwarder/grants.h"
#include "forwarder/questions.h"
#include "forwarder/spool_limits.h"

#define COMPONENT "forwarder"
#define PATH_CAP  4096
#define COMMIT_NS (1 * BH_NS_PER_S) /* kept back from the drain's deadline for the last commit */

struct forwarder {
	struct bh_child child;
	struct bh_rng rng;
	struct bh_store *store;
	struct bh_custody *custody;
	struct bh_intake *intake;
	struct bh_transport *transport;
	struct bh_endpoint_list endpoints; /* its keys are wiped once the transport has them */
	struct bh_questions questions;
};

static void on_fatal(void *ctx, int exit_code)
{
	struct forwarder *f = ctx;

	bh_child_fail(&f->child, exit_code);
}

static void on_drained(void *ctx, uint64_t left)
{
	struct forwarder *f = ctx;
	struct bh_ctl_drained d = {.complete = left == 0, .left = left};

	/* Producers that are not stopped go on sending until this process is gone. */
	bh_intake_deafen(f->intake);
	bh_custody_totals(f->custody, &d);
	bh_custody_write_backup(f->custody);
	bh_spool_session_end(&f->questions.spool);
	f->questions.spool.store = NULL;
	bh_store_close_clean(f->store);
	f->store = NULL;
	bh_child_drained(&f->child, &d);
}

static void drain(void *ctx, int64_t deadline_ns, enum bh_drain_mode mode)
{
	struct forwarder *f = ctx;
	int64_t now = bh_mono_ns(&bh_clock_system);
	int64_t keep = BH_MIN(COMMIT_NS, (deadline_ns - now) / 2);
	int64_t most_ns = f->child.config.forwarder_stop_timeout_ms * BH_NS_PER_MS;

	if (most_ns > 0)
		deadline_ns = BH_MIN(deadline_ns, now + most_ns + keep);
	bh_custody_drain(f->custody, deadline_ns - keep, mode);
}

static void peer_state(void *ctx, enum bh_role role, bool running)
{
	struct forwarder *f = ctx;

	if (role == BH_ROLE_DOGSTATSD || role == BH_ROLE_LOGS)
		bh_intake_peer_running(f->intake, role, running);
	if (role == BH_ROLE_LOGS)
		f->questions.logs_running = running;
}

static void stats(void *ctx, struct bh_child *child)
{
	struct forwarder *f = ctx;
	char proxies[BH_CTL_TEXT_MAX + 1];

	bh_custody_stats(f->custody, child);
	bh_transport_proxies(f->transport, proxies, sizeof(proxies));
	if (proxies[0])
		bh_child_stat_note(child, "proxy", "%s", proxies);
}

static void heartbeat(void *ctx, struct bh_ctl_heartbeat *hb)
{
	struct forwarder *f = ctx;

	bh_custody_pending(f->custody, &hb->pending_items, &hb->pending_bytes);
	hb->link_up = bh_intake_connected(f->intake);
	hb->keys_refused = bh_custody_keys_refused(f->custody);
}

static void query(void *ctx, const struct bh_child_query *q)
{
	struct forwarder *f = ctx;

	bh_questions_take(&f->questions, q);
}

/* The transport has its own copies. */
static void wipe_keys(struct bh_config *cfg)
{
	char *const keys[] = {cfg->api_key, cfg->logs_api_key, cfg->additional_endpoints,
	    cfg->logs_additional_endpoints};

	for (size_t i = 0; i < BH_ARRAY_LEN(keys); i++)
		explicit_bzero(keys[i], strlen(keys[i]));
	for (size_t i = 0; i < cfg->endpoints_n; i++)
		explicit_bzero(cfg->endpoints[i].api_key, strlen(cfg->endpoints[i].api_key));
}

/* The same destinations, each with the key of the same place? Keys that were one text and are two
 * now, or the other way round, move the places. */
static bool same_shape(const struct bh_endpoint_list *a, const struct bh_endpoint_list *b)
{
	if (a->n != b->n || a->keys_n != b->keys_n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (a->v[i].key != b->v[i].key || strcmp(a->v[i].names.id, b->v[i].names.id) != 0)
			return false;
	}
	return true;
}

static int replace_keys(struct forwarder *f, const struct bh_config *next)
{
	struct bh_endpoint_list list = {0};
	struct bh_err err = BH_ERR_INIT;
	int rc = bh_endpoints_resolve(&list, next, &err);

	if (!rc && !same_shape(&f->endpoints, &list))
		rc = BH_E_STATE;
	for (unsigned i = 0; i < list.keys_n && !rc; i++)
		rc = bh_custody_key_replace(f->custody, i, list.keys[i]);
	bh_endpoints_free(&list);
	return rc;
}

/* The supervisor sends what it takes for a change of keys only. */
static void reload(void *ctx, struct bh_config *next, struct bh_ctl_reloaded *r)
{
	struct forwarder *f = ctx;

	r->restart = replace_keys(f, next) != 0;
	wipe_keys(next);
}

static void on_key_refused(void *ctx)
{
	struct forwarder *f = ctx;

	bh_child_key_refused(&f->child);
}

static void keep_rows(void *ctx, struct bh_str rows)
{
	struct forwarder *f = ctx;

	bh_custody_keep_rows(f->custody, rows);
}

static const struct bh_child_ops ops = {
    .drain = drain,
    .peer_state = peer_state,
    .stats = stats,
    .heartbeat = heartbeat,
    .query = query,
    .reload = reload,
    .ledger = keep_rows,
};

static int64_t spool_limit(const struct bh_config *cfg, const char *dir)
{
	struct statvfs fs;

	if (statvfs(dir, &fs) < 0)
		return bh_spool_max_bytes(cfg, UINT64_MAX);
	return bh_spool_max_bytes(cfg, (uint64_t)fs.f_bavail * fs.f_frsize);
}

/* Bodies come and go by the hundred kilobytes: each in pages of its own, given back with it, so
 * that a backlog that is gone leaves nothing behind. Without this glibc would keep ever larger
 * ones. */
static void bound_memory(void)
{
	(void)mallopt(M_MMAP_THRESHOLD, 64 << 10);
	(void)mallopt(M_TRIM_THRESHOLD, 256 << 10);
	(void)mallopt(M_ARENA_MAX, 2);
}

/* The key is in this process: no core, no ptrace by others of the same user. */
static void protect(void)
{
	const struct rlimit none = {0, 0};

	if (!BH_SANITIZED) /* a leak check looks into its own process */
		(void)prctl(PR_SET_DUMPABLE, 0);
	(void)setrlimit(RLIMIT_CORE, &none);
}

static int open_store(struct forwarder *f, int64_t *limit, struct bh_err *err)
{
	char dir[PATH_CAP];
	int n = snprintf(dir, sizeof(dir), "%s/store", f->child.config.run_path);
	struct bh_store_config cfg = {.dir = dir,
	    .clock = &bh_clock_system,
	    .rng = &f->rng,
	    .log = &f->child.log,
	    .fsync_off = strcmp(f->child.config.logs_disk_retry_fsync, "off") == 0,
	    .stop_on_damage = strcmp(f->child.config.logs_disk_retry_on_corruption, "stop") == 0};

	if (n < 0 || (size_t)n >= sizeof(dir))
		return bh_err_set(err, -ENAMETOOLONG, "run_path %s", f->child.config.run_path);
	*limit = cfg.max_size_bytes = spool_limit(&f->child.config, dir);
	return bh_store_open(&f->store, &cfg, err);
}

static int open_intake(struct forwarder *f, struct bh_err *err)
{
	struct bh_intake_config cfg = {
	    .loop = &f->child.loop,
	    .log = &f->child.log,
	    .run_dir = f->child.config.run_dir,
	    .run_id = f->child.run_id,
	    .ops = &bh_custody_intake_ops,
	    .ctx = f->custody,
	};
	static const enum bh_role producers[] = {BH_ROLE_DOGSTATSD, BH_ROLE_LOGS};
	int rc;

	memcpy(cfg.store_id, bh_store_id(f->store), sizeof(cfg.store_id));
	for (size_t i = 0; i < BH_ROLE__N; i++)
		cfg.peer_uid[i] = f->child.uids[i];
	rc = bh_intake_new(&f->intake, &cfg, err);
	for (size_t i = 0; i < BH_ARRAY_LEN(producers) && !rc; i++) {
		rc = bh_store_load_producer(f->store, bh_role_name(producers[i]),
		    bh_intake_receiver(f->intake, producers[i]));
		if (rc)
			(void)bh_err_set(
			    err, rc, "load the mark of %s", bh_role_name(producers[i]));
	}
	return rc;
}

static int set_up(struct forwarder *f, struct bh_err *err)
{
	struct bh_custody_config cfg = {
	    .loop = &f->child.loop,
	    .log = &f->child.log,
	    .rng = &f->rng,
	    .config = &f->child.config,
	    .spool_only = f->child.spool_only,
	    .fatal = on_fatal,
	    .drained = on_drained,
	    .key_refused = on_key_refused,
	    .ctx = f,
	};
	int rc = open_store(f, &cfg.spool_max_bytes, err);

	if (rc)
		return rc;
	cfg.store = f->store;
	cfg.endpoints = &f->endpoints;
	rc = bh_endpoints_resolve(&f->endpoints, &f->child.config, err);
	if (!rc)
		rc = bh_custody_new(&f->custody, &cfg, err);
	if (rc)
		return rc;
	f->questions.child = &f->child;
	f->questions.custody = f->custody;
	bh_spool_session_init(&f->questions.spool, &f->child.loop, f->custody, f->store);
	if (!f->child.spool_only)
		bh_custody_first_import(f->custody);
	rc = bh_transport_new(&f->transport, &f->child.loop, &f->child.log, &f->child.config,
	    bh_custody_http_done, f->custody, err);
	for (size_t i = 1; i < f->endpoints.keys_n && !rc; i++)
		rc = bh_transport_add_key(f->transport, f->endpoints.keys[i], err);
	wipe_keys(&f->child.config);
	f->questions.transport = f->transport;
	f->questions.endpoints = &f->endpoints;
	if (rc)
		return rc;
	rc = open_intake(f, err);
	if (rc)
		return rc;
	bh_custody_connect(f->custody, f->intake, f->transport);
	f->child.loop.turn_end = bh_custody_turn_end;
	f->child.loop.turn_ctx = f->custody;
	return 0;
}

static int confine(struct forwarder *f, int *code, struct bh_err *err)
{
	struct bh_landlock_rules rules = {0};
	int rc = bh_forwarder_grants(&f->child.config, geteuid() == 0, &rules);

	*code = BH_EXIT_INTERNAL;
	if (rc)
		rc = bh_err_set(err, rc, "file rules");
	else
		rc = bh_child_confine(&f->child, &rules, code, err);
	bh_landlock_release(&rules);
	return rc;
}

static int exit_code_for(int rc)
{
	switch (rc) {
	case BH_E_STATE:
		return BH_EXIT_UNPROVEN; /* another forwarder holds the store */
	case BH_E_CONFIG:
		return BH_EXIT_CONFIG;
	case -EACCES:
	case -EPERM:
		return BH_EXIT_NOPERM;
	default:
		return BH_EXIT_INTERNAL;
	}
}

static void tear_down(struct forwarder *f)
{
	bh_intake_free(f->intake);
	bh_questions_release(&f->questions);
	bh_transport_free(f->transport);
	bh_endpoints_free(&f->endpoints);
	bh_custody_free(f->custody);
	bh_store_free(f->store);
	bh_child_release(&f->child);
}

int main(int argc, char **argv)
{
	struct forwarder *f = calloc(1, sizeof(*f));
	struct bh_err err = BH_ERR_INIT;
	int code = BH_EXIT_INTERNAL;
	int rc;

	protect();
	bound_memory();
	if (argc == 3 && strcmp(argv[1], "answer") == 0) {
		free(f);
		return bh_answer(argv[2]);
	}
	if (!f)
		return BH_EXIT_INTERNAL;
	rc = bh_child_boot(&f->child, BH_ROLE_FORWARDER, &code, &err);
	if (!rc)
		rc = confine(f, &code, &err);
	if (!rc) {
		bh_rng_init(&f->rng);
		rc = set_up(f, &err);
		code = exit_code_for(rc);
	}
	if (!rc)
		rc = bh_child_start(&f->child, &ops, f);
	if (rc) {
		bh_error(&f->child.log, COMPONENT, "%s", err.text[0] ? err.text : bh_err_name(rc));
	} else {
		bh_child_ready(&f->child);
		code = bh_child_run(&f->child);
	}
	tear_down(f);
	free(f);
	return code;
}
