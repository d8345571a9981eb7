#include "common/sandbox.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/sandbox_ids.h"
#include "common/sandbox_sanitizer.h"
#include "common/sandbox_seccomp.h"

static uint32_t gap(enum bh_gap which, bool there)
{
	return there ? 1u << which : 0;
}

/* exec made it dumpable again. A leak check looks into its own process. */
static void forbid_looking(struct bh_rights *out)
{
	static const struct rlimit none = {0, 0};
	bool limited = setrlimit(RLIMIT_CORE, &none) == 0;

	if (BH_SANITIZED || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0)
		out->no_core = limited;
}

static void confine_files(enum bh_role role, const struct bh_sandbox_orders *o,
    const struct bh_landlock_rules *rules, struct bh_rights *out)
{
	int abi = bh_landlock_abi();

	if (abi && bh_landlock_enter(rules, abi, &out->landlock_rules) == 0)
		out->landlock_abi = (uint8_t)BH_MIN(abi, UINT8_MAX);
	abi = out->landlock_abi;
	out->gaps |= gap(BH_GAP_LANDLOCK, abi == 0);
	/* The others can make no TCP socket, and see no abstract one from a namespace of their own.
	 */
	out->gaps |= gap(BH_GAP_LANDLOCK_TCP, abi > 0 && abi < 4 && role == BH_ROLE_FORWARDER);
	out->gaps |= gap(BH_GAP_LANDLOCK_SCOPE,
	    abi > 0 && abi < 6 && (role == BH_ROLE_FORWARDER || !o->own_network));
}

static void read_back(const struct bh_sandbox_orders *o, struct bh_rights *out)
{
	out->uid = geteuid();
	out->gid = getegid();
	out->cap_effective = bh_caps_effective();
	out->cap_bounding = bh_caps_bounding();
	out->no_new_privs = true;
	out->own_network = o->own_network;
	out->gaps |= o->gaps | gap(BH_GAP_CAPABILITIES, bh_caps_permitted() & ~o->caps);
}

static int refuse_gaps(uint32_t set, struct bh_err *err)
{
	char names[200] = "";
	size_t n = 0;

	for (int i = 0; i < BH_GAP__N && n < sizeof(names); i++) {
		if (set & 1u << i)
			n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", n ? ", " : "",
			    bh_gap_name((enum bh_gap)i));
	}
	return bh_err_set(
	    err, -EPERM, "bulkhead.hardening is strict, and there is a gap: %s", names);
}

int bh_sandbox_enter(enum bh_role role, const struct bh_sandbox_orders *o,
    const struct bh_landlock_rules *rules, struct bh_rights *out, struct bh_err *err)
{
	bool off = o->hardening == BH_HARDENING_OFF;
	int rc;

	*out = (struct bh_rights){0};
	if (bh_ids_verify(o->dropped, o->uid, o->gid))
		return bh_err_set(err, -EPERM,
		    "the rights that were to be dropped are still there (uid %u wanted)",
		    (unsigned)o->uid);
	if (!off && bh_caps_keep(o->caps))
		out->gaps |= 1u << BH_GAP_CAPABILITIES;
	forbid_looking(out);
	if (!off)
		confine_files(role, o, rules, out);
	/* Reading whatever there is, without bounds, is not what it is for. */
	if (!off && !out->landlock_abi)
		(void)!bh_caps_keep(0);
	read_back(o, out);
	if (off)
		return 0;
	/* Last: what was needed until here need not be allowed from here. */
	rc = out->gaps && o->hardening == BH_HARDENING_STRICT ? 0 : bh_seccomp_enter(role);
	out->seccomp = rc ? 0 : 2;
	out->gaps |= gap(BH_GAP_SECCOMP, rc != 0);
	return out->gaps && o->hardening == BH_HARDENING_STRICT ? refuse_gaps(out->gaps, err) : 0;
}
