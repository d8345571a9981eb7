#include "supervisor/users.h"

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The last value means "no change" to the kernel. */
static int take_number(const char **p, uint32_t *out)
{
	unsigned long long v;
	char *end = NULL;

	if (!isdigit((unsigned char)**p))
		return BH_E_CONFIG;
	errno = 0;
	v = strtoull(*p, &end, 10);
	*p = end;
	*out = (uint32_t)v;
	return errno || v >= UINT32_MAX ? BH_E_CONFIG : 0;
}

static int take_ids(const char *text, struct bh_ids *ids)
{
	int rc = take_number(&text, &ids->uid);

	ids->gid = ids->uid;
	if (!rc && *text == ':') {
		text++;
		rc = take_number(&text, &ids->gid);
	}
	return rc || *text || ids->uid == 0 ? BH_E_CONFIG : 0;
}

static int look_up(const char *name, struct bh_ids *ids)
{
	const struct passwd *pw = getpwnam(name);
	int n = BH_IDS_GROUPS_MAX - 1; /* one more comes: the link's */

	if (!pw)
		return -ENOENT;
	ids->uid = pw->pw_uid;
	ids->gid = pw->pw_gid;
	if (getgrouplist(name, pw->pw_gid, ids->groups, &n) < 0)
		n = BH_IDS_GROUPS_MAX - 1; /* more than fit: the first of them */
	ids->groups_n = (size_t)n;
	return ids->uid == 0 ? BH_E_CONFIG : 0;
}

static int resolve(const char *key, const char *text, struct bh_ids *ids, struct bh_err *err)
{
	int rc = isdigit((unsigned char)text[0]) ? take_ids(text, ids) : look_up(text, ids);

	ids->change = ids->user = true;
	if (rc == -ENOENT)
		return bh_err_set(err, rc, "there is no user %s (%s)", text, key);
	if (rc)
		return bh_err_set(err, rc,
		    "%s is \"%s\": it is the name of a user other than root, uid or uid:gid", key,
		    text);
	return 0;
}

static int resolve_group(const char *text, gid_t *gid, struct bh_err *err)
{
	const struct group *gr;

	if (isdigit((unsigned char)text[0])) {
		const char *p = text;

		return take_number(&p, gid) || *p
			   ? bh_err_set(err, BH_E_CONFIG, "bulkhead.group_ipc is \"%s\"", text)
			   : 0;
	}
	gr = getgrnam(text);
	if (!gr)
		return bh_err_set(err, -ENOENT, "there is no group %s (bulkhead.group_ipc)", text);
	*gid = gr->gr_gid;
	return 0;
}

int bh_users_resolve(const struct bh_config *cfg, struct bh_users *out, struct bh_err *err)
{
	const struct {
		enum bh_role role;
		const char *key, *text;
	} roles[] = {
	    {BH_ROLE_DOGSTATSD, "bulkhead.user_dogstatsd", cfg->user_dogstatsd},
	    {BH_ROLE_LOGS, "bulkhead.user_logs", cfg->user_logs},
	    {BH_ROLE_FORWARDER, "bulkhead.user_forwarder", cfg->user_forwarder},
	};
	int rc = 0;

	*out = (struct bh_users){0};
	for (size_t i = 0; i < BH_ARRAY_LEN(roles) && !rc; i++)
		rc = resolve(roles[i].key, roles[i].text, &out->ids[roles[i].role], err);
	rc = rc ? rc : resolve_group(cfg->group_ipc, &out->ipc, err);
	for (size_t i = 0; i < BH_ARRAY_LEN(roles) && !rc; i++) {
		struct bh_ids *ids = &out->ids[roles[i].role];
		const struct bh_ids *next = &out->ids[roles[(i + 1) % BH_ARRAY_LEN(roles)].role];

		if (ids->uid == next->uid)
			rc = bh_err_set(err, -ENOENT,
			    "two processes would have the user %u: each needs one of its own",
			    (unsigned)ids->uid);
		ids->groups[ids->groups_n++] = out->ipc;
	}
	return rc;
}
