#include "proto/control_rights.h"

enum flag { NO_NEW_PRIVS = 1, OWN_NETWORK = 2, NO_CORE = 4, FLAGS = 7 };

int bh_ctl_put_rights(struct bh_buf *out, const struct bh_rights *r)
{
	unsigned flags = (r->no_new_privs ? NO_NEW_PRIVS : 0u) |
			 (r->own_network ? OWN_NETWORK : 0u) | (r->no_core ? NO_CORE : 0u);

	(void)bh_buf_u32(out, r->uid);
	(void)bh_buf_u32(out, r->gid);
	(void)bh_buf_u64(out, r->cap_effective);
	(void)bh_buf_u64(out, r->cap_bounding);
	(void)bh_buf_u8(out, (uint8_t)flags);
	(void)bh_buf_u8(out, r->seccomp);
	(void)bh_buf_u8(out, r->landlock_abi);
	(void)bh_buf_u16(out, r->landlock_rules);
	return bh_buf_u32(out, r->gaps);
}

int bh_ctl_get_rights(struct bh_cur *c, struct bh_rights *r)
{
	uint8_t flags;

	r->uid = bh_cur_u32(c);
	r->gid = bh_cur_u32(c);
	r->cap_effective = bh_cur_u64(c);
	r->cap_bounding = bh_cur_u64(c);
	flags = bh_cur_u8(c);
	r->no_new_privs = flags & NO_NEW_PRIVS;
	r->own_network = flags & OWN_NETWORK;
	r->no_core = flags & NO_CORE;
	r->seccomp = bh_cur_u8(c);
	r->landlock_abi = bh_cur_u8(c);
	r->landlock_rules = bh_cur_u16(c);
	r->gaps = bh_cur_u32(c);
	return flags & ~FLAGS || r->seccomp > 2 || r->gaps >> BH_GAP__N ? BH_E_FORMAT : 0;
}
