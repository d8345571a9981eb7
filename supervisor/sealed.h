/* The sealed configurations the children have: making one, and what differs between two. */
#ifndef BH_SUPERVISOR_SEALED_H
#define BH_SUPERVISOR_SEALED_H

#include <stdbool.h>

#include "common/attrs.h"
#include "common/config.h"

/* A sealed memfd with what role may see of cfg; the caller owns it. -errno, BH_E_LIMIT. */
int bh_sealed_make(const struct bh_config *cfg, enum bh_role role) BH_MUST_CHECK;

enum bh_sealed_diff {
	BH_SEALED_SAME,
	BH_SEALED_SOURCES, /* of the logs process: the log sources, and nothing else */
	BH_SEALED_OTHER,   /* also when one of them cannot be read */
};

enum bh_sealed_diff bh_sealed_compare(int a, int b, enum bh_role role);

#endif
