/* The content of READY: what is in force in the child (proto/CONTROL.md). */
#ifndef BH_PROTO_CONTROL_RIGHTS_H
#define BH_PROTO_CONTROL_RIGHTS_H

#include "common/attrs.h"
#include "common/buf.h"
#include "common/sandbox.h"

int bh_ctl_put_rights(struct bh_buf *out, const struct bh_rights *r) BH_MUST_CHECK;
/* BH_E_FORMAT. */
int bh_ctl_get_rights(struct bh_cur *c, struct bh_rights *r) BH_MUST_CHECK;

#endif
