/*
 * The first half of a reload (spec/supervision.md §7): the whole configuration read and checked
 * again, beside the one in use. Nothing is changed here.
 */
#ifndef BH_SUPERVISOR_RELOAD_CONFIG_H
#define BH_SUPERVISOR_RELOAD_CONFIG_H

#include "common/attrs.h"
#include "common/config_load.h"

/* Does an option act only at a start of bulkhead? */
bool bh_reload_is_fixed(const char *key);
/* Options that act only at a start keep the value of `used` in `next` (and that one has theirs);
 * the keys of those that differ are added to keys. -ENOMEM. */
int bh_reload_keep_fixed(
    struct bh_config *used, struct bh_config *next, struct bh_strlist *keys) BH_MUST_CHECK;

#endif
