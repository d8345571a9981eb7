/*
 * Which rights each child is started with: the decision, out of what the supervisor itself may do,
 * what the kernel has, and bulkhead.hardening (spec/supervision.md §12, §17). And what is missing:
 * each gap is logged once and stands in the status as long as it lasts.
 */
#ifndef BH_SUPERVISOR_RIGHTS_H
#define BH_SUPERVISOR_RIGHTS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/config.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "common/sandbox_ids.h"
#include "supervisor/users.h"

/* What decides, apart from the configuration; found out by bh_rights_look(). */
struct bh_rights_means {
	bool root;
	uint64_t caps; /* held by the supervisor */
	int landlock_abi;
	bool can_unshare; /* may make a network namespace, as far as capabilities go */
};

struct bh_rights_plan {
	struct bh_ids ids;
	struct bh_sandbox_orders orders;
};

struct bh_rights_plans {
	enum bh_hardening hardening;
	bool separate;                    /* each child has a user of its own */
	char why_shared[BH_ERR_TEXT_MAX]; /* when not */
	gid_t ipc;
	struct bh_rights_plan of[BH_ROLE__N];
	uid_t uids[BH_ROLE__N];    /* of the running children; (uid_t)-1 = the supervisor's */
	uint32_t told[BH_ROLE__N]; /* gaps that were logged */
	bool quiet;                /* gaps are no warnings: standard error is a command's */
};

void bh_rights_look(struct bh_rights_means *out);

/* Pure but for the databases of users. 0; BH_E_CONFIG with a text when a user is configured
 * wrongly. why_shared (may be NULL) gets the reason when the users are not separate. */
int bh_rights_plan(const struct bh_config *cfg, const struct bh_rights_means *means,
    struct bh_rights_plans *out, struct bh_err *why_shared) BH_MUST_CHECK;

/* The role has no namespace of its own after all. */
void bh_rights_no_network(struct bh_rights_plan *p);

/* Logs the gaps of a role that were not logged yet. */
void bh_rights_tell(
    struct bh_rights_plans *p, enum bh_role role, uint32_t gaps, struct bh_log *log);

/* "name (roles): advice" for each gap, appended to out. gaps: by role. */
int bh_rights_list(const uint32_t gaps[BH_ROLE__N], struct bh_strlist *out) BH_MUST_CHECK;

#endif
