/* Files and directories that strangers may change: a start on them is refused, whatever
 * bulkhead.hardening says (spec/supervision.md §12). For files of the configuration see
 * common/config_yaml.c. */
#ifndef BH_SUPERVISOR_LOOSE_H
#define BH_SUPERVISOR_LOOSE_H

#include "common/attrs.h"
#include "common/err.h"

/* A directory of ours: nobody else may write into it, nor exchange it. A directory that does not
 * exist is fine. -EPERM with the way out in the text. */
int bh_loose_dir(const char *path, struct bh_err *err) BH_MUST_CHECK;

#endif
