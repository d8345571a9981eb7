/*
 * bulkheadctl dogstatsd-capture: the file is made here, under a name nobody else chose, and given
 * to dogstatsd as a descriptor: that process opens no file.
 */
#ifndef BH_SUPERVISOR_CAPTURE_H
#define BH_SUPERVISOR_CAPTURE_H

#include "common/attrs.h"
#include "common/buf.h"
#include "common/config.h"
#include "common/err.h"

#define BH_CAPTURE_SECONDS_MAX 86400

/* Creates datadog-capture-<Unix seconds>, mode 0660, below dogstatsd_capture_path or
 * run_path/dsd_capture (made when missing). Returns the descriptor and appends its path; -errno
 * with text. */
int bh_capture_create(const struct bh_config *cfg, int64_t wall_s, struct bh_buf *path,
    struct bh_err *err) BH_MUST_CHECK;

#endif
