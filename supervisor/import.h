/*
 * bulkheadctl registry import: the file is opened here, by the name the operator gave, and goes to
 * the forwarder as a descriptor.
 */
#ifndef BH_SUPERVISOR_IMPORT_H
#define BH_SUPERVISOR_IMPORT_H

#include <stddef.h>

#include "common/attrs.h"
#include "common/err.h"

#define BH_IMPORT_BYTES_MAX (64 << 20)

/* Opens a regular file for reading. The descriptor, or an error with text: -EINVAL (a name that is
 * not absolute, no regular file), -EFBIG beyond BH_IMPORT_BYTES_MAX, other -errno. */
int bh_import_open(const char *name, size_t n, struct bh_err *err) BH_MUST_CHECK;

#endif
