/* Replaces a small file at once: written beside it as NAME.new, then renamed. */
#ifndef BH_SUPERVISOR_FILE_WRITE_H
#define BH_SUPERVISOR_FILE_WRITE_H

#include <sys/types.h>

#include "common/attrs.h"
#include "common/str.h"

/* 0 or -errno; on an error the old file stands. Not synced: these are reports, not data. */
int bh_file_replace(
    const char *dir, const char *name, struct bh_str content, mode_t mode) BH_MUST_CHECK;

#endif
