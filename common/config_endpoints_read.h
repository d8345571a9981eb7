/* Reads the two lists of config_endpoints.h out of what was written. No finding quotes a value: it
 * may be an API key. */
#ifndef BH_COMMON_CONFIG_ENDPOINTS_READ_H
#define BH_COMMON_CONFIG_ENDPOINTS_READ_H

#include "common/config_endpoints.h"
#include "common/config_load.h"
#include "common/config_rules.h"

/* Fills cfg->endpoints from what the two options hold (metrics first, in the order they are
 * written), where the trees say they were written. A list that cannot be understood is an error; an
 * entry without a key is left out with one, an unknown key of an entry is a warning. With an
 * endpoint for logs and no compression_kind of the user's, logs go out as gzip (§5), with a
 * warning. -ENOMEM. */
int bh_config_read_endpoints(struct bh_config *cfg, const struct bh_config_tree *metrics,
    const struct bh_config_tree *logs, bool kind_is_set,
    struct bh_findings *findings) BH_MUST_CHECK;

#endif
