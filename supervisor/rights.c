#include "supervisor/rights.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define COMPONENT "rights"
#define CAP(c)    ((uint64_t)1 << (c))

/* --- what there is ------------------------------------------------------------------------------
 */

void bh_rights_look(struct bh_rights_means *out)
{
	*out = (struct bh_rights_means){
	    .root = geteuid() == 0, .caps = bh_caps_permitted(), .landlock_abi = bh_landlock_abi()};
	/* A container may have the capability and forbid the call: the first start finds out. */
	out->can_unshare = out->caps & CAP(CAP_SYS_ADMIN);
}

/* --- the decision -------------------------------------------------------------------------------
 */

static bool wants_network(enum bh_role role)
{
	return role == BH_ROLE_FORWARDER;
}

/* Files that only root may read: bounded by file rules, or not at all (DESIGN §11). */
static uint64_t caps_of(enum bh_role role, const struct bh_rights_means *m)
{
	return role == BH_ROLE_LOGS && m->landlock_abi ? m->caps & CAP(CAP_DAC_READ_SEARCH) : 0;
}

static void plan_one(enum bh_role role, const struct bh_rights_means *m, bool separate,
    enum bh_hardening hardening, struct bh_rights_plan *p)
{
	bool off = hardening == BH_HARDENING_OFF;

	if (!separate) {
		p->ids =
		    (struct bh_ids){.change = m->root && !off, .uid = geteuid(), .gid = getegid()};
	}
	p->ids.caps = off ? 0 : caps_of(role, m);
	p->ids.own_network = p->ids.change && !off && m->can_unshare && !wants_network(role);
	p->orders = (struct bh_sandbox_orders){.hardening = hardening,
	    .dropped = p->ids.change,
	    .uid = p->ids.uid,
	    .gid = p->ids.gid,
	    .caps = p->ids.caps,
	    .own_network = p->ids.own_network};
	if (off)
		p->orders.gaps |= 1u << BH_GAP_HARDENING_OFF;
	if (!separate)
		p->orders.gaps |= 1u << BH_GAP_UID;
	if (!off && !p->ids.own_network && !wants_network(role))
		p->orders.gaps |= 1u << BH_GAP_NETNS;
}

static int find_users(const struct bh_config *cfg, const struct bh_rights_means *m,
    struct bh_users *users, struct bh_err *why)
{
	uint64_t needed = CAP(CAP_SETUID) | CAP(CAP_SETGID);

	if (!m->root)
		return bh_err_set(why, -EPERM, "bulkhead was not started as root");
	if ((m->caps & needed) != needed)
		return bh_err_set(why, -EPERM, "CAP_SETUID and CAP_SETGID are missing");
	return bh_users_resolve(cfg, users, why);
}

int bh_rights_plan(const struct bh_config *cfg, const struct bh_rights_means *m,
    struct bh_rights_plans *out, struct bh_err *why)
{
	struct bh_err none = BH_ERR_INIT;
	struct bh_users users = {0};
	int rc;

	*out = (struct bh_rights_plans){.separate = false};
	why = why ? why : &none;
	if (bh_hardening_parse(cfg->hardening, &out->hardening))
		return bh_err_set(why, BH_E_CONFIG, "bulkhead.hardening is \"%s\"", cfg->hardening);
	rc = find_users(cfg, m, &users, why);
	if (rc == BH_E_CONFIG)
		return rc;
	out->separate = rc == 0;
	(void)snprintf(out->why_shared, sizeof(out->why_shared), "%s", rc ? why->text : "");
	out->ipc = users.ipc;
	for (int i = 0; i < BH_ROLE__N; i++)
		out->uids[i] = (uid_t)-1;
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		out->of[i].ids = users.ids[i];
		plan_one((enum bh_role)i, m, out->separate, out->hardening, &out->of[i]);
		out->uids[i] = out->of[i].ids.uid;
	}
	return 0;
}

void bh_rights_no_network(struct bh_rights_plan *p)
{
	p->ids.own_network = p->orders.own_network = false;
	p->orders.gaps |= 1u << BH_GAP_NETNS;
}

/* --- what is missing ----------------------------------------------------------------------------
 */

void bh_rights_tell(struct bh_rights_plans *p, enum bh_role role, uint32_t gaps, struct bh_log *log)
{
	enum bh_log_level level = p->quiet ? BH_LOG_INFO : BH_LOG_WARN;

	for (int i = 0; i < BH_GAP__N; i++) {
		bool known = false;

		if (!(gaps & ~p->told[role] & 1u << i))
			continue;
		/* The same of another role was explained already. */
		for (int r = 0; r < BH_ROLE__N; r++)
			known |= p->told[r] & 1u << i;
		if (known)
			bh_log_write(log, level, COMPONENT, "%s: gap %s", bh_role_name(role),
			    bh_gap_name((enum bh_gap)i));
		else
			bh_log_write(log, level, COMPONENT, "%s: gap %s: %s", bh_role_name(role),
			    bh_gap_name((enum bh_gap)i), bh_gap_advice((enum bh_gap)i));
	}
	p->told[role] |= gaps;
}

int bh_rights_list(const uint32_t gaps[BH_ROLE__N], struct bh_strlist *out)
{
	char text[400], roles[64];
	int rc = 0;

	for (int i = 0; i < BH_GAP__N && !rc; i++) {
		size_t n = 0;

		for (int r = BH_ROLE_DOGSTATSD; r < BH_ROLE__N; r++) {
			if (gaps[r] & 1u << i)
				n += (size_t)snprintf(roles + n, sizeof(roles) - n, "%s%s",
				    n ? ", " : "", bh_role_name((enum bh_role)r));
		}
		if (!n)
			continue;
		(void)snprintf(text, sizeof(text), "%s (%s): %s", bh_gap_name((enum bh_gap)i),
		    roles, bh_gap_advice((enum bh_gap)i));
		rc = bh_strlist_add(out, text, strlen(text));
	}
	return rc;
}
