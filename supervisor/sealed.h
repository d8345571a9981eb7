/* The sealed configurations the children have: making one, and what differs between two. */
#ifndef BH_SUPERVISOR_SEALED_H
#define BH_SUPERVISOR_SEALED_H

#include <stdbool.h>

#include "common/attrs.h"
#include "common/config.h"
#include "common/secret.h"

/* A sealed memfd with what role may see of cfg, its handles replaced by their values; the caller
 * owns it. -errno, BH_E_LIMIT, BH_E_CONFIG: a value does not fit; text in err. */
int bh_sealed_make(const struct bh_config *cfg, enum bh_role role, const struct bh_secrets *secrets,
    struct bh_err *err) BH_MUST_CHECK;
/* The same from an earlier one of the role: what cfg holds as handles, or as secrets that stand
 * there in full, is new; all else is as it was. */
int bh_sealed_renew(int fd, const struct bh_config *cfg, enum bh_role role,
    const struct bh_secrets *secrets, struct bh_err *err) BH_MUST_CHECK;

enum bh_sealed_diff {
	BH_SEALED_SAME,
	BH_SEALED_SOURCES, /* of the logs process: the log sources, and nothing else */
	BH_SEALED_KEYS,    /* of the forwarder: API keys, and nothing else */
	BH_SEALED_OTHER,   /* also when one of them cannot be read */
};

enum bh_sealed_diff bh_sealed_compare(int a, int b, enum bh_role role);

#endif
